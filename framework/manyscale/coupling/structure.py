"""Walks the YAML nodes of a file along the schema of yMMSL and tells where the two differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from manyscale.contract.diagnostics import At
from manyscale.contract.refusal import nearest
from manyscale.coupling.document import DOCUMENT, PROGRAM, RESOURCES, VALUE
from manyscale.coupling.grammar import COMPONENT, IDENTIFIER, MODEL, MULTIPLICITY, Schema
from manyscale.coupling.rules import MISSING, RULES, UNKNOWN, WRONG, Fault, port_words, where
from manyscale.coupling.scalars import (
    GARBLED,
    described,
    kind,
    plain_name,
    quoted,
    shortened,
    whole_number,
    word_of,
)
from manyscale.coupling.source import OLD_VERSION, VERSION_KEY, Source, key_text

_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class Step:
    """One step of the walk: a place, its node and what the schema says of it."""

    at: At
    node: Any
    schema: Schema
    above: Step | None = None


def faults(sources: Sequence[Source]) -> Iterator[tuple[Source, Fault, Step]]:
    """Yield what is wrong in the files, with the step of the walk where it was seen."""
    read = [s for s in sources if s.root is not None and s.version != OLD_VERSION]
    bad = frozenset(word for source in read for word in _bad_words(source))
    for source in read:
        for fault, step in _Walk(source, bad).value(Step((), source.root, DOCUMENT)):
            yield source, fault, step


def _bad_words(source: Source) -> Iterator[str]:
    """Yield names that are none; where else they stand nothing is said of them."""
    for at, (key, value) in source.nodes.items():
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        is_name = (at[0] in ("models", "programs") and len(at) == 2) or at[2:-1] == ("components",)
        if is_name and not re.fullmatch(IDENTIFIER, name.replace(".", "")):
            yield name
        if "ports" in at[:-1] and isinstance(value, yaml.ScalarNode):
            yield from (w for w in port_words(value) if not re.fullmatch(IDENTIFIER, w))


class _Walk:
    """Compares one file with the schema."""

    def __init__(self, source: Source, bad: frozenset[str]) -> None:
        self._source, self._bad = source, bad

    def value(self, step: Step) -> Iterator[tuple[Fault, Step]]:
        """Yield what is wrong with a value and everything in it."""
        if step.at[:1] == ("imports",) and len(step.at) == 2:
            return  # another check looks at statements
        found, types = kind(step.node), step.schema.get("type", [])
        types = [types] if isinstance(types, str) else types
        if types and not _fits(found, types, step.at):
            yield self._wrong_kind(step), step
        elif not types and not _allows(step.node, step.schema):
            yield self._wrong(step), step
        elif found == "object":
            yield from self._mapping(step)
        elif found == "array":
            yield from self._list(step)
        elif found == "string":
            yield from self._text(step)
        elif found in ("integer", "number"):
            low = step.schema.get("exclusiveMinimum")
            if low is not None and float(step.node.value) <= low:
                yield self._wrong(step), step

    def _wrong_kind(self, step: Step) -> Fault:
        if kind(step.node) == GARBLED:
            text = shortened(step.node.value)
            why = "a number" if text[:1] not in "tTfF" else "true or false"
            name = step.at[-1] if isinstance(step.at[-1], str) else "-"
            return Fault(
                WRONG,
                step.at,
                f"{where(step.at)} is {text}, which yMMSL takes for {why} because of its beginning;"
                " put it in quotes.",
                write=f"{name}{':' * (name != '-')} {quoted(step.node.value)}",
                word=word_of(step.node),
                put=((step.at, quoted(step.node.value)),),
            )
        if step.at == ("imports",) and kind(step.node) == "string":
            put = ((step.at, f"[{quoted(step.node.value)}]"),)
            text = f"imports is one text, expected {step.schema['title']}."
            write = f"imports:\n- {step.node.value}"
            return Fault(WRONG, step.at, text, write=write, put=put)
        if step.schema is MULTIPLICITY and (number := whole_number(step.node)):
            write = f"{step.at[-1]}: {number}"
            return replace(self._wrong(step), write=write, put=((step.at, number),))
        if step.schema is VALUE:
            found: Fault = RULES["setting"](step.at, step.node)[0]
            return found
        return self._wrong(step)

    def _wrong(self, step: Step) -> Fault:
        text = f"{where(step.at)} is {described(step.node)}, expected {step.schema['title']}."
        return Fault(WRONG, step.at, text, word=word_of(step.node))

    def _text(self, step: Step) -> Iterator[tuple[Fault, Step]]:
        text, schema = step.node.value, step.schema
        if schema.get("title", "").startswith("names of ports") or "ports" in step.at[4:-1]:
            faults = RULES["port names"](step.at, step.node)
            yield from ((fault, step) for fault in faults)
            return
        if _matches(text, schema) or any(word in text for word in self._bad):
            return
        words = [w for part in schema.get("anyOf", ()) for w in part.get("enum", ())]
        words += schema.get("enum", ())
        near = nearest(text.lower(), words) if words else ""
        found = self._wrong(step)
        yield (
            Fault(WRONG, found.at, found.text + near.partition(" Known")[0], word=found.word),
            step,
        )

    def _list(self, step: Step) -> Iterator[tuple[Fault, Step]]:
        at, node, schema = step.at, step.node, step.schema
        if schema is VALUE:
            yield from ((fault, step) for fault in RULES["setting"](at, node))
            return
        if not schema.get("minItems", 0) <= len(node.value) <= schema.get("maxItems", 1e9):
            yield self._wrong(step), step
        inner = schema.get("items", {})
        own = inner.get("required", [""])[0]
        if own and node.value and own not in map(key_text, _keys(node.value[0])):
            text = f"{where(at)} is a list, expected {schema['title']}; leave out the dashes."
            yield Fault(WRONG, at, text), step
            return
        for number, item in enumerate(node.value):
            yield from self.value(Step((*at, number), item, inner, step))

    def _mapping(self, step: Step) -> Iterator[tuple[Fault, Step]]:
        at, schema = step.at, step.schema
        pairs = [(k, v) for k, v in step.node.value if k.tag != _MERGE]
        if len(pairs) < len(step.node.value):
            text = f"{where(at)} takes keys from elsewhere with <<, which yMMSL does not read;"
            yield Fault(WRONG, (*at, "<<"), f"{text} write them out."), step
        if nested := _nested_resources(step):
            yield nested, step
            return
        beside = {fault.at[-1]: fault for fault in self._beside_models(step)}
        yield from ((fault, step) for fault in beside.values())
        present = {key_text(key) for key, _ in pairs}
        if nameless := _nameless(pairs, schema):
            text = f"{where(at)} has {nameless!r} where a name stands; the name is missing above."
            yield Fault(MISSING, (*at, nameless), text, write=f"NAME:\n  {nameless}: ..."), step
            return
        meant = _meant(present, schema) if len(pairs) == len(step.node.value) else {}
        effective = {meant.get(key_text(key), key_text(key)): value for key, value in pairs}
        for key, value in pairs:
            name = key_text(key)
            inner = _inner(meant.get(name, name), schema)
            if name in beside or (at == () and name == VERSION_KEY):  # another check looks at it
                continue
            if name in meant:
                yield self._unknown(step, name, meant[name]), step
            elif inner is None:
                yield self._unknown(step, name, ""), Step((*at, name), value, {}, step)
                continue
            elif "propertyNames" in schema:
                yield from self._name(step, key, name)
            if inner:
                yield from self.value(Step((*at, name), value, inner, step))
        if len(pairs) == len(step.node.value):
            yield from self._missing(step, effective)
            rule = RULES.get(str(schema.get("title")))
            yield from ((fault, step) for fault in (rule(at, effective) if rule else ()))

    def _beside_models(self, step: Step) -> Iterator[Fault]:
        """Yield keys of a model that stand beside it, one step too far to the left."""
        names = [key_text(key) for key, _ in step.node.value]
        models = [name for name in names if name not in MODEL["properties"]]
        if step.at != ("models",) or len(models) != 1:
            return
        for name in set(names) - set(models):
            known = {*MODEL["properties"], "name"} & {*self._source.keys(("models", name))}
            if not known and ("models", models[0], name) not in self._source.nodes:
                text = f"{name} stands beside the model {models[0]} and belongs into it;"
                put = ((("models", models[0], name), ("models", name)),)
                yield Fault(UNKNOWN, ("models", name), f"{text} indent it.", put=put)

    def _name(self, step: Step, key: Any, name: str) -> Iterator[tuple[Fault, Step]]:
        pattern = step.schema["propertyNames"]["pattern"]
        hidden = any(word in name and word != name for word in self._bad)
        lenient = step.at[-1] in ("components", "conduits", "matching_timelines")
        if ((lenient or kind(key) == "string") and re.search(pattern, name)) or hidden:
            return
        declares = step.at[-1] in ("models", "programs", "components")
        if not declares and any(word in name for word in self._bad):
            return
        dots = "" if pattern == f"^{IDENTIFIER}$" else "."
        better = plain_name(name, dots + (r"\[\]" if r"\[" in pattern else ""))
        text = f"{name!r} under {where(step.at)} is no name;"
        text += " a name has letters, digits and underscores, and no digit at its beginning."
        write = f"{better}: ..." if better else ""
        yield Fault(WRONG, (*step.at, name), text, write=write), step

    def _unknown(self, step: Step, name: str, meant: str) -> Fault:
        at, schema = step.at, step.schema
        known = [k for k in schema.get("properties", {}) if k not in ("typ", VERSION_KEY)]
        text = f"{where(at)} has no key {name!r}."
        if meant:
            put = (((*at, meant), (*at, name)),)
            return Fault(UNKNOWN, (*at, name), f"{text} Did you mean {meant!r}?",
                         write=f"{meant}: ...", put=put)  # fmt: skip
        place = _belongs(name, schema)
        hint = f" It belongs {place}." if place else f" Known are: {', '.join(known)}."
        if place:
            home = self._home(at, name)
            if name == "settings" and "components" in at:
                return self._settings_inside(at, text)
            moved = (((*home, name), (*at, name)),) if home is not None else ()
            return Fault(UNKNOWN, (*at, name), text + hint, put=moved)
        drop = () if "ports" in at else ((*at, name),)
        return Fault(UNKNOWN, (*at, name), text + hint, drop=drop)

    def _settings_inside(self, at: At, text: str) -> Fault:
        given = self._source.data((*at, "settings"))
        lines = [f"{at[-1]}.{k}: {v}" for k, v in given.items()] if isinstance(given, dict) else []
        text += " It belongs at the left of the file, with the component before a dot."
        write = "\n  ".join(["settings:", *lines])
        return Fault(UNKNOWN, (*at, "settings"), text, write=write, drop=((*at, "settings"),))

    def _home(self, at: At, name: str) -> At | None:
        """Return the mapping a misplaced key belongs in, None if that is not clear."""
        models = self._source.keys(("models",))
        if at and name in DOCUMENT["properties"] and (name,) not in self._source.nodes:
            return ()
        is_free = len(models) == 1 and ("models", models[0], name) not in self._source.nodes
        return ("models", models[0]) if is_free and name in MODEL["properties"] else None

    def _missing(self, step: Step, effective: Mapping[str, Any]) -> Iterator[tuple[Fault, Step]]:
        name = str(step.at[-1]) if step.at else ""
        for key in step.schema.get("required", ()):
            if key in effective or key == VERSION_KEY:
                continue
            text = f"{where(step.at)} has no {key!r}."
            line = f"description: what {name} is" if key == "description" else f"{key}: ..."
            put = (((*step.at, key), "''"),) if key == "description" else ()
            yield Fault(MISSING, step.at, text, write=line, put=put), _lacking(step, key)


def _keys(node: Any) -> list[Any]:
    return [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []


def _nested_resources(step: Step) -> Fault | None:
    """Return the fault of resources that are nested by model instead of written with a dot."""
    at, pairs = step.at, step.node.value
    if len(at) != 2 or at[0] != "resources" or not pairs:
        return None
    if any(kind(value) != "object" for _, value in pairs):
        return None
    names = [key_text(key) for key, _ in pairs]
    text = f"{where(at)} is a mapping of components; model and component are joined with a dot."
    write = "\n".join(f"{at[1]}.{name}: ..." for name in names)
    put = tuple(((at[0], f"{at[1]}.{name}"), (*at, name)) for name in names)
    return Fault(WRONG, at, text, write=write, put=put, drop=(at,))


def _nameless(pairs: Sequence[tuple[Any, Any]], schema: Schema) -> str:
    """Return a key that belongs into a thing with a name, where the name itself should stand."""
    inner = schema.get("additionalProperties", {})
    if "propertyNames" not in schema or inner.get("type") != "object":
        return ""
    known = {"name", *inner["properties"]}
    odd = (
        key_text(k) for k, v in pairs if key_text(k) in known and kind(v) not in ("object", "null")
    )
    return next(odd, "")


def _allows(node: Any, schema: Schema) -> bool:
    """Whether a schema of words and lists of words allows a node."""
    if "anyOf" in schema:
        return any(_allows(node, part) for part in schema["anyOf"])
    if "enum" in schema:
        return kind(node) == "string" and node.value in schema["enum"]
    if schema.get("type") == "array":
        return (
            kind(node) == "array"
            and len(node.value) > 0
            and all(_allows(item, schema["items"]) for item in node.value)
        )
    return True


def _needed(present: set[str], schema: Schema) -> list[str]:
    """Return the keys that a mapping lacks, or one of several that would do."""
    if schema.get("title") == PROGRAM["title"]:
        return [] if present & {"executable", "script", "execution_model"} else ["executable"]
    if schema.get("title") == RESOURCES["title"]:
        return [] if present & set(RESOURCES["properties"]) else ["threads"]
    return list(schema.get("required", ()))


def _lacking(step: Step, key: str) -> Step:
    """Return a step to the missing ports, so that they can be put there."""
    if key != "ports":
        return step
    return Step((*step.at, key), None, step.schema["properties"][key], step)


def _fits(found: str, types: Sequence[str], at: At) -> bool:
    if found == "integer" and "number" in types:
        return True
    return found in types or (found == GARBLED and at[2:-1] == ("env",))


def _matches(text: str, schema: Schema) -> bool:
    if "anyOf" in schema:
        return any(_matches(text, part) for part in schema["anyOf"])
    if "enum" in schema:
        return text in schema["enum"]
    return re.search(schema.get("pattern", ""), text) is not None


def _inner(name: str, schema: Schema) -> Schema | None:
    """Return what the schema says of a key, None if it knows no such key."""
    if name in schema.get("properties", {}):
        found: Schema = schema["properties"][name]
        return found
    for pattern, one in schema.get("patternProperties", {}).items():
        if re.search(pattern, name):
            return dict(one)
    rest = schema.get("additionalProperties", {})
    return None if rest is False else rest


def _meant(present: set[str], schema: Schema) -> dict[str, str]:
    """Return the key that is meant by every unknown key that is close to a known one."""
    free = [key for key in schema.get("properties", {}) if key not in present]
    found: dict[str, str] = {}
    unknown = sorted(name for name in present if _inner(name, schema) is None)
    for name in unknown:
        plain = name.lower().replace("-", "_").replace(" ", "_")
        for key in difflib.get_close_matches(plain, free, n=1, cutoff=0.7):
            found[name] = key
            free.remove(key)
    lacking = [key for key in _needed(present | set(found.values()), schema) if key in free]
    rest = [name for name in unknown if name not in found]
    if len(lacking) == len(rest) == 1 and not _belongs(rest[0], schema):
        found[rest[0]] = lacking[0]
    return found


def _belongs(name: str, schema: Schema) -> str:
    """Return where a key belongs that stands at another place than it should."""
    places = {
        "under a model": MODEL,
        "under a component": COMPONENT,
        "at the left of the file": DOCUMENT,
        "under a program": PROGRAM,
    }
    if name in ("description", "ports") or schema.get("title") not in _TITLES:
        return ""
    return next((p for p, other in places.items() if name in other["properties"]), "")


_TITLES = {DOCUMENT["title"], MODEL["title"], COMPONENT["title"]}
