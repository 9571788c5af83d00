"""Plugins are found under guard; the catalogue offers them to yMMSL; contracts serialise."""

import json
import sys
import types
from importlib.metadata import EntryPoint

import jsonschema
import pytest
import ymmsl
from ymmsl.v0_2 import Configuration, Reference, resolve

import manyscale as ms
from manyscale.contract.serialised import SCHEMA, serialised
from manyscale.registry import registry
from manyscale.registry.hooks import ENTRY_POINTS


def plugin(monkeypatch, name, **names):
    module = types.ModuleType(name)
    vars(module).update(names)
    monkeypatch.setitem(sys.modules, name, module)
    return EntryPoint(name, name, ENTRY_POINTS)


def offering(*models):
    @ms.hookimpl
    def manyscale_models():
        return list(models)

    return manyscale_models


class Decay(ms.ScaleModel):
    """One of two models of one name."""


def other_decay():
    return type("Decay", (ms.ScaleModel,), {"__module__": __name__, "__doc__": "The other."})


def test_a_broken_plugin_hides_nobody(monkeypatch):
    points = [
        plugin(monkeypatch, "good", manyscale_models=offering(Decay)),
        EntryPoint("missing", "no_such_module_here", ENTRY_POINTS),
        plugin(monkeypatch, "hookless"),
        plugin(monkeypatch, "liar", manyscale_models=offering(int)),
    ]
    found = registry.build(points)
    assert list(found.models) == ["decay"]
    reasons = {b.plugin: b.reason for b in found.broken}
    assert reasons.keys() == {"missing", "hookless", "liar"}
    assert "no_such_module_here" in reasons["missing"]
    assert "is @ms.hookimpl missing?" in reasons["hookless"]
    assert "no ScaleModel class" in reasons["liar"]


def test_two_models_of_one_name_are_an_error_that_names_both(monkeypatch):
    points = [
        plugin(monkeypatch, "one", manyscale_models=offering(Decay)),
        plugin(monkeypatch, "two", manyscale_models=offering(other_decay())),
    ]
    found = registry.build(points)
    with pytest.raises(ms.Refused, match=r"Two models are called 'decay'.*one\).*two\)"):
        found.find("decay")


def test_an_unknown_model_gets_the_nearest_name():
    with pytest.raises(ms.Refused, match=r"'mass_difusion'. Did you mean 'mass_diffusion'"):
        registry.load().find("mass_difusion")


def test_ymmsl_finds_every_model_through_one_entry_point():
    names = sorted(registry.load().models)
    text = "ymmsl_version: v0.2\nimports:\n" + "".join(
        f"- from manyscale import implementation {name}\n" for name in names
    )
    config = ymmsl.load_as(Configuration, text)
    resolve(Reference([]), config)
    programs = {str(name).removeprefix("manyscale."): p for name, p in config.programs.items()}
    assert sorted(programs) == names
    for entry in registry.load():
        program = programs[entry.model.name]
        assert {str(n) for n, _ in program.ports.items()} == entry.model.ports.keys()
        known = {str(name) for name, _ in program.supported_settings}
        assert known == {*entry.model.settings(), "record", "run_seed", "seed_name"}


@pytest.mark.parametrize("name", sorted(registry.load().models))
def test_a_contract_fits_its_published_schema(name):
    data = json.loads(json.dumps(serialised(registry.load().find(name).model)))
    jsonschema.validate(data, SCHEMA)


@pytest.mark.parametrize("reference", ["no.such:Thing", "math:pi", "math:nothing"])
def test_a_reference_to_no_model_is_refused(reference):
    with pytest.raises(ms.Refused):
        registry.by_reference(reference)
