"""Settings of a coupling against the contracts of its components."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from manyscale.contract.model import ScaleModel
from manyscale.contract.recording import ports_to_record
from manyscale.contract.refusal import Refused, nearest
from manyscale.coupling.load import Coupling
from manyscale.coupling.wiring import refuse_miswired
from manyscale.registry.catalog import FRAMEWORK_SETTINGS


def instances(coupling: Coupling, component: str) -> list[str]:
    """Return the instance names of a component: `pipe[0]`, `pipe[1]`, or `bulk`."""
    sizes = list(coupling.components[component].multiplicity or [])
    names = [component]
    for size in sizes:
        names = [f"{name}[{i}]" for name in names for i in range(size)]
    return names


def settings_of(
    coupling: Coupling,
    instance: str,
    known: Iterable[str],
    overlay: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the values one instance is given: most specific first, overlays before the spec."""
    values = {**coupling.settings, **(overlay or {})}
    found = {}
    for name in known:
        for prefix in _prefixes(instance):
            key = f"{prefix}.{name}" if prefix else name
            if key in values:
                found[name] = values[key]
                break
    return found


def _prefixes(instance: str) -> Iterator[str]:
    """Yield `a.b[1]`, `a.b`, `a`, ``."""
    while instance:
        yield instance
        cut = max(instance.rfind("."), instance.rfind("["))
        instance = instance[:cut] if cut > 0 else ""
    yield ""


def checked_models(coupling: Coupling) -> dict[str, ScaleModel]:
    """Return every instance's model with its settings; refuse what is unknown or unfit."""
    refuse_miswired(coupling)
    _refuse_unknown(coupling)
    models = {}
    for component, contract in coupling.contracts.items():
        if contract is None:
            continue
        for instance in instances(coupling, component):
            values = settings_of(coupling, instance, contract.settings())
            own = settings_of(coupling, instance, FRAMEWORK_SETTINGS)
            try:
                models[instance] = contract.with_settings(values)
                ports_to_record(contract, own.get("record", ""), instance)
                models[instance].scales()
            except (Refused, ValueError) as exc:
                raise Refused(f"In {coupling.name}, component {instance}: {exc}") from None
    return models


def _refuse_unknown(coupling: Coupling) -> None:
    every = set(FRAMEWORK_SETTINGS)
    for contract in coupling.contracts.values():
        every |= set(contract.settings()) if contract else set()
    for key in coupling.settings:
        owner, _, name = key.rpartition(".")
        if name.startswith("muscle_"):
            continue
        if not owner:
            if name not in every and all(coupling.contracts.values()):
                raise Refused(
                    f"No component of {coupling.name} has a setting {name!r}.{nearest(name, every)}"
                )
            continue
        component = owner.partition("[")[0]
        inside = [c for c in coupling.contracts if c == component or c.startswith(component + ".")]
        if not inside:
            raise Refused(
                f"Setting {key}: {coupling.name} has no component {component!r}."
                f"{nearest(component, coupling.contracts)}"
            )
        members = instances(coupling, component) if component in coupling.contracts else []
        if "[" in owner and not any(m == owner or m.startswith(f"{owner}[") for m in members):
            raise Refused(f"Setting {key}: there is no {owner!r}.{nearest(owner, members)}")
        contracts = [c for c in map(coupling.contracts.get, inside) if c is not None]
        known = {name for c in contracts for name in c.settings()} | set(FRAMEWORK_SETTINGS)
        if len(contracts) == len(inside) and name not in known:
            models = " and ".join(sorted({c.name for c in contracts}))
            raise Refused(f"Setting {key}: {models} has no setting {name!r}.{nearest(name, known)}")
