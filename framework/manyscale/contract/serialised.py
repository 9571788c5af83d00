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
        "required": setting.required,
        "default": None if setting.required else setting.default,
    }


def _scales(model: type[ScaleModel]) -> dict[str, Any] | None:
    """Return the scales at the default settings, None if some setting is required."""
    if any(setting.required for setting in model.settings().values()):
        return None
    scales = model().scales()
    return {
        name: None if scale is None else {"grain": scale.grain, "extent": scale.extent}
        for name, scale in (("time_s", scales.time), ("length_m", scales.length))
    }


def _object(needed: list[str], /, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": needed,
        "properties": properties,
        "additionalProperties": False,
    }


_TEXT, _FLAG, _COUNT = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 0}
_SCALE = {
    "oneOf": [
        {"type": "null"},
        _object(["grain", "extent"], grain={"type": "number"}, extent={"type": "number"}),
    ]
}
_AXIS = _object(
    ["name", "length", "setting"],
    name=_TEXT,
    length={"type": ["integer", "null"]},
    setting=_TEXT,
)
_HELD = _object(
    ["how", "axis", "halo"],
    how={"enum": ["root", "replicated", "block"]},
    axis=_TEXT,
    halo=_COUNT,
)
_FIELD = _object(
    ["name", "quantity", "unit", "axes", "dtype"],
    name=_TEXT,
    quantity=_TEXT,
    unit=_TEXT,
    axes={"oneOf": [{"type": "null"}, {"type": "array", "items": _AXIS}]},
    dtype={"enum": ["float64", "float32", "int64", "int32", "bool", "str"]},
    optional=_FLAG,
    finite=_FLAG,
    extensive=_FLAG,
    tensor={"enum": ["", "full", "voigt", "mandel"]},
    shear_factor={"type": "number"},
    frame=_TEXT,
    mesh=_TEXT,
    location={"enum": ["", "cell", "vertex", "edge", "point"]},
    held=_HELD,
)
_PORT = _object(
    ["name", "operator", "slots", "optional", "plain", "fields"],
    name=_TEXT,
    operator={"enum": ["f_init", "o_i", "s", "o_f"]},
    timeline=_TEXT,
    slots=_FLAG,
    optional=_FLAG,
    plain=_FLAG,
    overlay=_FLAG,
    like=_TEXT,
    axes={"type": "object", "additionalProperties": _TEXT},
    unit=_TEXT,
    mesh=_TEXT,
    fields={"type": "array", "items": _FIELD},
)
_SETTING = _object(
    ["name", "type", "unit", "text", "required", "default"],
    name=_TEXT,
    type={"enum": ["str", "int", "float", "bool", "[int]", "[float]", "[[float]]"]},
    unit=_TEXT,
    text=_TEXT,
    bounds={"type": "object", "additionalProperties": {"type": "number"}},
    choices={"type": "array"},
    required=_FLAG,
    default={},
)
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "The contract of a scale model",
    **_object(
        ["format", "name", "version", "ports", "settings"],
        format={"const": FORMAT},
        name=_TEXT,
        version=_TEXT,
        state_version=_COUNT,
        text=_TEXT,
        keeps_state=_FLAG,
        writes=_FLAG,
        determinism={"enum": ["bitwise", "tolerance", "statistical"]},
        capabilities={"type": "object"},
        extra=_TEXT,
        engine=_FLAG,
        ports={"type": "array", "items": _PORT},
        settings={"type": "array", "items": _SETTING},
        meshes={"type": "object"},
        scales={
            "oneOf": [
                {"type": "null"},
                _object(["time_s", "length_m"], time_s=_SCALE, length_m=_SCALE),
            ]
        },
        citations={
            "type": "array",
            "items": _object(["key", "text"], key=_TEXT, text=_TEXT, doi=_TEXT),
        },
    ),
}
"""JSON schema of what `serialised` returns."""
