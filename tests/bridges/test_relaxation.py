"""The relaxation bridge in couplings: what it finds, refuses, and leaves of rejected iterations."""

import numpy as np
import pytest

import manyscale as ms
from manyscale import testing
from manyscale.bridges.relaxation import Relaxation
from manyscale.hosting.in_process import run
from manyscale.testing import Component, run_in_process, run_with_muscle, write_spec
from manyscale_plugins.heat_slab import HeatSlabDirichlet, kernel
from toys.interrupted import resumed
from toys.relaxed import linear

SLABS = "manyscale_plugins.heat_slab:"
PARTS = {
    "guess": Component(SLABS + "WallTemperature"),
    "interface": Component("manyscale.bridges.relaxation:Relaxation"),
    "one": Component(SLABS + "HeatSlabDirichlet"),
    "other": Component(SLABS + "HeatSlabNeumann"),
}
WIRES = {
    "guess.wall_out": "interface.initial_in",
    "interface.x_out": "one.wall_in",
    "one.wall_out": "other.wall_in",
    "other.wall_out": "interface.xt_in",
}
STEADY = {
    "dt": 1e14, "density": 1.0, "heat_capacity": 1.0, "length": 1.0, "cells": 10,
    "initial_temperature": 0.0, "guess.temperature": 0.2, "one.outer_temperature": 1.0,
    "other.outer_temperature": 0.0, "one.conductivity": 1.0, "other.conductivity": 2.0,
    "interface.rtol": 1e-11,
}  # fmt: skip
TRANSIENT = {
    **STEADY, "dt": 0.05, "interface.windows": 6, "one.initial_temperature": 1.0,
    "one.record": "profile_out", "other.record": "profile_out",
    "interface.record": "x_out;x_final;convergence",
}  # fmt: skip
VECTOR = {
    "guess": Component("toys.relaxed:Guess"),
    "interface": PARTS["interface"],
    "solver": Component("toys.relaxed:Linear"),
}
LOOP = {
    "guess.out": "interface.initial_in",
    "interface.x_out": "solver.wall",
    "solver.answer": "interface.xt_in",
}


def slabs(folder, settings, **changes):
    return run(write_spec(folder, PARTS, WIRES, {**settings, **changes})).states


@pytest.mark.parametrize("method", ["iqn_ils", "anderson", "aitken", "fixed"])
def test_two_steady_slabs_meet_at_a_third(tmp_path, method):
    # k1/L1 = 1, k2/L2 = 2, outer walls at 1 and 0: 1 / (1 + 2)
    found = slabs(tmp_path, STEADY, **{"interface.method": method})["interface"]
    assert found.guess[0] == pytest.approx(1.0 / 3.0, abs=1e-10)
    assert found.iterations[0] <= (3 if method != "fixed" else 25)


def test_a_divergent_plain_iteration_names_its_growth(tmp_path):
    turned = {"one.conductivity": 2.0, "other.conductivity": 1.0}
    plain = {"interface.method": "fixed", "interface.omega0": 1.0}
    says = r"relaxation diverges in window 0: the residual grew by 1.05e\+06 in 21 evaluations"
    with pytest.raises(ms.Refused, match=says):
        slabs(tmp_path, STEADY, **turned, **plain)
    found = slabs(tmp_path, STEADY, **turned)["interface"]
    assert found.guess[0] == pytest.approx(2.0 / 3.0, abs=1e-10)
    assert found.iterations.tolist() == [3]


