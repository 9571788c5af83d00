"""Which layers are used: as asked for, and where libmuscle is the one they were written for."""

import importlib.util
import logging
import shutil
from types import SimpleNamespace

import pytest

import manyscale as ms
from manyscale.hosting.transport import layers
from manyscale.hosting.transport.fast_path import FastPath
from manyscale.hosting.transport.layers import LAYERS, asked, possible

ALL = frozenset(LAYERS)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("fast", ALL),
        ("stock", set()),
        ("stock,", set()),
        ("payload", {"payload"}),
        ("ring,spin", {"ring", "spin"}),
        (" ring , lean ", {"ring", "lean"}),
        ("stock,lean", {"lean"}),
        ("payload,fast", ALL),
    ],
)
def test_words_mean_layers(text, wanted):
    assert asked(text) == wanted


def test_all_of_them_unless_told(monkeypatch):
    monkeypatch.delenv(layers.VARIABLE, raising=False)
    assert asked() == ALL
    monkeypatch.setenv(layers.VARIABLE, "stock")
    assert asked() == set()


def test_an_unknown_word_is_refused_with_the_nearest():
    with pytest.raises(ms.Refused, match=r"'rign' is no layer of messages.*ring"):
        asked("payload,rign")


def test_here_all_layers_work():
    """Fails where libmuscle is not the version that was read: read it, and note its hashes."""
    assert possible(ALL) == (ALL, {})


def test_spin_needs_a_ring():
    assert possible(frozenset({"spin", "payload"})) == (
        {"payload"},
        {"spin": "there is no ring to look at"},
    )


@pytest.fixture
def changed(tmp_path, monkeypatch):
    """Change a module of libmuscle, as far as the layers can see."""

    def change(name):
        found = importlib.util.find_spec(f"libmuscle.{name}")
        copy = tmp_path / f"{name}.py"
        shutil.copy(found.origin, copy)
        copy.write_text(copy.read_text() + "\n")
        real = importlib.util.find_spec

        def find(wanted):
            if wanted == f"libmuscle.{name}":
                return SimpleNamespace(origin=str(copy))
            return real(wanted)

        monkeypatch.setattr(layers.importlib.util, "find_spec", find)

    return change


NEEDS = {
    "communicator": {"lean"},
    "mmp_client": {"lean"},
    "mpp_message": {"payload", "lean"},
    "mpp_server": {"payload", "ring", "spin"},
    "outbox": {"payload", "ring", "spin"},
    "post_office": {"payload", "ring", "spin"},
    "profiler": {"lean"},
    "profiling": {"lean"},
}


@pytest.mark.parametrize("name", NEEDS)
def test_a_changed_module_turns_off_what_relies_on_it(name, changed):
    changed(name)
    on, why = possible(ALL)
    assert on == ALL - NEEDS[name]
    assert why.keys() == NEEDS[name]
    for layer in NEEDS[name] - {"spin"}:
        assert why[layer] == f"libmuscle.{name} is not the one that was read (muscle3 0.11.0)"


def test_every_module_that_is_guarded_is_one_that_exists():
    assert layers.READ.keys() == NEEDS.keys()


def test_a_layer_that_is_off_is_one_line_in_the_log(changed, tmp_path, caplog, monkeypatch):
    monkeypatch.setenv(layers.VARIABLE, "fast")
    changed("communicator")
    with caplog.at_level(logging.WARNING):
        fast = FastPath(tmp_path)
    assert fast.layers == ALL - {"lean"}
    (line,) = caplog.messages
    assert line.startswith("Messages: the layer lean is off: libmuscle.communicator is not")


def test_another_machine_or_system_is_told(monkeypatch):
    monkeypatch.setattr(layers.platform, "machine", lambda: "aarch64")
    on, why = possible(ALL)
    assert on == {"payload", "lean"}
    assert "aarch64" in why["ring"]
    layers._lacking.cache_clear()
    monkeypatch.setattr(layers.sys, "platform", "darwin")
    assert possible(ALL)[0] == {"lean"}
    layers._lacking.cache_clear()


def test_a_system_that_allows_no_shared_memory_is_told(monkeypatch):
    def fails(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(layers, "Segment", fails)
    layers._lacking.cache_clear()
    on, why = possible(ALL)
    layers._lacking.cache_clear()
    assert on == {"lean"}
    assert why["payload"].endswith("what shared memory needs: Operation not permitted")


def test_a_libmuscle_without_that_module_turns_it_off(monkeypatch):
    monkeypatch.setattr(layers.importlib.util, "find_spec", lambda name: None)
    on, why = possible(ALL)
    assert on == set()
    assert why.keys() == ALL
