"""What kind of value a YAML node is to ymmsl, which reads numbers and words in its own way."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

import yaml

_KINDS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "null": "null"}
_TAG = "tag:yaml.org,2002:"
GARBLED = "garbled"
"""Begins like a number or like true or false, and is none; ymmsl fails on it."""


def kind(node: Any) -> str:
    """Return the JSON name of a node's type, `garbled`, or `other`."""
    if isinstance(node, yaml.MappingNode):
        return "object" if node.tag == f"{_TAG}map" else "other"
    if isinstance(node, yaml.SequenceNode):
        return "array" if node.tag == f"{_TAG}seq" else "other"
    tag = node.tag if node.style else _tag(node.tag, node.value)
    found = _KINDS.get(tag.removeprefix(_TAG), "other")
    return GARBLED if not node.style and _is_garbled(found, node.value) else found


@cache
def _tag(tag: str, text: str) -> str:
    """Return the tag ymmsl gives a plain scalar, or the one that was written before it."""
    before, after = _resolvers()
    written = tag != before.resolve(yaml.ScalarNode, text, (True, False))
    return tag if written else str(after.resolve(yaml.ScalarNode, text, (True, False)))


@cache
def _resolvers() -> tuple[Any, Any]:
    """Return the reader of the places and the one of ymmsl."""
    from yatiml.loader import Loader

    return yaml.SafeLoader(""), Loader("")


def _is_garbled(found: str, text: str) -> bool:
    if found == "boolean":
        return text.lower() not in ("true", "false")
    return found == "number" and not _is_number(text)


def _is_number(text: str) -> bool:
    try:
        float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return False
    return True


def described(node: Any) -> str:
    """Return a node's value in words."""
    found = kind(node)
    if found in ("object", "array"):
        empty = "" if node.value else "n empty"
        return f"a{empty} {'mapping' if found == 'object' else 'list'}"
    if found == "null":
        return "empty"
    text = shortened(str(node.value))
    if found in ("integer", "number"):
        return f"the number {text}"
    return text if found == "boolean" else f"the text '{text}'"


def whole_number(node: Any) -> str:
    """Return the whole number above 0 that a text, word or float is meant as, else nothing."""
    words = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    text = str(node.value).strip().lower()
    if text in words:
        return str(words.index(text) + 1)
    found = re.fullmatch(r"0*([1-9]\d*)(\.0*)?", text)
    return found[1] if found else ""


def plain_name(text: str, allowed: str = "") -> str:
    """Return a name of letters, digits and underscores that is near a text; may be empty."""
    letters = unicodedata.normalize("NFKD", text).replace("ß", "ss")
    letters = "".join(c for c in letters if not unicodedata.combining(c))
    name = re.sub(rf"[^A-Za-z0-9_{allowed}]+", "_", letters.removesuffix("[]")).strip("_")
    return f"n{name}" if name[:1].isdigit() else name


def shortened(text: str) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:37] + "..."


def quoted(text: str) -> str:
    """Return a text in the quotes of YAML."""
    return "'" + text.replace("'", "''") + "'"


def word_of(node: Any) -> str:
    """Return what to underline of a scalar, nothing if it has several lines."""
    plain = isinstance(node, yaml.ScalarNode) and "\n" not in node.value
    return str(node.value) if plain else ""
