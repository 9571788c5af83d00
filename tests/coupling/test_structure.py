"""The checks of the structure of files against ymmsl itself, on mutated specs."""

import copy
import random
import warnings
from pathlib import Path
from zlib import crc32

import pytest
import yaml
import ymmsl
from ymmsl.v0_2 import Configuration

from manyscale.coupling.prove import Files, diagnose
from manyscale.coupling.reading import read
from manyscale.coupling.recovery import differences, ports_text
from manyscale.coupling.source import Sources
from manyscale.registry import registry

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SEEDS = [
    ROOT / "coupling_specs" / "pipe_diffusion" / "model.ymmsl",
    ROOT / "coupling_specs" / "pipe_diffusion" / "settings.ymmsl",
    # a part that stays the same when specs are added
    *(
        f
        for folder in ("valid", "mistakes")
        for f in sorted((HERE / folder).rglob("*.ymmsl"))
        if crc32(f.name.encode()) % 16 == 0
    ),
]
STRUCTURE = {"MS105", "MS106", "MS107"}
WITH_EVERYTHING = """
ymmsl_version: v0.2
description: A file with every key
imports: [from manyscale import implementation mass_diffusion]
models:
  m:
    description: A model
    ports: {f_init: start}
    supported_settings: {a: float the step, b: [int], c: {type: str, description: a word}}
    components:
      c:
        description: A component
        implementation: p
        multiplicity: [2, 3]
        optional: true
        ports: {f_init: [go], o_i: x, timeline t: {o_i: y, s: z}, o_f: end}
      d: {description: Another, implementation: q, ports: {s: w, f_init: v}}
    matching_timelines: {c: d, c.t: [d]}
    conduits: {start: c.go, c.x: [d.w, last d.v]}
programs:
  p: {executable: python, args: [-m, x], env: {A: 1}, modules: a b, base_env: clean}
  q: {script: [a, b], keeps_state_for_next_use: no, can_share_resources: false}
settings: {a: 1.5, b: [1, 2], c.d: word, e: [[1.0], [2.0]], f: true}
resources: {m.c: {threads: 1}, m.d: {nodes: 1, mpi_processes_per_node: 2}}
checkpoints: {at_end: true, simulation_time: [{every: 1.0, start: 2}], wallclock_time: [at: [3]]}
custom_implementations: {m.c: p}
resume: {c: /a/path}
"""
VALUES = ["[]", "{}", "", "5", "2.5", "true", "word", "two words", "[1, a]", "{a: b}", "a-b"]


def places(node):
    """Yield every container and index in it."""
    pairs = node.value if isinstance(node, yaml.CollectionNode) else []
    for number, item in enumerate(pairs):
        yield node, number
        yield from places(item[1] if isinstance(item, tuple) else item)


def mutate(root, chance):
    """Change one thing in the structure of a tree."""
    node, number = chance.choice([p for p in places(root) if not is_version(*p)])
    item = node.value[number]
    how = chance.choice(["delete", "rename", "replace", "replace"])
    if how == "delete":
        del node.value[number]
    elif how == "rename" and isinstance(item, tuple):
        name = chance.choice(["{}x", "x{}", "my-{}", "{} y", "7"]).format(item[0].value)
        key = yaml.ScalarNode(item[0].tag, name)
        node.value[number] = (key, item[1])
    else:
        value = yaml.compose(f"- {chance.choice(VALUES)}").value[0]
        node.value[number] = (item[0], value) if isinstance(item, tuple) else value


def is_version(node, number):
    item = node.value[number]
    return isinstance(item, tuple) and item[0].value == "ymmsl_version"


def loads(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ymmsl.load_as(Configuration, text)
        except Exception:
            return False
    return True


def others(source):
    """What the other checks of files say."""
    files = Files(Sources([source]), registry.load())
    found = set()
    for check in registry.load().checks.values():
        if check.stage == "files" and check.code not in STRUCTURE:
            found |= {check.code for _ in check.find(files)}
    return found


def structure(source):
    models = {entry.model.name: ports_text(entry.model) for entry in registry.load()}
    return list(differences([source], models))


def mutants(count, texts, seed=20):
    """Yield `count` mutants of each text; other texts beside it change none of them."""
    for text in texts:
        chance = random.Random(crc32(text.encode()) + seed)
        for _ in range(count):
            root = copy.deepcopy(yaml.compose(text, Loader=yaml.SafeLoader))
            mutate(root, chance)
            yield yaml.serialize(root)


@pytest.fixture(scope="module")
def texts():
    return [text for seed in SEEDS if "&" not in (text := seed.read_text()) and loads(text)]


def test_the_structure_is_refused_where_ymmsl_refuses_it(tmp_path, texts):
    refused = 0
    for text in [*mutants(70, [WITH_EVERYTHING]), *mutants(4, texts)]:
        source = read(tmp_path / "x.ymmsl", text=text)
        fine, found = loads(text), structure(source)
        if fine:
            assert not found, f"{text}\n{found}"
        else:
            refused += 1
            assert found or others(source), text
    assert refused > 30


def test_nothing_is_left_for_ymmsl_to_say(tmp_path, texts):
    """After what was found is left out or mended, ymmsl reads the rest."""
    for number, text in enumerate(mutants(4, texts)):
        file = tmp_path / f"{number}.ymmsl"
        file.write_text(text)
        problems = diagnose([file], with_machine=False).problems
        codes = {p.code for p in problems}
        if codes & STRUCTURE:
            assert "MS199" not in codes, f"{text}\n" + "\n".join(map(str, problems))
        assert not [p for p in problems if p.code in STRUCTURE and "report it" in p.text]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("settings: {a: 5.0.1}", "takes for a number"),
        ("settings: {a: trueish}", "takes for true or false"),
        ("settings: {a: [1, 2.5]}", "mixes whole numbers"),
        ("settings: {a: }", "has no value"),
        ("settings: {a: {b: {c: 1}}}", "joined with dots"),
        ("models: {description: x}", "name is missing above"),
        ("models: {m: {components: [{c: }]}}", "leave out the dashes"),
        ("models: {m: {implementation: x}}", "belongs under a component"),
        ("programs: {p: {script: a, args: b}}", "has a script and also args"),
        ("programs: {p: {description: a}}", "neither an executable nor a script"),
        ("programs: {p: {executable: a, base_env: loggin}}", "Did you mean 'login'?"),
        ("resources: {m.c: {threads: 1, mpi_processes: 2}}", "both threads and mpi_processes"),
        ("checkpoints: {simulation_time: [{every: 1, start: 3, stop: 2}]}", "must stop later"),
        ("imports: from a import implementation b", "imports is one text"),
        ("[]", "the file is an empty list"),
    ],
)
def test_it_is_said_in_plain_words(tmp_path, text, told):
    head = "" if text == "[]" else "ymmsl_version: v0.2\n"
    ((_, finding),) = structure(read(tmp_path / "x.ymmsl", text=head + text))
    assert told in finding.text


def test_files_of_the_old_version_are_left_alone(tmp_path):
    text = "ymmsl_version: v0.1\nmodel: {name: m}\n"
    assert not structure(read(tmp_path / "x.ymmsl", text=text))
