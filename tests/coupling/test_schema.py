"""The JSON schema of yMMSL files: valid, true to what is accepted, and complete."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from yatiml.loader import Loader

from manyscale.cli import manyscale
from manyscale.coupling.schema import schema
from manyscale.registry import registry

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
SHIPPED = sorted(
    file
    for folder in (ROOT / "coupling_specs", ROOT / "examples", HERE / "valid")
    for file in folder.rglob("*.ymmsl")
)


class AsEditorsRead(yaml.SafeLoader):
    """Reads numbers and words as YAML 1.2 has them, like ymmsl and editors."""

    yaml_implicit_resolvers = Loader("").yaml_implicit_resolvers


def data(text):
    return yaml.load(text, AsEditorsRead)


@pytest.fixture(scope="module")
def document():
    return schema(registry.load())


@pytest.fixture(scope="module")
def validator(document):
    return jsonschema.Draft7Validator(document)


def offered(part):
    return {one["const"] for one in part["anyOf"] if "const" in one}


@pytest.mark.parametrize("draft", [jsonschema.Draft7Validator, jsonschema.Draft202012Validator])
def test_it_is_a_schema_in_both_drafts(document, draft):
    draft.check_schema(document)


def test_there_are_shipped_specs():
    assert len(SHIPPED) >= 4


@pytest.mark.parametrize("draft", [jsonschema.Draft7Validator, jsonschema.Draft202012Validator])
@pytest.mark.parametrize("file", SHIPPED, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_what_is_shipped_is_valid(document, file, draft):
    draft(document).validate(data(file.read_text()))


@pytest.mark.parametrize(
    "text",
    [
        "settings: {lz: 5 nm, bulk.lz: 5, 'pipe[3].radius': 1.0e-9, other: word}",
        "settings: {bulk.record: field_out, run_seed: 3, muscle_local_log_level: WARNING}",
        "models: {m: {components: {c: {description: x, ports: {timeline t: {o_i: a, s: [b]}}}}}}",
        "models: {m: {conduits: {a.b: [c.d, last repeat e.f]}, matching_timelines: {a: b c}}}",
        "models: {m: {supported_settings: {a: float the step, b: [[float]], c: {type: int}}}}",
        "programs: {p: {script: [a, b]}, q: {execution_model: manual}, r: {executable: x,"
        " env: {A: 1, B: true}, keeps_state_for_next_use: no, base_env: LOGIN}}",
        "resources: {m.c: {nodes: 1, mpi_processes_per_node: 2}, m.d: {mpi_processes: 3}}",
        "checkpoints: {at_end: true, simulation_time: [{every: 0.5, stop: 3}, {at: [1, 2.5]}]}",
        "custom_implementations: {m.c: other, m.d: }\nresume: {c: /path/of/snapshot}",
        "imports: [from shared.farms import implementation farm]\nsettings:",
    ],
)
def test_what_ymmsl_accepts_is_valid(validator, text):
    validator.validate(data(f"ymmsl_version: v0.2\n{text}"))


@pytest.mark.parametrize(
    "text",
    [
        "setting: {a: 1}",
        "models: {m: {components: {c: {ports: {}}}}}",
        "models: {m: {components: {c: {description: x, ports: [a]}}}}",
        "models: {m: {components: {c: {description: x, ports: {f_init: a-b}}}}}",
        "models: {m: {components: {c: {description: x, ports: {}, multiplicity: four}}}}",
        "models: {m: {components: {my-c: {description: x, ports: {}}}}}",
        "settings: {bulk.lz: -1.0}",
        "settings: {bulk.nz: 2.5}",
        "settings: {bulk.scheme: eulr}",
        "settings: {bulk: {lz: 1.0}}",
        "settings: {a: }",
        "programs: {p: {args: x}}",
        "resources: {m.c: {threads: two}}",
    ],
)
def test_mistakes_are_not_valid(validator, text):
    assert not validator.is_valid(data(f"ymmsl_version: v0.2\n{text}"))


def test_every_model_is_offered(document):
    keys = document["properties"]
    names = {*registry.load().programs}
    component = keys["models"]["additionalProperties"]["properties"]["components"]
    models = {f"from manyscale import implementation {name}" for name in names}
    farms = {f"from manyscale.farms import implementation {n}" for n in registry.load().farms}
    assert offered(keys["imports"]["items"]) == models | farms
    assert "from manyscale.farms import implementation line_diffusion_farm" in farms
    inner = component["additionalProperties"]["properties"]
    assert offered(inner["implementation"]) == names
    for entry in registry.load():
        for port in entry.model.ports.values():
            assert port.name in offered(inner["ports"]["properties"][port.operator])


def test_every_setting_is_offered_and_described(document):
    settings, definitions = document["properties"]["settings"], document["definitions"]
    for entry in registry.load():
        for name, setting in entry.model.settings().items():
            assert name in settings["properties"]
            assert rf"^(.*\.)?{name}$" in settings["patternProperties"]
            assert setting.text in definitions[f"setting_{name}"]["description"]


def described(part):
    """Yield the keys without a text for hovering."""
    if isinstance(part, dict):
        for key, value in part.get("properties", {}).items():
            if "description" not in value and "$ref" not in value:
                yield key
        for value in part.values():
            yield from described(value)
    elif isinstance(part, list):
        for value in part:
            yield from described(value)


def test_every_key_has_a_description(document):
    assert not set(described(document))


def test_the_command_writes_it(tmp_path, document):
    file = tmp_path / "ymmsl.schema.json"
    manyscale.main(["schema", "-o", str(file)], standalone_mode=False)
    assert json.loads(file.read_text()) == document
