"""MS216: custom implementations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from manyscale.contract.diagnostics import At, Finding, check
from manyscale.contract.refusal import Refused, nearest
from manyscale.coupling.modules import OURS, Import, content, parsed
from manyscale.coupling.prove import Files


@check("MS216", stage="files")
def custom_implementation(files: Files) -> Iterator[Finding]:
    """A custom implementation is given for a component that is not there, or is not there itself.

    `custom_implementations` puts another implementation in the place of a component's. The key
    is the path to the component and begins with the model; the value is the name of a program or
    model of the spec or an imported one, or nothing, which takes an optional component out.

        custom_implementations:
          pipe_diffusion.pipe: effective_medium
          city.house.boiler: gas_boiler        # boiler in the model that implements house
    """
    known = {name: part for source in files.sources.own() for name, part in _own(source)}
    custom: dict[str, str] = {}  # MUSCLE3 puts them in one after the other
    for source in files.sources.own():
        for path in map(str, source.keys(("custom_implementations",))):
            at: At = ("custom_implementations", path)
            value = source.data(at)
            word, why = _fault(path, value, known, custom)
            if not why:
                custom[path] = str(value)
            else:
                place = (str(source.file), *at)
                yield Finding(place, why, word=word, drop=(place,))


def _own(source: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names a file defines or imports, with what they stand for."""
    for part in ("programs", "models"):
        for name in source.names(part):
            yield name, source.data((part, name)) if part == "models" else None
    for one in parsed(source):
        yield one.name, one


def _fault(
    path: str, value: Any, known: Mapping[str, Any], custom: Mapping[str, str]
) -> tuple[str, str]:
    """Return the word that is wrong and a sentence, both empty if nothing is."""
    start, *rest = path.split(".")
    if start not in known or not _is_model(known[start]):
        models = [name for name, part in known.items() if _is_model(part)]
        return start, f"{path} begins with {start}, which is no model.{nearest(start, models)}"
    if value is not None and value not in known:
        return str(value), (
            f"{path} is to be implemented by {value}, which is neither defined nor imported here."
            f"{nearest(str(value), known)}"
        )
    if not rest:
        return start, f"{path} is a model; a component's name follows: {start}.COMPONENT."
    return _fault_in_path(path, start, rest, known, custom)


def _fault_in_path(
    path: str, start: str, rest: list[str], known: Mapping[str, Any], custom: Mapping[str, str]
) -> tuple[str, str]:
    where, components = start, _components(known[start])
    for number, name in enumerate(rest):
        if components is None:
            return "", ""  # from a module of which something else is said
        if name not in components:
            said = f"{path} names {name}, which is no component of {where}."
            return name, said + nearest(name, components)
        if number < len(rest) - 1:
            where = f"{where}.{name}"
            program = custom.get(where, components[name])
            nested = known.get(program)
            if program in known and not _is_model(nested):
                said = f"{path} goes into {name}, which is implemented by {program},"
                return rest[number + 1], f"{said} a program: it has no components."
            components = None if nested is None else _components(nested)
    return "", ""


def _is_model(part: Any) -> bool:
    if isinstance(part, Import):
        return part.module != OURS and (_imported(part) is not None or _unknown(part))
    return isinstance(part, Mapping)


def _unknown(part: Import) -> bool:
    try:
        content(part.module)
    except Refused:
        return True
    return False


def _imported(part: Import) -> Any:
    """Return the imported model, None if it is none."""
    try:
        models = content(part.module).models
    except Refused:
        return None
    return next(
        (m for name, m in models.items() if str(name) == f"{part.module}.{part.name}"), None
    )


def _components(part: Any) -> dict[str, str] | None:
    """Return the implementation of every component of a model by name, None if not known."""
    if isinstance(part, Import):
        model = _imported(part)
        found = None if model is None else model.components
        return None if found is None else {str(n): str(c.implementation) for n, c in found.items()}
    components = part.get("components")
    if not isinstance(components, Mapping):
        return None
    return {
        str(name): str(c.get("implementation")) if isinstance(c, Mapping) else str(c)
        for name, c in components.items()
    }