def test_no_agreement_is_an_error_or_a_warning(tmp_path):
    few = {"interface.max_iter": 2}
    with pytest.raises(ms.Refused, match=r"no agreement in window 0: .* after 2 evaluations"):
        slabs(tmp_path, STEADY, **few)
    with pytest.warns(UserWarning, match=r"after 2 evaluations, expected 1e-11, .*; accepted"):
        found = slabs(tmp_path, STEADY, **few, **{"interface.on_failure": "accept_with_warning"})
    assert found["interface"].iterations.tolist() == [2]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"interface.omega0": 0.05, "interface.reuse": 0},
        {"interface.method": "fixed", "interface.omega0": 0.3},
    ],
)
def test_rejected_iterations_leave_a_solver_as_if_they_never_were(tmp_path, changes):
    spec = write_spec(tmp_path, PARTS, WIRES, {**TRANSIENT, **changes})
    out = run(spec, record=["interface.x_out"])
    last = {round(s.time / 0.05): s.messages[0]["T_wall"] for s in out.recorded["interface.x_out"]}
    state = out.states["one"]
    assert state.steps == 6
    assert out.states["interface"].iterations.sum() > (12 if changes else 10)
    # the same solver called once per window, with what was accepted there
    model = HeatSlabDirichlet(
        dt=0.05, density=1.0, heat_capacity=1.0, length=1.0, cells=10, conductivity=1.0,
        initial_temperature=1.0, outer_temperature=1.0,
    )  # fmt: skip
    accepted = [last[n] for n in range(5)] + [out.states["interface"].guess[0]]
    T = np.full(10, 1.0)
    for wall in accepted:
        T = kernel.advanced(model.slab(), T, 0.05, 1.0, True, (wall, wall))
    assert T.tobytes() == state.T.tobytes()


def parallel(folder, settings):
    parts = {**PARTS, "flux": Component("toys.relaxed:Flux")}
    wires = {
        "guess.wall_out": "interface.initial_in",
        "flux.wall_out": "interface.y_initial_in",
        "interface.x_out": "one.wall_in",
        "interface.y_out": "other.wall_in",
        "one.wall_out": "interface.yt_in",
        "other.wall_out": "interface.xt_in",
    }
    return write_spec(folder, parts, wires, settings)


@pytest.mark.parametrize("k", [2.0, 0.01])
def test_both_solvers_at_once_find_the_same(tmp_path, k):
    settings = {**TRANSIENT, "other.conductivity": k}
    serial = run(write_spec(tmp_path / "serial", PARTS, WIRES, settings)).states
    both = run(parallel(tmp_path / "both", settings)).states
    np.testing.assert_allclose(both["one"].T, serial["one"].T, rtol=1e-9)
    np.testing.assert_allclose(both["other"].T, serial["other"].T, rtol=1e-9, atol=1e-10)
    assert both["other"].steps == 6
    assert both["interface"].offsets.tolist() == [0, 1, 2]
    scaled = run(
        parallel(tmp_path / "scaled", settings),
        {"interface.field_scales": "T_wall 1.0; q_wall 1.0;"},
    ).states
    np.testing.assert_allclose(scaled["one"].T, serial["one"].T, rtol=1e-9)


def vector(folder, **settings):
    spec = write_spec(folder, VECTOR, LOOP, {"interface.windows": 4, **settings})
    return run(spec).states


def test_fields_labels_and_units_go_through(tmp_path):
    states = vector(tmp_path)
    found = states["interface"].guess  # m, although the solver answers in mm
    np.testing.assert_allclose(found, linear(found, 3), rtol=1e-5, atol=1e-5)
    assert states["solver"].calls == 4
    assert (states["interface"].iterations > 1).all()


