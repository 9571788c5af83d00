"""MS410: settings of MUSCLE3 itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.addressed import OF_MUSCLE, Address, address
from manyscale.coupling.graph import Graph

# what libmuscle 0.11 reads; its DISABLE cannot be set: it has no level of Python's logging
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_KNOWN: dict[str, tuple[str, ...]] = {
    "muscle_local_log_level": (*_LEVELS, "LOCAL"),
    "muscle_remote_log_level": _LEVELS,
    "muscle_profile_level": ("none", "all"),
    "muscle_deadlock_receive_timeout": (),
}


@check("MS410")
def muscle_settings(graph: Graph) -> Iterator[Finding]:
    """A setting of MUSCLE3 that MUSCLE3 does not know, or a value it cannot use.

    Settings that begin with `muscle_` speak to MUSCLE3. It reads four, and ignores all others:

        muscle_local_log_level: WARNING          # DEBUG INFO WARNING ERROR CRITICAL
        muscle_remote_log_level: ERROR           # the same, for the manager's log
        muscle_profile_level: none               # or all
        muscle_deadlock_receive_timeout: 10.0    # s, a number with a dot; negative: never

    With a component in front (`bulk.muscle_local_log_level`) they are for that one.
    """
    for key, value in graph.settings.items():
        one = address(graph, key)
        if one.name.startswith(OF_MUSCLE) and one.nodes:
            found = _wrong(one, value)
            if found is not None:
                yield found


def _wrong(one: Address, value: Any) -> Finding | None:
    at = ("settings", one.key)
    if one.name not in _KNOWN:
        return Finding(at, f"MUSCLE3 has no setting {one.name}.{nearest(one.name, _KNOWN)}")
    choices = _KNOWN[one.name]
    if not choices:
        if type(value) is float:
            return None
        right = f"{one.key}: {float(value)}" if type(value) is int else ""
        return Finding(
            at, f"{one.key} is {value!r}, expected seconds with a decimal point.", right, str(value)
        )
    if isinstance(value, str) and (value in choices or value.upper() in choices):
        return None
    shown = ", ".join(choices)
    return Finding(at, f"{one.key} is {value!r}, expected one of: {shown}.", word=str(value))
