"""Reads a contract from its serialised form: for components in other languages.

The class that comes out declares everything and does nothing: checks and drawings use it like
any other contract, no host runs it. A file written by hand may leave out every key that has
a default in the published schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from manyscale.contract import ports as doors
from manyscale.contract.distribution import Held
from manyscale.contract.engine import Capabilities
from manyscale.contract.fields import Field
from manyscale.contract.meshes import Mesh
from manyscale.contract.model import Citation, ScaleModel
from manyscale.contract.refusal import Refused, nearest
from manyscale.contract.scales import Scale, Scales
from manyscale.contract.serialised import SCHEMA
from manyscale.contract.settings import TYPES, InputFiles

_DOORS = {"f_init": doors.F_INIT, "o_i": doors.O_I, "s": doors.S, "o_f": doors.O_F}
_TYPES = {name: kind for kind, name in TYPES.items()}
_BOUNDS: dict[str, Any] = {"ge": Ge, "gt": Gt, "le": Le, "lt": Lt}
_AS_THEY_ARE = (
    "name", "version", "state_version", "keeps_state", "writes", "determinism", "extra",
)  # fmt: skip


def contract_in(text: str) -> type[ScaleModel]:
    """Return the model class that a contract file describes.

    Raises `json.JSONDecodeError` for what is no JSON and `Refused` for what is no contract.
    """
    try:
        data = json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)
    except RecursionError:
        raise Refused("it is nested too deeply.") from None
    return contract_of(data)


def contract_of(data: Any) -> type[ScaleModel]:
    """Return the model class that a serialised contract describes.

    Raises `Refused` for what is no such contract, naming the place in it.
    """
    data = _read(SCHEMA, data, "the contract")
    _refuse_twice("the contract", [*_names(data["ports"]), *_names(data["settings"]),
                                   *data["meshes"]])  # fmt: skip
    body: dict[str, Any] = {key: data[key] for key in _AS_THEY_ARE}
    body |= {
        "__doc__": data["text"],
        "citations": tuple(Citation(**one) for one in data["citations"]),
        "capabilities": Capabilities(**data["capabilities"]),
        "Engine": object if data["engine"] else None,
        "__annotations__": {},
        "_declared_scales": _scales(data["scales"]),
        "scales": lambda self: self._declared_scales,
    }
    for name, mesh in data["meshes"].items():
        body[name] = Mesh(**mesh)
    for port in data["ports"]:
        body[port["name"]] = _port(port)
    for setting in data["settings"]:
        _declare(setting, body)
    return _made(data["name"], body)


def _made(name: str, body: Mapping[str, Any]) -> type[ScaleModel]:
    try:
        model: type[ScaleModel] = type(name, (ScaleModel,), dict(body))
    except (TypeError, ValueError) as exc:
        raise Refused(str(exc)) from None
    for setting in model.settings().values():
        if not setting.required:
            setting.checked(setting.default, name)
    return model


def _names(items: Iterable[Mapping[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


def _refuse_twice(where: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"{where} has two things called {name!r}; each name stands once.")


def _port(data: Mapping[str, Any]) -> doors.Port:
    name, operator = data["name"], data["operator"]
    _refuse_twice(f"Port {name}", _names(data["fields"]))
    options = {k: v for k, v in data.items() if k not in ("name", "operator", "fields")}
    fields = {field["name"]: _field(field, name) for field in data["fields"]}
    if "self" in fields:
        raise Refused(f"Port {name!r}: A field cannot be called 'self'.")
    try:
        return _DOORS[operator](**{**options, **fields})
    except TypeError as exc:
        raise Refused(f"Port {name!r}: {exc}") from None


def _field(data: Mapping[str, Any], port: str) -> Field:
    declared = {k: v for k, v in data.items() if k not in ("name", "axes", "held")}
    try:
        return Field(axes=_axes(data["axes"]), held=Held(**data["held"]), **declared)
    except TypeError as exc:
        raise Refused(f"Field {port}.{data['name']}: {exc}") from None


def _axes(axes: list[Mapping[str, Any]] | None) -> str:
    if axes is None:
        return "..."
    for axis in axes:
        if axis["setting"] and axis["length"] is not None:
            raise TypeError(f"axis {axis['name']!r} has a length and a setting; give one of them.")
    sizes = [axis["setting"] or axis["length"] for axis in axes]
    return " ".join(
        axis["name"] if size is None else f"{axis['name']}={size}"
        for axis, size in zip(axes, sizes, strict=True)
    )


def _declare(data: Mapping[str, Any], body: dict[str, Any]) -> None:
    """Add a setting to the body of a class."""
    name, default = data["name"], data.get("default")
    required = data.get("required", "default" not in data)
    if required and default is not None:
        raise Refused(f"Setting {name!r} is required and has a default; it is one or the other.")
    if not required and default is None:
        raise Refused(f"Setting {name!r} is not required and has no default.")
    body["__annotations__"][name] = _annotation(data)
    if not required:
        body[name] = default


def _annotation(data: Mapping[str, Any]) -> Any:
    bounds = tuple(_BOUNDS[name](value) for name, value in data["bounds"].items())
    kind: Any = _TYPES[data["type"]]
    for choice in data["choices"]:
        if type(choice) is not kind or isinstance(choice, list):
            raise Refused(f"{choice!r} is a choice of {data['name']!r}, which is {data['type']}.")
    if data["choices"]:
        kind = Literal[tuple(data["choices"])]
    files = (InputFiles(),) if data["files"] else ()
    return Annotated[(kind, data["unit"], data["text"], *bounds, *files)]


def _scales(data: Mapping[str, Any] | None) -> Scales:
    try:
        return Scales(
            **{
                name.partition("_")[0]: None if scale is None else Scale(**scale)
                for name, scale in (data or {}).items()
            }
        )
    except ValueError as exc:
        raise Refused(f"scales: {exc}.") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _refuse_twice("an object", [key for key, _ in pairs])
    return dict(pairs)


def _no_number(word: str) -> None:
    raise Refused(f"{word} is no number that JSON knows.")


_KINDS: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float),
    "integer": int, "null": type(None),
}  # fmt: skip


def _read(schema: Mapping[str, Any], value: Any, where: str) -> Any:
    """Return a value with the defaults of the schema filled in; refuse what it does not allow.

    It knows the words of JSON schema that the schema of contracts uses.
    """
    if "oneOf" in schema:
        schema = schema["oneOf"][value is not None]  # each is "null or something"
    _refuse_unfit(schema, value, where)
    if isinstance(value, dict):
        return _read_object(schema, value, where)
    if isinstance(value, list):
        return [
            _read(schema.get("items", {}), inner, f"{_called(inner, number)} in {where}")
            for number, inner in enumerate(value, 1)
        ]
    return value


def _read_object(schema: Mapping[str, Any], value: Mapping[str, Any], where: str) -> Any:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    for key in schema.get("required", ()):
        if key not in value:
            raise Refused(f"{where} has no {key!r}; every one has it.")
    for key in value:
        if key not in known and others is False:
            raise Refused(f"{where} has an unknown key {key!r}.{nearest(key, known)}")
    usual = {key: inner["default"] for key, inner in known.items() if "default" in inner}
    return {
        key: _read(known.get(key, others), inner, f"{key!r} of {where}")
        for key, inner in {**usual, **value}.items()
    }


def _refuse_unfit(schema: Mapping[str, Any], value: Any, where: str) -> None:
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        raise Refused(f"{where} is {value!r}, expected {' or '.join(kinds)}.")
    if "const" in schema and value != schema["const"]:
        raise Refused(f"{where} is {value!r}, expected {schema['const']!r}.")
    if "enum" in schema and value not in schema["enum"]:
        raise Refused(f"{where} is {value!r}.{nearest(str(value), map(str, schema['enum']))}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        raise Refused(f"{where} is {value!r}; names are letters, digits and underscores.")
    if "minimum" in schema and value < schema["minimum"]:
        raise Refused(f"{where} is {value!r}, expected {schema['minimum']} or more.")


def _called(value: Any, number: int) -> str:
    name = value.get("name") if isinstance(value, dict) else None
    return repr(name) if isinstance(name, str) else f"number {number}"


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _KINDS[kind])
