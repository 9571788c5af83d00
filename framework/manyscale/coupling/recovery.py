"""What is done about a broken structure, so that the rest of a spec can still be checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from manyscale.contract.diagnostics import Finding
from manyscale.contract.model import ScaleModel
from manyscale.coupling.grammar import PORTS
from manyscale.coupling.rules import MISSING, Fault
from manyscale.coupling.source import Source
from manyscale.coupling.structure import Step, faults


def differences(
    sources: Sequence[Source], ports: Mapping[str, str], defaulted: Set[str] = frozenset()
) -> Iterator[tuple[str, Finding]]:
    """Yield codes and findings for all files.

    `ports` are the ports of registered models by the model's name, as YAML; `defaulted` the
    names of settings that may be left out without changing the shape of anything.
    """
    for source, fault, step in faults(sources):
        yield fault.code, _finding(source, fault, step, ports, defaulted)


def _finding(
    source: Source, fault: Fault, step: Step, ports: Mapping[str, str], defaulted: Set[str]
) -> Finding:
    """Return the finding of a fault, with what is done so that the rest can be checked."""
    file = str(source.file)
    put, drop = fault.put, fault.drop
    write = fault.write
    if not put and not drop:
        put, drop = _recovery(source, step, ports)
        if fault.code == MISSING and put and put[0][0][-1] == "ports":
            write = "ports: " + str(put[0][1])
    # the default of a list, or none at all, would be told as a mistake of its own
    is_setting = len(fault.at) == 2 and fault.at[0] == "settings"
    lost = is_setting and not put and str(fault.at[1]).rpartition(".")[2] not in defaulted
    final = bool(source.module) or not (put or drop) or lost
    return Finding(
        (file, *fault.at),
        fault.text,
        write=write,
        word=fault.word,
        drop=tuple((file, *at) for at in drop),
        put=tuple(((file, *at), (file, *w) if isinstance(w, tuple) else w) for at, w in put),
        final=final,
    )


def _recovery(source: Source, step: Step, ports: Mapping[str, str]) -> Any:
    """Return what is put and dropped for a broken value: the nearest around it that can be."""
    now: Step | None = step
    while now is not None:
        if "instead" in now.schema:
            text = now.schema["instead"]
            return ((), (now.at,)) if text is None else (((now.at, text),), ())
        if now.at[4:] == ("ports",) and now.schema.get("title") == PORTS["title"]:
            program = source.data((*now.at[:4], "implementation"))
            known = ports.get(program) if isinstance(program, str) else None
            return ((), ()) if known is None else (((now.at, known),), ())
        now = now.above
    return (), ()


def found_by(code: str, files: Any) -> Iterator[Finding]:
    """Yield what is told under a code in the files of a spec."""
    models = {entry.model.name: ports_text(entry.model) for entry in files.registry}
    settings = [s for e in files.registry for s in e.model.settings().values()]
    defaulted = {s.name for s in settings if not isinstance(s.default, list)}
    defaulted -= {s.name for s in settings if s.required or isinstance(s.default, list)}
    for one, finding in differences(files.sources.files, models, defaulted):
        if one == code:
            yield finding


def ports_text(model: type[ScaleModel]) -> str:
    """Return the ports of a model as they are written in a component, on one line."""
    groups: dict[str, list[str]] = {}
    for port in model.ports.values():
        key = port.operator if not port.timeline else f"timeline {port.timeline}"
        groups.setdefault(f"{key}\n{port.operator}" if port.timeline else key, []).append(port.name)
    plain = [f"{key}: {' '.join(names)}" for key, names in groups.items() if "\n" not in key]
    own: dict[str, list[str]] = {}
    for key, names in groups.items():
        if "\n" in key:
            line, _, operator = key.partition("\n")
            own.setdefault(line, []).append(f"{operator}: {' '.join(names)}")
    nested = [f"{line}: {{{', '.join(inner)}}}" for line, inner in own.items()]
    return f"{{{', '.join([*plain, *nested])}}}"
