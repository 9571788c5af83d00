"""Contracts in files of their own: round trips, bad content, and a component in C++."""

import importlib
import inspect
import json
import pkgutil
import shutil
from pathlib import Path

import jsonschema
import pytest

import manyscale as ms
import toys
from manyscale.contract.model import ScaleModel
from manyscale.contract.refusal import Refused
from manyscale.contract.serialised import SCHEMA, serialised
from manyscale.contract.sidecar import contract_in, contract_of
from manyscale.coupling.prove import diagnose
from manyscale.registry import registry

EXAMPLE = Path(__file__).parents[2] / "examples/cpp_component"


def toy_models():
    for found in pkgutil.iter_modules(toys.__path__):
        module = importlib.import_module(f"toys.{found.name}")
        for one in vars(module).values():
            is_model = inspect.isclass(one) and issubclass(one, ScaleModel)
            if is_model and one.__module__ == module.__name__:
                yield one


MODELS = {
    **{entry.model.name: entry.model for entry in registry.load()},
    **{f"{m.__module__}.{m.__name__}": m for m in toy_models()},
}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_contract_comes_back_as_it_went(name):
    data = json.loads(json.dumps(serialised(MODELS[name])))
    again = serialised(contract_of(data))
    assert json.loads(json.dumps(again)) == data
    jsonschema.validate(again, SCHEMA)


def short(**changes):
    """The shortest contract with a port and a setting, with changes."""
    field = {"name": "c", "quantity": "concentration", "unit": "mol/m3", "axes": [{"name": "x"}]}
    port = {"name": "initial", "operator": "f_init", "fields": [field]}
    setting = {"name": "k", "type": "float", "unit": "1/s", "text": "rate"}
    for key, value in changes.items():
        where, _, name = key.partition("_")
        target = {"field": field, "port": port, "setting": setting}.get(where)
        if target is not None:
            target[name] = value
    base = {"format": "manyscale-contract/1", "name": "reaction"}
    whole = {**base, "ports": [port], "settings": [setting]}
    return {**whole, **{k[4:]: v for k, v in changes.items() if k.startswith("top_")}}


def test_what_is_usual_may_be_left_out():
    jsonschema.validate(short(), SCHEMA)
    model = contract_of(short())
    assert model.version == "1"
    assert model.ports["initial"].fields["c"].dtype == "float64"
    assert not model.ports["initial"].plain
    assert model.settings()["k"].required
    assert contract_of({"format": "manyscale-contract/1", "name": "nothing"}).ports == {}
    scalar = {"name": "T", "quantity": "temperature"}
    assert contract_of(short(port_fields=[scalar])).ports["initial"].fields["T"].axes == ""


def test_a_default_makes_a_setting_optional():
    model = contract_of(short(setting_default=0.5))
    assert not model.settings()["k"].required
    assert model().k == 0.5


def test_engines_meshes_and_distribution_are_kept():
    mesh = {"grid": {"kind": "rectilinear", "axes": "x"}}
    data = short(field_mesh="grid", field_location="cell", top_meshes=mesh, top_engine=True)
    data["ports"][0]["fields"][0]["held"] = {"how": "block", "axis": "x", "halo": 1}
    model = contract_of(data)
    assert model.Engine is not None
    assert model.meshes["grid"].axes == "x"
    assert model.ports["initial"].fields["c"].held == ms.block("x", 1)


