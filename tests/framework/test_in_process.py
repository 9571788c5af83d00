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
    with pytest.raises(ms.Refused, match=r"MS211 error: .*a\.temperature.*b"):
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
        ({"a.stesp": 3}, r"MS401 error: .*stesp.*'steps'"),
        ({"c.steps": 3}, r"MS402 error: .*'?c'?"),
        ({"stesp": 3}, r"MS401 error: .*stesp.*'steps'"),
        ({"a.steps": 0}, r"MS405 error: .*steps is 0, expected >= 1"),
        ({"a.record": "fnal"}, r"MS409 error: .*'fnal'.*Did you mean 'final'"),
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


def test_a_model_of_a_function_runs_and_is_packed(tmp_path):
    spec = testing.write_spec(
        tmp_path,
        {
            "asker": Component("manyscale.testing.peers:caller@toys.functions:power_law"),
            "law": Component("toys.functions:power_law"),
        },
        {"asker.given": "law.given", "law.found": "asker.found"},
        {"law.exponent": -1.0},
    )
    out = run(spec, record=["law.found"])
    assert [s.messages[0]["conductivity"] for s in out.recorded["law.found"]] == [44400.0] * 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            ("a.temperature: b.other", "a.temperatur: b.other"),
            r"MS204 error: .*temperatur\b",
        ),
        (("a.temperature: b.other", "a.other: b.other"), "MS209 error: .*other"),
        (("      a.temperature: b.other\n", ""), r"MS208 error: .*b.*other"),
    ],
)
def test_miswired_couplings(tmp_path, change, says):
    spec = bodies(tmp_path)
    text = spec.read_text()
    assert change[0] in text
    spec.write_text(text.replace(*change))
    with pytest.raises(ms.Refused, match=says):
        run(spec)


def test_a_setting_of_a_member_that_is_not_there(tmp_path):
    parts = {
        "bulk": Component("toys.macro_micro:Bulk"),
        "core": Component("toys.macro_micro:Core", 2),
    }
    pipes = {"bulk.cores": "core.initial", "core.final": "bulk.relaxed"}
    spec = testing.write_spec(tmp_path, parts, pipes, {"core[2].diffusivity": 1e-12})
    with pytest.raises(ms.Refused, match=r"MS408 error: .*core\[2\]"):
        run(spec)


def test_what_cannot_be_recorded_is_refused(tmp_path):
    with pytest.raises(ms.Refused, match="no component 'c' to record"):
        run(bodies(tmp_path), record=["c.final"])


def test_a_key_that_stands_twice_is_refused(tmp_path):
    spec = bodies(tmp_path, **{"a.steps": 5})
    spec.write_text(spec.read_text().replace("  a.steps: 5\n", "  a.steps: 5\n  a.steps: 6\n"))
    with pytest.raises(ms.Refused, match=r"model.ymmsl:\d+:3: MS104 error: a.steps"):
        run(spec)


def test_nothing_recorded_is_no_agreement(tmp_path):
    assert testing.differences(tmp_path / "here", tmp_path / "there") == [
        f"nothing is recorded in {tmp_path / 'here'}"
    ]
