"""The JSON schema of yMMSL files with everything that is registered, for editors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from annotated_types import Ge, Gt, Le, Lt

from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import OPERATORS
from manyscale.contract.settings import Bound, Setting, bound_value
from manyscale.coupling.document import DOCUMENT
from manyscale.coupling.grammar import Schema, any_case
from manyscale.registry.catalog import FRAMEWORK_SETTINGS
from manyscale.registry.registry import Registry

# what yaml-language-server understands best; every keyword used is also one of 2020-12
DRAFT = "http://json-schema.org/draft-07/schema#"
_LEVELS = ("debug", "info", "warning", "error", "critical")
_WITH_UNIT = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*[^0-9\s.,:;^*_+=~-].*$"
_NUMBERS: dict[str, Schema] = {"float": {"type": "number"}, "int": {"type": "integer"}}
_OTHERS: dict[str, Schema] = {"str": {"type": "string"}, "bool": {"type": "boolean"}}

MUSCLE: dict[str, Schema] = {
    "muscle_local_log_level": any_case(
        (*_LEVELS, "local"), "a log level", "MUSCLE3: least level that goes to an instance's log"
    ),
    "muscle_remote_log_level": any_case(
        _LEVELS, "a log level", "MUSCLE3: least level that goes to the manager's log"
    ),
    "muscle_profile_level": {
        "enum": ["all", "none"],
        "description": "MUSCLE3: whether times of sending and receiving are stored",
    },
    "muscle_deadlock_receive_timeout": {
        "type": "number",
        "description": "MUSCLE3: seconds after which a deadlock is looked for; negative: never",
    },
}


def schema(registry: Registry) -> Schema:
    """Return the JSON schema of yMMSL v0.2 with all registered models and settings."""
    models = [entry.model for entry in registry]
    names = {name: _summary(entry.model) for name, entry in registry.programs.items()}
    document = _plain(DOCUMENT)
    keys = document["properties"]
    keys["imports"]["items"] = _suggested(
        keys["imports"]["items"],
        {
            **{f"from manyscale import implementation {n}": text for n, text in names.items()},
            **{
                f"from manyscale.farms import implementation {name}": _summary(entry.model)
                for name, entry in registry.farms.items()
            },
        },
    )
    settings = {**_of_models(models), **_of_framework(), **MUSCLE}
    refs = {name: {"$ref": f"#/definitions/setting_{name}"} for name in settings}
    keys["settings"]["properties"] = refs
    keys["settings"]["patternProperties"] = {rf"^(.*\.)?{name}$": ref for name, ref in refs.items()}
    for component in _components(keys["models"]):
        _complete(component["properties"], models, names)
    definitions = {f"setting_{name}": one for name, one in settings.items()}
    return {"$schema": DRAFT, **document, "title": "yMMSL v0.2", "definitions": definitions}


def _plain(part: Any) -> Any:
    """Return a deep copy without the keyword that is not one of JSON schemas."""
    return json.loads(json.dumps(_without(part)))


def _without(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _without(value) for key, value in part.items() if key != "instead"}
    return [_without(item) for item in part] if isinstance(part, (list, tuple)) else part


def _components(models: Schema) -> list[Schema]:
    """Return the schemas of components, in models by name and in lists."""
    many = [models[form]["properties"]["components"] for form in ("additionalProperties", "items")]
    return [one[form] for one in many for form in ("additionalProperties", "items")]


def _complete(keys: Schema, models: Sequence[type[ScaleModel]], names: Mapping[str, str]) -> None:
    keys["implementation"] = _suggested(keys["implementation"], dict(names))
    ports = keys["ports"]["properties"]
    for operator in OPERATORS:
        found = {
            port.name: f"{model.name}: {', '.join(port.fields) or 'settings'}"
            for model in models
            for port in model.ports.values()
            if port.operator == operator
        }
        ports[operator] = _suggested(ports[operator], found)


def _suggested(free: Schema, words: dict[str, str]) -> Schema:
    """Return a schema that also offers words, each with a description."""
    offers = [{"const": word, "description": text} for word, text in sorted(words.items())]
    return {"description": free["description"], "anyOf": [*offers, free]}


def _summary(model: type[ScaleModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]


def _of_framework() -> dict[str, Schema]:
    types = {**_NUMBERS, **_OTHERS}
    return {
        name: {**types[kind], "description": f"manyscale: {text}"}
        for name, (kind, text) in FRAMEWORK_SETTINGS.items()
    }


def _of_models(models: Iterable[type[ScaleModel]]) -> dict[str, Schema]:
    """Return the settings of models by name; of one name in several, each is allowed."""
    found: dict[str, list[tuple[str, Setting]]] = {}
    for model in models:
        for name, setting in model.settings().items():
            found.setdefault(name, []).append((model.name, setting))
    return {name: _merged(several) for name, several in sorted(found.items())}


def _merged(several: list[tuple[str, Setting]]) -> Schema:
    text = "; ".join(f"{model}: {_told(setting)}" for model, setting in several)
    kinds: list[Schema] = []
    for _, setting in several:
        kinds += [kind for kind in _kinds(setting) if kind not in kinds]
    return {"description": text, **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds})}


def _told(setting: Setting) -> str:
    unit = "" if setting.unit == "1" else f" [{setting.unit}]"
    limits = f", {setting.limits}" if setting.limits else ""
    default = "" if setting.required else f", default {setting.default}"
    return f"{setting.text}{unit}{limits}{default}"


def _kinds(setting: Setting) -> list[Schema]:
    """Return the schemas of the values a setting may have; a float also a text like `5 nm`."""
    if setting.choices:
        return [{"enum": list(setting.choices)}]
    name = setting.ymmsl_type
    if name in _OTHERS:
        return [_OTHERS[name]]
    one: Schema = {**_NUMBERS[name.strip("[]")], **dict(map(_limit, setting.bounds))}
    for _ in range(name.count("[")):
        one = {"type": "array", "items": one}
    return [one, {"type": "string", "pattern": _WITH_UNIT}] if name == "float" else [one]


_LIMITS: dict[type, str] = {
    Ge: "minimum",
    Gt: "exclusiveMinimum",
    Le: "maximum",
    Lt: "exclusiveMaximum",
}


def _limit(bound: Bound) -> tuple[str, Any]:
    return _LIMITS[type(bound)], bound_value(bound)
