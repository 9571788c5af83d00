"""What a file of yMMSL v0.2 may hold, as a JSON schema without any registered names.

Every key has a description, the hover text of editors. `title` names in words what is expected;
`instead` is what a broken value is replaced by so that the rest can still be checked: YAML text,
or None if it is left out. Keywords are common to draft-07 and 2020-12.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Schema = dict[str, Any]

IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
DOTTED = rf"{IDENTIFIER}(\.{IDENTIFIER})*"
REFERENCE = rf"{IDENTIFIER}(\.{IDENTIFIER}|\[-?[0-9]+\])*"
TIMELINE = f":*({REFERENCE}(:{REFERENCE})*)?:*"
TYPES = r"(str|int|float|bool|\[int\]|\[float\]|\[\[float\]\])"

_NAME = {"type": "string", "pattern": f"^{REFERENCE}$", "title": "a name"}
_NAMED = {"description": "The name, in the form of a list"}


def any_case(words: Sequence[str], title: str, description: str, **more: Any) -> Schema:
    """Return the schema of one of some words in small or capital letters."""
    letters = ("".join(f"[{c}{c.upper()}]" if c.islower() else c for c in w) for w in words)
    return {
        "type": "string",
        "title": title,
        "description": description,
        "anyOf": [{"enum": list(words)}, {"pattern": f"^({'|'.join(letters)})$"}],
        **more,
    }


def _ports(title: str, text: str) -> Schema:
    return {
        "type": ["string", "array", "null"],
        "title": "names of ports such as `a b`",
        "description": f"{title}: ports that {text}; names separated by spaces, or a list",
        "pattern": rf"^\s*({IDENTIFIER}(\s+{IDENTIFIER})*\s*)?$",
        "items": {
            "type": "string",
            "pattern": f"^{IDENTIFIER}$",
            "title": "the name of one port",
            "description": "The name of a port",
        },
    }


_O_I = _ports("O_I", "send the present at every turn of the loop")
_S = _ports("S", "receive what the coming step needs")
PORTS: Schema = {
    "type": "object",
    "title": "ports by operator, such as `f_init: a b`",
    "description": "Ports by operator: f_init, o_i, s, o_f; `timeline NAME:` for others on a"
    " timeline of their own",
    "properties": {
        "f_init": _ports("F_INIT", "receive before a pass"),
        "o_i": _O_I,
        "s": _S,
        "o_f": _ports("O_F", "send the answer of a pass"),
    },
    "patternProperties": {
        f"^timeline :*({IDENTIFIER}(:{IDENTIFIER})*)?:*$": {
            "type": "object",
            "title": "ports by operator, `o_i` and `s`",
            "description": "Ports of a timeline within the component's own",
            "properties": {"o_i": _O_I, "s": _S},
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}


def _described(of: str, **more: Any) -> Schema:
    return {
        "type": "string",
        "title": "a text",
        "description": f"What {of} is, in a sentence or more",
        "instead": "''",
        **more,
    }


_MODEL_PORTS = {**PORTS, "type": ["object", "null"]}
_SETTING_TYPE: Schema = {
    "type": ["string", "array", "object"],
    "title": "a type (str, int, float, bool, [int], [float] or [[float]]) and a description",
    "description": "Type and meaning of a setting: `float the time step`, `[float]`, or a mapping"
    " of type and description",
    "pattern": rf"^\s*{TYPES}(\s[\s\S]*)?$",
    "items": {
        "title": "int, float or [float]",
        "description": "Type of the numbers in the list",
        "anyOf": [{"enum": ["int", "float"]}, {"type": "array", "items": {"enum": ["float"]}}],
    },
    "minItems": 1,
    "properties": {
        "type": {
            "type": ["string", "array"],
            "title": "a type: str, int, float, bool, [int], [float] or [[float]]",
            "description": "str, int, float, bool, [int], [float] or [[float]]",
            "pattern": "^([sS][tT][rR]|[iI][nN][tT]|[fF][lL][oO][aA][tT]|[bB][oO][oO][lL])$",
            "items": {
                "title": "int, float or [float]",
                "description": "Type of the numbers in the list",
                "anyOf": [
                    {"enum": ["int", "float"]},
                    {"type": "array", "items": {"enum": ["float"]}},
                ],
            },
            "minItems": 1,
            "maxItems": 1,
        },
        "typ": {"type": ["string", "array"], "description": "Another spelling of type"},
        "description": {
            "type": ["string", "array", "null"],
            "title": "a text",
            "description": "What the setting means and which values are allowed",
        },
    },
    "additionalProperties": False,
}


def _several(
    name: str, one: Schema, title: str, description: str, key: str = "name", null: bool = True
) -> Schema:
    """Return the schema of things by name, or of a list of things that name themselves."""
    listed = {
        **one,
        "type": "object",
        "properties": {key: {**_NAMED, **_NAME, "pattern": f"^{name}$"}, **one["properties"]},
        "required": [key, *one.get("required", [])],
    }
    return {
        "type": ["object", "array", *(["null"] if null else [])],
        "title": title,
        "description": description,
        "propertyNames": {"pattern": f"^{name}$"},
        "additionalProperties": one,
        "items": listed,
    }


SUPPORTED: Schema = {
    **_several(
        IDENTIFIER,
        _SETTING_TYPE,
        "settings by name",
        "Settings that this understands, with type and meaning",
        null=False,
    ),
    "instead": None,
}
MULTIPLICITY: Schema = {
    "type": ["integer", "array", "null"],
    "title": "a whole number above 0, or a list of them",
    "exclusiveMinimum": 0,
    "description": "How many instances of the component run: a whole number, or a list of them",
    "items": {
        "type": "integer",
        "title": "a whole number above 0",
        "description": "Instances",
        "exclusiveMinimum": 0,
    },
}
COMPONENT: Schema = {
    "type": "object",
    "title": "a component with description, ports and implementation",
    "description": "A part of the model that runs one program, or a nested model",
    "properties": {
        "description": _described("the component"),
        "implementation": {
            "type": ["string", "null"],
            "title": "the name of a program or model",
            "description": "Name of the program or model that does the work",
            "pattern": f"^{DOTTED}$",
        },
        "ports": PORTS,
        "multiplicity": MULTIPLICITY,
        "optional": {
            "type": "boolean",
            "title": "true or false",
            "description": "Whether the model also runs without an implementation of it",
            "instead": None,
        },
    },
    "required": ["description", "ports"],
    "additionalProperties": False,
}
_RECEIVER = rf"^(\s*(\S+\s+)+{DOTTED}\s*|{DOTTED})$"
_CONDUIT: Schema = {
    "type": ["string", "array", "object"],
    "title": "the receiving port as `component.port`, or a list of them",
    "description": "Receiving port: `component.port`, filters (last, repeat, pad) before it; or a"
    " list of them",
    "pattern": _RECEIVER,
    "items": {
        "type": "string",
        "pattern": _RECEIVER,
        "title": "a receiving port as `component.port`",
        "description": "Receiving port, filters before it",
    },
    "properties": {
        "receiver": {
            "type": ["string", "array"],
            "title": "the receiving port as `component.port`",
            "description": "Receiving port or ports",
            "pattern": _RECEIVER,
            "items": {"type": "string", "pattern": _RECEIVER, "title": "a receiving port"},
        },
        "filters": {
            "type": ["string", "array", "null"],
            "title": "filters: last, repeat, pad",
            "pattern": r"^\s*((last|repeat|pad)(\s+|$))*$",
            "description": "last, repeat or pad",
            "items": {"enum": ["last", "repeat", "pad"], "title": "last, repeat or pad"},
        },
    },
    "required": ["receiver"],
    "additionalProperties": False,
}
_MATCHES: Schema = {
    "type": ["string", "array", "object"],
    "title": "names of timelines such as `a b`",
    "description": "Timelines that have the same points as this one",
    "pattern": rf"^\s*({TIMELINE}(\s+{TIMELINE})*\s*)?$",
    "items": {"type": "string", "pattern": f"^{TIMELINE}$", "title": "the name of a timeline"},
    "minItems": 1,
    "properties": {
        "matches": {"type": ["string", "array"], "description": "The timelines that match"}
    },
    "required": ["matches"],
    "additionalProperties": False,
    "instead": None,
}
MODEL: Schema = {
    "type": "object",
    "title": "a model with components and conduits",
    "description": "Components, connected by conduits",
    "properties": {
        "description": _described("the model"),
        "ports": {**_MODEL_PORTS, "description": "Ports of a model that is nested in another"},
        "supported_settings": SUPPORTED,
        "components": _several(
            IDENTIFIER, COMPONENT, "components by name", "The parts of the model, by name"
        ),
        "conduits": _several(
            DOTTED,
            _CONDUIT,
            "conduits as `component.port: component.port`",
            "Who sends to whom: `component.port: component.port`, filters before the receiver",
            "sender",
        ),
        "matching_timelines": {
            **_several(
                TIMELINE,
                _MATCHES,
                "timelines as `one: other`",
                "Timelines that have the same points in time: `one: other`",
                "head",
            ),
            "instead": None,
        },
    },
    "additionalProperties": False,
}
