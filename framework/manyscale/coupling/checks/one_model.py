"""MS221: the model that is run."""

from __future__ import annotations

from collections.abc import Iterator

from ymmsl.v0_2 import Model

from manyscale.contract.diagnostics import At, Finding, check
from manyscale.coupling.load import Spec
from manyscale.coupling.modules import parsed


@check("MS221", stage="config")
def one_model(spec: Spec) -> Iterator[Finding]:
    """A spec has no model, an empty one, or several that could be run.

    The model that is run is the one that implements no component of another model. A spec has
    exactly one; all others stand in it as implementations of components, directly or through
    others. A file with nothing but settings or resources is checked together with the file of
    the model:

        manyscale check model.ymmsl settings.ymmsl

    Of several models the first is checked further, of the others only the wiring.
    """
    if not spec.config.models:
        # what was left out may have been the models, under another key
        if not any(len(at) == 1 or (len(at) == 2 and at[0] == "models") for at in spec.lost):
            names = ", ".join(source.file.name for source in spec.sources.own())
            yield Finding(
                (str(spec.sources.own()[0].file),),
                f"there is no model in {names}; a spec has one under models.",
            )
        return
    roots = spec.roots()
    if len(roots) > 1:
        names = " and ".join(str(model.name) for model in roots[1:])
        several = "it" if len(roots) == 2 else "them"
        yield Finding(
            _place(spec, roots[1]),
            f"{roots[0].name} and {names} could both be run; a spec has one model that implements"
            f" no component, so use {several} in {roots[0].name}, or take {several} out.",
        )
    elif roots and not roots[0].components and not spec.is_lost(spec.at(roots[0])):
        yield Finding(
            _place(spec, roots[0]),
            f"{roots[0].name} has no components, so there is nothing to run.",
        )


def _place(spec: Spec, model: Model) -> At:
    """Return where a model is written, or where it is imported."""
    head, _, last = str(model.name).rpartition(".")
    for source in spec.sources.own():
        for one in parsed(source):
            if (one.module, one.name) == (head, last):
                return one.place
    return spec.at(model)
