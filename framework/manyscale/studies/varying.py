"""What a study varies: settings of the coupling, each with its distribution."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from manyscale.bridges.sampler import distributions
from manyscale.bridges.sampler.designs import Plan
from manyscale.bridges.sampler.distributions import KINDS, LABELS, Distribution
from manyscale.contract.refusal import Refused, nearest
from manyscale.contract.settings import Setting
from manyscale.contract.units import affine
from manyscale.coupling.graph import Graph
from manyscale.coupling.settings import lookup
from manyscale.studies.study import SEED

_SPELLING = "NAME=KIND(NUMBERS) [UNIT] [aleatory|epistemic], as in 'micro.k=normal(1, 0.1) W/(m K)'"
_VARIED = re.compile(r"\s*([^=\s]+)\s*=\s*(\w+)\s*\(([^()]*)\)\s*(.*?)\s*")


def parameters(graph: Graph, texts: Sequence[str]) -> list[Distribution]:
    """Return the distributions that `--vary` options declare, in the units of their settings.

    Raises `Refused` for one that cannot be read, or that varies nothing.
    """
    found = [_one(graph, text) for text in texts]
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Refused(f"--vary {twice} is given twice; give it one distribution.")
    return found


def _one(graph: Graph, text: str) -> Distribution:
    read = _VARIED.fullmatch(text)
    if read is None:
        raise Refused(f"--vary {text}: expected {_SPELLING}.")
    name, kind, numbers, rest = read.groups()
    words = rest.split()
    label = words.pop() if words and words[-1] in LABELS else ""
    if kind not in KINDS:
        raise Refused(f"--vary {text}: there is no distribution {kind!r}.{nearest(kind, KINDS)}")
    setting = setting_of(graph, name)
    parts = [part.strip() for part in numbers.split(",") if part.strip()]
    try:
        one = distributions.made(name, kind, parts, setting.unit, label)
    except ValueError as exc:
        raise Refused(f"--vary {text}: {str(exc).removeprefix('distributions: ')}") from None
    _refuse_other_type(one, setting)
    return _in_unit(one, " ".join(words) or setting.unit, setting.unit, text)


def setting_of(graph: Graph, name: str) -> Setting:
    """Return the declaration of a number that may be varied, or refuse the name.

    It must reach a component: a more specific setting of the spec would hide it.
    """
    concerned = [(node, s) for node, s in graph.concerned(name) if s is not None]
    if not concerned:
        known = [
            f"{node.name}.{setting}"
            for node in graph.nodes.values()
            for setting in (node.contract.settings() if node.contract else ())
        ]
        raise Refused(f"--vary {name}: no component has this setting.{nearest(name, known)}")
    short = name.rpartition(".")[2]
    settings = {**graph.settings, name: None}
    reached = [
        instance
        for node, _ in concerned
        for instance in node.instances
        if lookup(settings, instance, [short]).get(short, ("",))[0] == name
    ]
    if not reached:
        hiding = lookup(settings, concerned[0][0].instances[0], [short])[short][0]
        raise Refused(f"--vary {name}: the spec sets {hiding}, which hides it; vary that instead.")
    units = {setting.unit for _, setting in concerned}
    if len(units) > 1:
        raise Refused(
            f"--vary {name}: it is wanted in {', '.join(sorted(units))}; vary it for each of them."
        )
    return concerned[0][1]


def _refuse_other_type(one: Distribution, setting: Setting) -> None:
    if setting.type is int and not one.whole:
        raise Refused(
            f"--vary {one.name}: it is a whole number; give it discrete(...) of whole numbers."
        )
    if setting.type not in (int, float):
        raise Refused(
            f"--vary {one.name}: it is {setting.ymmsl_type}, and only single numbers are varied."
        )


def _in_unit(one: Distribution, given: str, wanted: str, text: str) -> Distribution:
    """Return the distribution of the same thing in another unit."""
    try:
        a, b = affine(given, wanted)
    except Refused as exc:
        raise Refused(f"--vary {text}: {exc}") from None
    if (a, b) == (1.0, 0.0):
        return one
    if one.whole:
        raise Refused(f"--vary {text}: whole numbers are not converted; give them in '{wanted}'.")
    if one.kind == "lognormal":
        if b:
            raise Refused(f"--vary {text}: a lognormal temperature is given in '{wanted}'.")
        numbers: tuple[float, ...] = (one.numbers[0] + float(np.log(a)), one.numbers[1])
    elif one.kind == "normal":
        numbers = (a * one.numbers[0] + b, a * one.numbers[1])
    else:
        numbers = tuple(a * x + b for x in one.numbers)
    return Distribution(one.name, one.kind, numbers, one.weights, wanted, one.label)


def refuse_out_of_bounds(graph: Graph, drawn: Sequence[Distribution], plan: Plan) -> None:
    """Refuse a design of which a sample lies where its setting must not be."""
    for k, one in enumerate(drawn):
        setting, values = setting_of(graph, one.name), plan.theta[:, k]
        for extreme in (values.min(initial=np.inf), values.max(initial=-np.inf)):
            if len(values):
                _refuse_unfit(one, setting, values, float(extreme))


def _refuse_unfit(one: Distribution, setting: Setting, values: Any, extreme: float) -> None:
    def fits(value: float) -> bool:
        try:
            setting.refuse_unfit(int(value) if one.whole else float(value), one.name)
        except Refused:
            return False
        return True

    if fits(extreme):
        return
    out = sum(not fits(value) for value in np.unique(values))
    numbers = ", ".join(f"{x:g}" for x in one.numbers)
    raise Refused(
        f"--vary {one.name}={one.kind}({numbers}): {out} of {len(values)} samples are out of"
        f" bounds, {extreme:g} among them; expected {setting.limits} {setting.unit}. Choose a"
        " distribution that stays inside."
    )


def refuse_taken(drawn: Sequence[Distribution], given: dict[str, Any]) -> None:
    """Refuse to vary what is also set on the command line, or what every sample has anyway."""
    for one in drawn:
        if one.name in given:
            raise Refused(f"{one.name} stands in --set and in --vary; it cannot be both.")
        if one.name.rpartition(".")[2] == SEED:
            raise Refused(f"--vary {one.name}: every sample has a seed of its own; leave it out.")
