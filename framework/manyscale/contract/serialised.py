"""The serialised form of a contract: JSON with a published schema, written and read.

It is what `manyscale show MODEL --json` prints, and what a sidecar file for a component in
another language contains.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from manyscale.contract.fields import Field
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import Port
from manyscale.contract.refusal import Refused
from manyscale.contract.scales import Scales
from manyscale.contract.settings import Setting, bound_value

FORMAT = "manyscale-contract/1"


def serialised(model: type[ScaleModel]) -> dict[str, Any]:
    """Return the contract of a model as plain data."""
    return {
        "format": FORMAT,
        "name": model.name,
        "version": model.version,
        "state_version": model.state_version,
        "text": (model.__doc__ or "").strip(),
        "keeps_state": model.keeps_state,
        "writes": model.writes,
        "determinism": model.determinism,
        "capabilities": asdict(model.capabilities),
        "extra": model.extra,
        "engine": model.Engine is not None,
        "ports": [_port(port) for port in model.ports.values()],
        "settings": [_setting(setting) for setting in model.settings().values()],
        "meshes": {name: asdict(mesh) for name, mesh in model.meshes.items()},
        "scales": _scales(model),
        "citations": [asdict(citation) for citation in model.citations],
    }


def _port(port: Port) -> dict[str, Any]:
    return {
        "name": port.name,
        "operator": port.operator,
        "timeline": port.timeline,
        "slots": port.slots,
        "optional": port.optional,
        "plain": port.plain,
        "overlay": port.overlay,
        "like": port.like,
        "axes": port.axes,
        "unit": port.unit,
        "mesh": port.mesh,
        "finite": port.finite,
        "fields": [{"name": name, **_field(field)} for name, field in port.fields.items()],
    }


def _field(field: Field) -> dict[str, Any]:
    axes = None if field.shape is None else [_axis(axis) for axis in field.shape]
    return {**asdict(field), "axes": axes}


def _axis(axis: Any) -> dict[str, Any]:
    return {"name": axis.name, "length": axis.length, "setting": axis.setting}


def _setting(setting: Setting) -> dict[str, Any]:
    return {
        "name": setting.name,
        "type": setting.ymmsl_type,
        "unit": setting.unit,
        "text": setting.text,
        "bounds": {type(b).__name__.lower(): bound_value(b) for b in setting.bounds},
        "choices": list(setting.choices),
        "files": setting.files,
        "required": setting.required,
        "default": None if setting.required else setting.default,
    }


def _scales(model: type[ScaleModel]) -> dict[str, Any] | None:
    """Return the scales at the default settings, None if some setting is required."""
    if any(setting.required for setting in model.settings().values()):
        return None
    try:
        scales = model().scales()
    except Refused:  # one of several settings must be given: nothing is known without it
        scales = Scales()
    return {
        name: None if scale is None else {"grain": scale.grain, "extent": scale.extent}
        for name, scale in (("time_s", scales.time), ("length_m", scales.length))
    }


_WORD = "^[A-Za-z_][A-Za-z0-9_]*$"


def _object(needed: list[str], /, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": needed,
        "properties": properties,
        "additionalProperties": False,
    }


def _usually(default: Any, kind: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of a key that may be left out, with the value it then has."""
    kinds = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object"}
    return {**(kind or {"type": kinds[type(default)]}), "default": default}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "default": []}


def _or_null(kind: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [{"type": "null"}, kind], "default": None}


_TEXT, _NAME = {"type": "string"}, {"type": "string", "pattern": _WORD}
_COUNT = {"type": "integer", "minimum": 0}
_NUMBER = {"type": "number"}
_SCALE = _or_null(_object(["grain", "extent"], grain=_NUMBER, extent=_NUMBER))
_AXIS = _object(["name"], name=_NAME, length=_or_null(_COUNT), setting=_usually(""))
_HELD = _object(
    ["how"],
    how={"enum": ["root", "replicated", "block"]},
    axis=_usually(""),
    halo=_usually(0, _COUNT),
)
_FIELD = _object(
    ["name", "quantity"],
    name=_NAME,
    quantity=_TEXT,
    unit=_usually("1"),
    axes={"oneOf": [{"type": "null"}, _list(_AXIS)], "default": []},
    dtype=_usually("float64", {"enum": ["float64", "float32", "int64", "int32", "bool", "str"]}),
    optional=_usually(False),
    finite=_usually(True),
    extensive=_usually(False),
    tensor=_usually("", {"enum": ["", "full", "voigt", "mandel"]}),
    shear_factor=_usually(1.0),
    frame=_usually(""),
    mesh=_usually(""),
    location=_usually("", {"enum": ["", "cell", "vertex", "edge", "point"]}),
    held=_usually({"how": "root"}, _HELD),
)
_PORT = _object(
    ["name", "operator"],
    name=_NAME,
    operator={"enum": ["f_init", "o_i", "s", "o_f"]},
    timeline=_usually(""),
    slots=_usually(False),
    optional=_usually(False),
    plain=_usually(False),
    overlay=_usually(False),
    like=_usually(""),
    axes=_usually({}, {"type": "object", "additionalProperties": _TEXT}),
    unit=_usually(""),
    mesh=_usually(""),
    finite=_usually(False),
    fields=_list(_FIELD),
)
_SETTING = _object(
    ["name", "type", "text"],
    name=_NAME,
    type={"enum": ["str", "int", "float", "bool", "[int]", "[float]", "[[float]]"]},
    unit=_usually("1"),
    text=_TEXT,
    bounds=_usually({}, _object([], ge=_NUMBER, gt=_NUMBER, le=_NUMBER, lt=_NUMBER)),
    choices=_list({}),
    files=_usually(False),
    required={"type": "boolean"},  # left out: required if there is no default
    default={},
)
_MESH = _object(
    ["kind"],
    kind={"enum": ["rectilinear", "unstructured"]},
    axes=_usually(""),
    crs=_usually(""),
)
_CAPABILITIES = _object(
    [],
    rewind=_usually(True),
    migrate=_usually(True),
    restart=_usually("bitwise", {"enum": ["bitwise", "statistical", "none"]}),
    parallel=_usually("none", {"enum": ["none", "threads", "mpi"]}),
)
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "The contract of a scale model",
    **_object(
        ["format", "name"],
        format={"const": FORMAT},
        name=_NAME,
        version=_usually("1"),
        state_version=_usually(1, _COUNT),
        text=_usually(""),
        keeps_state=_usually(False),
        writes=_usually(False),
        determinism=_usually("bitwise", {"enum": ["bitwise", "tolerance", "statistical"]}),
        capabilities=_usually({}, _CAPABILITIES),
        extra=_usually(""),
        engine=_usually(False),
        ports=_list(_PORT),
        settings=_list(_SETTING),
        meshes=_usually({}, {"type": "object", "additionalProperties": _MESH}),
        scales=_or_null(_object([], time_s=_SCALE, length_m=_SCALE)),
        citations=_list(_object(["key", "text"], key=_TEXT, text=_TEXT, doi=_usually(""))),
    ),
}
"""JSON schema of what `serialised` returns; a key with a default may be left out by hand."""
