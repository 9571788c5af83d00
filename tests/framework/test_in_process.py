"""The in-process host refuses what MUSCLE3 refuses, in one sentence."""

import numpy as np
import pytest

import manyscale as ms
from manyscale import testing
from manyscale.hosting.in_process import run
from manyscale.testing import Component

BODIES = {"a": Component("toys.macro_micro:Body"), "b": Component("toys.macro_micro:Body")}
EXCHANGE = {"a.temperature": "b.other", "b.temperature": "a.other"}


def bodies(folder, **settings):
    return testing.write_spec(folder, BODIES, EXCHANGE, settings, {"a": "b"})


def test_a_neighbour_that_ends_early_is_named(tmp_path):
    spec = bodies(tmp_path, **{"a.steps": 5})
    with pytest.raises(ms.Refused, match=r"b.*b.other: the sender ended after t = 0.4 s"):
        run(spec)


def test_steps_that_do_not_fit_are_refused_at_once(tmp_path):
    spec = bodies(tmp_path, **{"a.dt": 0.07})
    with pytest.raises(ms.Refused, match="put a time bridge between"):
        run(spec)


def test_a_scalar_port_with_several_peers_is_refused(tmp_path):
    parts = {"a": BODIES["a"], "b": Component("toys.macro_micro:Body", 2)}
    spec = testing.write_spec(tmp_path, parts, EXCHANGE, {}, {"a": "b"})
    with pytest.raises(ms.Refused, match="has no slots, but its conduit leads to several"):
        run(spec)


def test_two_bodies_reach_their_common_temperature(tmp_path):
    out = run(
        bodies(tmp_path, **{"a.steps": 200, "b.steps": 200, "b.start_temperature": 400.0}),
        record=["a.final", "a.temperature"],
    )
    assert out.recorded["a.final"][0].messages[0]["T"] == pytest.approx(350.0, abs=1e-3)
    # T_a - T_b decays by (1 - 2 h dt) per step
    path = [shown.messages[0]["T"] for shown in out.recorded["a.temperature"]]
    assert path[:4] == pytest.approx([350 - 50 * (1 - 0.06) ** n for n in range(4)])
    assert len(path) == 201


def test_random_numbers_depend_on_run_seed_and_instance(tmp_path):
    def final(seed):
        spec = bodies(tmp_path / str(seed), run_seed=seed, **{"a.noise": 1.0, "b.noise": 1.0})
        states = run(spec).states
        return states["a"].T, states["b"].T

    assert final(1) == final(1)
    assert len({*final(1), *final(2)}) == 4


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"a.stesp": 3}, r"Setting a.stesp: body has no setting 'stesp'. Did you mean 'steps'"),
        ({"c.steps": 3}, r"Setting c.steps: coupling has no component 'c'"),
        ({"stesp": 3}, r"No component of coupling has a setting 'stesp'. Did you mean 'steps'"),
        ({"a.steps": 0}, r"component a: Setting body.steps is 0, expected >= 1"),
        ({"a.record": "fnal"}, r"a.record names 'fnal'.*Did you mean 'final'"),
    ],
)
def test_bad_settings(tmp_path, settings, says):
    with pytest.raises(ms.Refused, match=says):
        run(bodies(tmp_path, **settings))


def test_a_whole_number_over_a_float_setting_is_repaired(tmp_path):
    out = run(bodies(tmp_path), {"a.h": 0, "b.h": 0})
    assert out.states["a"].T == 300.0


def test_steps_draw_from_streams_of_their_own():
    numbers = [ms.random_numbers(7, step).random(1000) for step in range(4)]
    assert len(set(np.concatenate(numbers))) == 4000
    assert ms.random_numbers(7, 2).random() == numbers[2][0]


def test_a_program_with_its_arguments_in_one_string_is_known(tmp_path):
    spec = bodies(tmp_path)
    text = spec.read_text()
    one = "    - -m\n    - manyscale.hosting.muscle\n    - toys.macro_micro:Body\n"
    assert one in text
    spec.write_text(text.replace(one, "    - -m manyscale.hosting.muscle toys.macro_micro:Body\n"))
    assert run(spec).turns["a"] == 10
