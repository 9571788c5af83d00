"""MS201: implementations that are not there."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import close_to, nearest
from manyscale.coupling.load import Spec
from manyscale.coupling.modules import OURS


@check("MS201", stage="config")
def no_such_implementation(spec: Spec) -> Iterator[Finding]:
    """A component's implementation is unknown.

    `implementation` names a program under `programs`, a model under `models`, or something that
    `imports` brings. A registered model is imported like this:

        imports:
        - from manyscale import implementation mass_diffusion

    The component is kept, with nothing known of what it promises.
    """
    known = {str(name) for name in [*spec.config.programs, *spec.config.models]}
    imported = {str(n).rpartition(".")[2]: str(n) for n in known}
    for wiring in spec.wirings:
        for component in wiring.model.components.values():
            name = component.implementation
            if name is None or str(name) in known or _is_told(spec, str(name)):
                continue
            registered = str(name) in spec.registry.programs
            yield Finding(
                (*wiring.place(component), "implementation"),
                f"{component.name} is implemented by {name}, which is neither imported nor"
                f" a program or model of this spec."
                f"{'' if registered else nearest(str(name), {*imported, *spec.registry.programs})}",
                write=f"imports:\n- from {OURS} import implementation {name}" if registered else "",
                word=str(name),
            )


def _is_told(spec: Spec, name: str) -> bool:
    """Whether an import is at fault, or the module a name with dots comes from."""
    return "." in name or bool(close_to(name, spec.dropped, 0.8))