def test_masked_cells_take_no_part(tmp_path):
    found = vector(tmp_path, **{"guess.fault": "masked_nan"})["interface"]
    assert len(found.guess) == 29
    assert np.isnan(found.values[-1])
    seen = np.append(found.guess, 0.0)
    np.testing.assert_allclose(found.guess, linear(seen, 3)[:-1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"guess.fault": "nan"}, r"x has 1 value not finite, first at \[29\], in the first guess"),
        ({"solver.answers": "nan"}, r"x has 1 value not finite, first at \[1\], in the answer of "
         "window 0, iteration 0"),
        ({"solver.answers": "short"}, r"xt_in: x has the shape \[29\], expected \[30\] as on"),
        ({"interface.field_scales": "y 2.0"}, r"field_scales names 'y', which is none of \['x'\]"),
        ({"interface.field_scales": "x -1"}, "gives x '-1', expected a positive number"),
        ({"interface.field_scales": "x 1.0; x 2.0;"}, "field_scales names 'x' twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_relaxed_is_one_sentence(tmp_path, settings, says):
    with pytest.raises(ms.Refused, match=says) as caught:
        vector(tmp_path, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("Celsius", r"RELAX01 error: interface.xt_in brings surface and not T_wall, which the"),
        ("Kilogram", r"RELAX01 .*brings T_wall in another dimension .*: Unit 'kg' \[mass\] cannot"),
    ],
)
def test_answers_of_another_kind_are_refused(tmp_path, answer, says):
    parts = {**PARTS, "other": Component(f"toys.relaxed:{answer}")}
    settings = {n: v for n, v in STEADY.items() if "." in n and not n.startswith("other")}
    spec = write_spec(tmp_path, parts, WIRES, {**settings, "one.dt": 1.0})
    with pytest.raises(ms.Refused, match=says):
        run(spec)


def test_a_second_guess_wants_its_answer(tmp_path):
    parts = {**PARTS, "flux": Component("toys.relaxed:Flux")}
    wires = {**WIRES, "flux.wall_out": "interface.y_initial_in"}
    with pytest.raises(ms.Refused, match=r"RELAX01 .*y_initial_in is connected and yt_in is not"):
        run(write_spec(tmp_path, parts, wires, STEADY))


def test_answers_are_looked_at_when_they_come_too():
    guess = ms.Contact(0.0, None, {"T": 1.0}, units={"T": "K"})
    state = Relaxation().f_init(
        ms.Start(0.0), ms.Received({"initial_in": guess, "y_initial_in": None})
    )
    for fields, unit, says in (
        ({"surface": 1.0}, "K", r"xt_in brings \['surface'\] without 'T', which initial_in began"),
        ({"T": 1.0}, "kg", r"relaxation.xt_in: T: Unit 'kg' \[mass\] cannot become 'K'"),
    ):
        answer = ms.Contact(0.0, None, fields, units=dict.fromkeys(fields, unit))
        with pytest.raises(ms.Refused, match=says):
            Relaxation().s(state, ms.Received({"xt_in": answer, "yt_in": None}))


@pytest.mark.parametrize("predict", ["constant", "linear", "quadratic"])
def test_prediction_changes_the_work_and_not_the_answer(tmp_path, predict):
    few = {"interface.predict": predict, "interface.reuse": 0, "interface.windows": 12}
    states = slabs(tmp_path, TRANSIENT, **few)
    plain = slabs(tmp_path / "plain", TRANSIENT, **{"interface.windows": 12})
    np.testing.assert_allclose(states["one"].T, plain["one"].T, rtol=1e-9)


def test_columns_of_earlier_windows_are_used(tmp_path):
    iterations = vector(tmp_path, **{"interface.windows": 6})["interface"].iterations
    assert iterations[1:].max() < iterations[0]


@pytest.mark.coupled
def test_under_a_manager_to_the_same_bits(tmp_path):
    spec = write_spec(tmp_path, PARTS, WIRES, TRANSIENT)
    run_in_process(spec, tmp_path / "here")
    run_with_muscle(spec, tmp_path / "muscle")
    assert not testing.differences(tmp_path / "here", tmp_path / "muscle")


@pytest.mark.coupled
def test_killed_in_the_middle_it_resumes_to_the_same_bits(tmp_path):
    long = {**TRANSIENT, "interface.windows": 200, "interface.omega0": 0.1}
    spec = write_spec(tmp_path, PARTS, WIRES, long)
    run_in_process(spec, tmp_path / "whole")
    assert not testing.differences(tmp_path / "whole", resumed(spec, tmp_path, 0.25, 2))