BAD = [
    (short(top_format="acme/2"), "'format' of the contract is 'acme/2', expected"),
    ({"name": "x"}, "the contract has no 'format'"),
    ([], "the contract is [], expected object"),
    (short(top_prots=[]), "unknown key 'prots'. Did you mean 'ports'?"),
    (short(top_version=1), "'version' of the contract is 1, expected string"),
    (short(top_name="my model"), "'my model'; names are letters, digits and underscores"),
    (short(top_determinism="exact"), "'determinism' of the contract is 'exact'"),
    (short(top_state_version=-1), "is -1, expected 0 or more"),
    (short(top_capabilities={"rewin": True}), "unknown key 'rewin'. Did you mean 'rewind'?"),
    (short(top_scales={"time_s": {"grain": 2.0, "extent": 1.0}}), "grain of 2 does not fit"),
    (short(top_meshes={"grid": {"kind": "round"}}), "'kind' of 'grid' of 'meshes'"),
    (short(top_citations=[{"key": "a"}]), "has no 'text'"),
    (short(port_operator="F_INIT"), "'operator' of 'initial' in 'ports' of the contract is"),
    (short(port_name="final-1"), "'final-1'; names are letters"),
    (short(port_name="k"), "two things called 'k'"),
    (short(port_name="clock"), "this name is taken"),
    (short(port_plain="yes"), "'plain' of 'initial' in 'ports' of the contract is 'yes'"),
    (short(port_fields=[], port_plain=True), "Port 'initial': A plain port carries exactly one"),
    (short(port_fields=[]), "Port 'initial': A port declares at least one field"),
    (short(port_overlay=True), "Port 'initial': An overlay port"),
    (short(port_timeline="slow"), "Port 'initial': Only O_I and S ports have a timeline"),
    (short(port_like="nothing"), "Port 'initial': A `like` port declares no fields"),
    (short(port_like="nothing", port_fields=[]), "like='nothing' names no port"),
    (short(field_name="time"), "Port 'initial': A field cannot be called 'time'"),
    (short(field_name="slots"), "A field cannot be called"),
    (short(field_name="self"), "A field cannot be called 'self'"),
    (short(field_dtype="double"), "'dtype' of 'c' in 'fields' of 'initial'"),
    (short(field_dtype="str"), "Field initial.c: Only a scalar field may be a str"),
    (short(field_quantity=None), "'quantity' of 'c' in 'fields' of 'initial'"),
    (short(field_unti="m"), "unknown key 'unti'. Did you mean 'unit'?"),
    (short(field_mesh="grid"), "Field initial.c: A field on a mesh names both"),
    (short(field_mesh="grid", field_location="cell"), "no mesh 'grid' is declared"),
    (short(field_axes="x"), "'axes' of 'c' in 'fields' of 'initial'"),
    (short(field_axes=["x"]), "number 1 in 'axes' of 'c'"),
    (short(field_axes=[{"name": "x"}, {"name": "x"}]), "two axes have one name"),
    (short(field_axes=[{"name": "x", "setting": "n"}]), "axis x=n names no int setting"),
    (short(field_axes=[{"name": "x", "length": -3}]), "is -3, expected 0 or more"),
    (short(field_axes=[{"name": "x", "length": 3, "setting": "k"}]), "a length and a setting"),
    (short(field_held={"how": "spread"}), "'how' of 'held' of 'c'"),
    (short(setting_type="double"), "'type' of 'k' in 'settings' of the contract is 'double'"),
    (short(setting_text=None), "'text' of 'k' in 'settings'"),
    (short(setting_default="much"), "Setting reaction.k is 'much' (str), expected float"),
    (short(setting_default=1.0, setting_required=True), "is required and has a default"),
    (short(setting_required=False), "'k' is not required and has no default"),
    (short(setting_default=-1.0, setting_bounds={"gt": 0}), "expected > 0"),
    (short(setting_bounds={"min": 0}), "unknown key 'min'"),
    (short(setting_bounds={"ge": "0"}), "'ge' of 'bounds' of 'k'"),
    (short(setting_choices=["a"]), "'a' is a choice of 'k', which is float"),
    (short(setting_choices=[1.0], setting_default=2.0), "expected one of: 1.0"),
    (short(setting_type="[float]", setting_choices=[[1.0]]), "is a choice of 'k'"),
]


@pytest.mark.parametrize(("data", "why"), BAD, ids=[why for _, why in BAD])
def test_bad_content_gets_one_sentence(data, why):
    with pytest.raises(Refused) as refused:
        contract_of(data)
    sentence = str(refused.value)
    assert why in sentence
    assert "\n" not in sentence
    assert sentence.endswith((".", "?", ","))
    assert "__init__" not in sentence


