"""Reads a contract from its serialised form: for components in other languages.

The class that comes out declares everything and does nothing: checks and drawings use it like
any other contract, no host runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le, Lt

from manyscale.contract import ports as doors
from manyscale.contract.fields import Field
from manyscale.contract.meshes import Mesh
from manyscale.contract.model import Citation, ScaleModel
from manyscale.contract.refusal import Refused, nearest
from manyscale.contract.scales import Scale, Scales
from manyscale.contract.serialised import FORMAT, SCHEMA
from manyscale.contract.settings import TYPES

_DOORS = {"f_init": doors.F_INIT, "o_i": doors.O_I, "s": doors.S, "o_f": doors.O_F}
_TYPES = {name: kind for kind, name in TYPES.items()}
_BOUNDS: dict[str, Any] = {"ge": Ge, "gt": Gt, "le": Le, "lt": Lt}


def contract_of(data: Any) -> type[ScaleModel]:
    """Return the model class that a serialised contract describes.

    Raises `Refused` for what is no such contract, naming the place in it.
    """
    _validate(SCHEMA, data, "the contract")
    if data["format"] != FORMAT:
        raise Refused(f"format is {data['format']!r}, expected {FORMAT!r}.")
    body: dict[str, Any] = {
        "__doc__": data.get("text", ""),
        "name": data["name"],
        "version": data["version"],
        "keeps_state": data.get("keeps_state", False),
        "citations": tuple(Citation(**c) for c in data.get("citations", ())),
        "__annotations__": {"declared_scales": ClassVar[Scales]},
        "declared_scales": _scales(data.get("scales")),
        "scales": lambda self: self.declared_scales,
    }
    try:
        for name, mesh in data.get("meshes", {}).items():
            body[name] = Mesh(**mesh)
        for port in data["ports"]:
            body[port["name"]] = _port(port)
        for setting in data["settings"]:
            body["__annotations__"][setting["name"]] = _annotation(setting)
            if not setting["required"]:
                body[setting["name"]] = setting["default"]
        return type(str(data["name"]), (ScaleModel,), body)
    except (TypeError, ValueError) as exc:
        raise Refused(str(exc)) from None


def _port(data: Mapping[str, Any]) -> doors.Port:
    options: dict[str, Any] = {
        k: v for k, v in data.items() if k not in ("name", "operator", "fields")
    }
    fields = {field["name"]: _field(field) for field in data["fields"]}
    return _DOORS[data["operator"]](**{**options, **fields})


def _field(data: Mapping[str, Any]) -> Field:
    declared = {k: v for k, v in data.items() if k not in ("name", "axes", "held")}
    return Field(axes=_axes(data["axes"]), **declared)


def _axes(axes: list[Mapping[str, Any]] | None) -> str:
    if axes is None:
        return "..."
    sizes = [axis["setting"] or axis["length"] for axis in axes]
    return " ".join(
        axis["name"] if size is None else f"{axis['name']}={size}"
        for axis, size in zip(axes, sizes, strict=True)
    )


def _annotation(data: Mapping[str, Any]) -> Any:
    bounds = tuple(_BOUNDS[name](value) for name, value in data.get("bounds", {}).items())
    choices = tuple(data.get("choices", ()))
    kind: Any = _TYPES[data["type"]]
    if choices:
        from typing import Literal

        kind = Literal[choices]
    return Annotated[(kind, data["unit"], data["text"], *bounds)]


def _scales(data: Mapping[str, Any] | None) -> Scales:
    return Scales(
        **{
            name.partition("_")[0]: None if scale is None else Scale(**scale)
            for name, scale in (data or {}).items()
        }
    )


_KINDS: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float),
    "integer": int, "null": type(None),
}  # fmt: skip


def _validate(schema: Mapping[str, Any], value: Any, where: str) -> None:
    """Refuse what the published schema of contracts does not allow; it uses these words only."""
    if "oneOf" in schema:
        schema = schema["oneOf"][value is not None]  # each is "null or something"
    if "enum" in schema and value not in schema["enum"]:
        raise Refused(f"{where} is {value!r}.{nearest(str(value), map(str, schema['enum']))}")
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        raise Refused(f"{where} is {value!r}, expected {' or '.join(kinds)}.")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for key in schema.get("required", ()):
            if key not in value:
                raise Refused(f"{where} has no {key!r}; every one has it.")
        for key, inner in value.items():
            if key not in known and schema.get("additionalProperties") is False:
                raise Refused(f"{where} has an unknown key {key!r}.{nearest(key, known)}")
            _validate(known.get(key, {}), inner, f"{key} of {where}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            name = inner.get("name", number) if isinstance(inner, dict) else number
            _validate(schema.get("items", {}), inner, f"{name} in {where}")


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _KINDS[kind])