@pytest.mark.parametrize("text", ["", "{", "[1,", '{"a": 1,}', "nothing", "'a'"])
def test_what_is_no_json_says_where(text):
    with pytest.raises(json.JSONDecodeError):
        contract_in(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"name": "a", "name": "b"}', "two things called 'name'"),
        ('{"shear": NaN}', "NaN is no number"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_json_that_python_would_take(text, why):
    with pytest.raises(Refused, match=why):
        contract_in(text)


def test_two_ports_fields_or_settings_of_one_name():
    for data in (short(), short(), short()):
        data["ports"] *= 2
        with pytest.raises(Refused, match="two things called 'initial'"):
            contract_of(data)
    data = short()
    data["ports"][0]["fields"] *= 2
    with pytest.raises(Refused, match="Port initial has two things called 'c'"):
        contract_of(data)


@pytest.fixture
def example(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE)
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLE))
    folder = tmp_path / "cpp_component"
    shutil.copytree(EXAMPLE, folder)
    return folder


def codes(folder, **options):
    return sorted(p.code for p in diagnose([folder], trusted=True, **options).problems)


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_example_lacks_only_its_program(example):
    (problem,) = diagnose([example], trusted=True).problems
    assert problem.code == "MS604"
    assert "reaction" in problem.text
    assert codes(example, with_machine=False) == []


def test_a_built_program_leaves_nothing_to_say(example, monkeypatch, tmp_path):
    program = tmp_path / "bin/reaction"
    program.parent.mkdir()
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    assert codes(example) == []


def test_without_its_contract_a_component_is_unchecked(example):
    (example / "reaction.contract.json").unlink()
    problems = diagnose([example], trusted=True).problems
    assert [p.code for p in problems] == ["MS701", "MS604"]
    assert "reaction.contract.json" in problems[0].text
    assert problems[0].severity == "note"


def test_a_contract_under_another_name_is_pointed_at(example):
    (example / "reaction.contract.json").rename(example / "reacton.contract.json")
    note = diagnose([example], trusted=True, with_machine=False).problems[0]
    assert note.code == "MS701"
    assert note.text.endswith("Did you mean 'reacton.contract.json'?")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"unit": "mol/m3"', '"unit": "kg/m3"', "MS304"),
        ('"unit": "mol/m3"', '"unit": "mmol/l"', "MS304"),
        ('"unit": "mol/m3"', '"unit": "mol/m3", "dtype": "float32"', "MS308"),
        ('"axes": [{"name": "x"}]', '"axes": [{"name": "x"}, {"name": "y"}]', None),
        ('"quantity": "concentration"', '"quantity": "fraction"', None),
    ],
)
def test_what_the_contract_promises_is_checked(example, old, new, code):
    change(example / "reaction.contract.json", old, new)
    found = codes(example, with_machine=False)
    assert found
    assert all(c.startswith("MS3") for c in found)
    assert code in (None, *found)
    # one conduit there and one back
    assert len(found) == 2


def test_its_settings_are_checked(example):
    change(example / "model.ymmsl", "decay.k:", "decay.K:")
    assert "MS401" in codes(example, with_machine=False)


def test_a_broken_contract_is_named_at_its_line(example):
    path = example / "reaction.contract.json"
    change(path, '"operator": "o_f"', '"operator": "of"')
    (problem,) = diagnose([example], trusted=True, with_machine=False).problems
    assert problem.code == "MS702"
    assert problem.place.file == path
    assert '"of"' in path.read_text().splitlines()[problem.place.line - 1]
    assert '"of"' in problem.excerpt()


def test_a_contract_that_is_no_json_is_named_at_its_line(example):
    path = example / "reaction.contract.json"
    change(path, '"name": "reaction",', '"name": "reaction"')
    (problem,) = diagnose([example], trusted=True, with_machine=False).problems
    assert (problem.code, problem.place.line) == ("MS702", 4)
    path.write_bytes(b'{"name": "\xff"}')
    (problem,) = diagnose([example], trusted=True, with_machine=False).problems
    assert (problem.code, problem.place.line) == ("MS702", 1)
