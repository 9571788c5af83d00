"""The time bridge: values between samples, means, waveform relaxation, impulse stepping."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicHermiteSpline, CubicSpline

import manyscale as ms
from manyscale import testing
from manyscale.bridges.time_bridge import TimeBridge, kernel, rows, stepping
from manyscale.contract.state import pack, same, unpack
from manyscale.hosting.in_process import run
from manyscale.testing import Component
from toys.interrupted import resumed

BRIDGE = Component("manyscale.bridges.time_bridge:TimeBridge")
STEADY = settings(derandomize=True, deadline=None, max_examples=60, database=None)
SIZES = (0.2, 0.1, 0.05, 0.025, 0.0125)
OM, W = 20.0, 3.0


def one_way(folder, source="Source", target="Target", **given):
    parts = {
        "source": Component(f"toys.clocks:{source}"),
        "bridge": BRIDGE,
        "target": Component(f"toys.clocks:{target}"),
    }
    wires = {
        "source.out": "bridge.field_in",
        "target.asks": "bridge.times_in",
        "bridge.field_out": "target.v",
    }
    matching = {"source": "bridge.source", "target": "bridge.asked bridge.target"}
    values = {"target.record": "got", "bridge.record": "field_out", **named(given)}
    return testing.write_spec(folder, parts, wires, values, matching)


def pair(folder, **given):
    """x and y of the test pair, each with a clock of its own and a bridge to the other."""
    parts = {
        "slow": Component("toys.clocks:Slow"),
        "down": BRIDGE,
        "up": BRIDGE,
        "fast": Component("toys.clocks:Fast"),
    }
    wires = {
        "slow.x_out": "down.field_in",
        "fast.asks": "down.times_in",
        "down.field_out": "fast.x_in",
        "fast.y_out": "up.field_in",
        "slow.asks": "up.times_in",
        "up.field_out": "slow.y_in",
    }
    matching = {
        "slow": "down.source up.asked up.target",
        "fast": "up.source down.asked down.target",
    }
    record = {"slow.record": "end", "fast.record": "end", "up.record": "field_out"}
    values = {"down.mode": "hold", "up.mode": "hold", **record, **named(given)}
    return testing.write_spec(folder, parts, wires, values, matching)


def two_ways(folder, **given):
    parts = {
        "slow": Component("toys.clocks:SlowSide"),
        "bridge": BRIDGE,
        "fast": Component("toys.clocks:FastSide"),
    }
    wires = {
        "bridge.back_out": "slow.y_in",
        "slow.x_out": "bridge.field_in",
        "bridge.field_out": "fast.x_in",
        "fast.y_out": "bridge.back_in",
    }
    record = {"slow.record": "x_out", "fast.record": "y_out", "bridge.record": "back_out"}
    values = {"bridge.two_way": True, "bridge.window": 0.2, "bridge.windows": 10}
    return testing.write_spec(folder, parts, wires, {**values, **record, **named(given)})


def named(given):
    return {name.replace("__", "."): value for name, value in given.items()}


def got(outcome):
    return outcome.states["target"]


@pytest.fixture(scope="module")
def reference():
    """x and y of the pair at t = 2."""

    def rates(t, u):
        return [-u[0] + u[1], -10.0 * (u[1] - math.cos(u[0] + t))]

    return solve_ivp(rates, (0.0, 2.0), [1.0, 0.0], "DOP853", rtol=1e-12, atol=1e-14).y[:, -1]


def errors_one_way(spec, reference, **given):
    found = []
    for H in SIZES:
        n = round(2.0 / H)
        clock = {"slow.H": H, "slow.steps": n, "fast.h": H / 8, "fast.steps": 8 * n}
        ends = run(spec, {**clock, **named(given)}).states
        found.append(math.hypot(ends["slow"].x - reference[0], ends["fast"].y - reference[1]))
    return np.array(found)


def errors_two_ways(spec, reference, sizes=SIZES, **given):
    found = []
    for H in sizes:
        clock = {"bridge.window": H, "bridge.windows": round(2.0 / H)}
        ends = run(spec, {**clock, **named(given)}).states
        x, y = ends["slow"].x[-1], ends["fast"].y[-1]
        found.append(math.hypot(x - reference[0], y - reference[1]))
    return np.array(found)


def orders(errors):
    return np.log2(errors[:-1] / errors[1:])


# the test pair


def test_hold_both_ways_is_of_first_order(tmp_path, reference):
    # reference: computed twice by independent implementations
    errors = errors_one_way(pair(tmp_path), reference)
    assert errors == pytest.approx([5.39e-2, 2.46e-2, 1.18e-2, 5.76e-3, 2.85e-3], rel=0.05)
    assert orders(errors)[-1] == pytest.approx(1.0, abs=0.05)


def test_the_mean_of_y_and_x_held(tmp_path, reference):
    # reference: computed by an independent implementation
    up = {"up__mode": "mean", "up__extrapolate": "hold", "slow__where": 1.0}
    errors = errors_one_way(pair(tmp_path), reference, **up)
    assert errors[0] == pytest.approx(4.3e-2, rel=0.05)
    assert orders(errors)[-1] == pytest.approx(1.03, abs=0.1)


def test_six_sweeps_are_of_second_order(tmp_path, reference):
    # reference: computed twice by independent implementations
    errors = errors_two_ways(two_ways(tmp_path), reference)
    assert errors[0] == pytest.approx(3.02e-4, rel=0.2)
    assert errors[-1] == pytest.approx(1.24e-6, rel=0.2)
    assert orders(errors)[-1] == pytest.approx(2.0, abs=0.1)


def test_more_moments_of_y_are_worth_their_while(tmp_path, reference):
    spec, sizes = two_ways(tmp_path), SIZES[:2]
    given = {"fast__shows": "all", "bridge__source_moments": 3, "bridge__target_moments": 17}
    errors = errors_two_ways(spec, reference, sizes, **given)
    assert (errors < 0.2 * errors_two_ways(spec, reference, sizes)).all()


def test_two_that_both_want_what_lies_ahead_cannot_begin(tmp_path):
    given = {"up__mode": "mean", "down__mode": "linear", "slow__where": 1.0}
    with pytest.raises(ms.Refused, match="Deadlock"):
        run(pair(tmp_path, **given))


def test_sweeps_end_when_little_changes(tmp_path):
    spec = two_ways(tmp_path)
    calls = {
        (sweeps, tol): run(spec, {"bridge.sweeps": sweeps, "bridge.tol": tol}).turns["fast"]
        for sweeps, tol in ((6, 1e-30), (6, 1e-3), (50, 1e-10))
    }
    assert calls[6, 1e-30] == 61  # in the first window one more: the source knows nothing yet
    assert calls[6, 1e-3] < 40
    assert 61 < calls[50, 1e-10] < 120


def test_the_source_is_rewound_in_every_sweep(tmp_path):
    # converged sweeps do not depend on how often a window was tried
    ends = [run(two_ways(tmp_path), {"bridge.sweeps": n}).states["fast"].y[-1] for n in (30, 40)]
    assert ends[0] == pytest.approx(ends[1], rel=1e-9)


# one way


def straight(t):
    return np.interp(t, 0.1 * np.arange(21), np.sin(0.1 * np.arange(21)))


@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("mode", ["hold", "linear", "hermite", "spline"])
def test_values_between_samples(tmp_path, mode, where):
    source, target = ("RatedSource", "RatedTarget") if mode == "hermite" else ("Source", "Target")
    spec = one_way(tmp_path, source, target, bridge__mode=mode, target__where=where)
    out = got(run(spec))
    samples = 0.1 * np.arange(21)
    exact = {
        "hold": np.sin(samples[np.searchsorted(samples, out.at + 1e-9, side="right") - 1]),
        "linear": straight(out.at),
        "hermite": CubicHermiteSpline(samples, np.sin(samples), np.cos(samples))(out.at),
        "spline": np.sin(out.at),
    }
    tolerance = 2e-4 if mode == "spline" else 1e-14
    assert out.v == pytest.approx(exact[mode][:, None] + np.arange(3), abs=tolerance)


def test_stamps_are_the_starts_of_the_steps_from_zero_on(tmp_path):
    out = got(run(one_way(tmp_path, bridge__mode="hold")))
    assert np.array_equal(out.stamps, 0.25 * np.arange(7))


@pytest.mark.parametrize("mode", ["mean", "integral"])
def test_means_over_a_step(tmp_path, mode):
    out = got(run(one_way(tmp_path, bridge__mode=mode)))
    edges = 0.25 * np.arange(8)
    fine = np.linspace(0.0, 1.75, 350001)
    v = straight(fine) if mode == "mean" else np.sin(np.floor(fine * 10.0 + 1e-9) / 10.0)
    total = np.interp(edges, fine, np.concatenate([[0.0], np.cumsum(
        0.5 * (v[1:] + v[:-1]) if mode == "mean" else v[:-1]) * (fine[1] - fine[0])]))  # fmt: skip
    assert out.v[:, 0] == pytest.approx(np.diff(total) / 0.25, abs=1e-6)


def test_what_the_source_gave_arrives(tmp_path):
    spec = one_way(tmp_path, bridge__mode="integral", target__steps=8)
    for cells, dt, steps in ((3, 0.1, 20), (3, 0.04, 50), (3, 2.0 / 7, 7)):
        given = {"source.cells": cells, "source.dt": dt, "source.steps": steps}
        out = got(run(spec, given))
        gave = dt * (np.sin(dt * np.arange(steps))[:, None] + np.arange(3)).sum(axis=0)
        assert 0.25 * out.v.sum(axis=0) == pytest.approx(gave, rel=1e-14)


def test_several_times_at_once(tmp_path):
    given = {"target__repeats": 5, "source__steps": 20}
    spec = one_way(tmp_path, "Bursts", "BurstTarget", **given)
    out = got(run(spec))
    at = 0.25 * (np.arange(7)[:, None] + np.arange(1, 6) / 5)
    samples = 0.025 * np.arange(80)
    assert out.v == pytest.approx(np.interp(at, samples, np.sin(samples)), abs=1e-14)


@pytest.mark.parametrize(("source", "target"), [(20, 3), (20, 7), (3, 7), (1, 1), (1, 7), (20, 1)])
@pytest.mark.parametrize("mode", ["hold", "linear", "mean", "integral"])
def test_unequal_ends_end_cleanly(tmp_path, mode, source, target):
    given = {"source.steps": source, "target.steps": target, "bridge.extrapolate": "hold"}
    out = run(one_way(tmp_path, bridge__mode=mode), given)
    assert out.turns["source"] == source
    assert len(got(out).stamps) == target
    assert not out.states["bridge"].samples


def test_beyond_the_last_sample(tmp_path):
    given = {"source__steps": 3, "source__cells": 1, "bridge__mode": "linear"}
    out = got(run(one_way(tmp_path, bridge__extrapolate="hold", **given)))
    assert out.v[0] == pytest.approx(np.sin(0.2))
    with pytest.raises(
        ms.Refused, match=r"source end at 0.2 s, and the target wants data for 0.25 s;"
    ):
        run(one_way(tmp_path, **given))


def test_the_last_sample_holds_as_long_as_the_one_before(tmp_path):
    spec = one_way(tmp_path, bridge__mode="integral", source__dt=0.25, source__steps=4)
    assert len(got(run(spec, {"target.steps": 4})).v) == 4
    with pytest.raises(
        ms.Refused, match=r"end at 1 s.*for 1 s to 1.25 s.*or set extrapolate: hold"
    ):
        run(spec, {"target.steps": 5})


# what is refused


REFUSED = [
    ({"bridge__max_buffer": 3, "bridge__mode": "mean"}, "max_buffer is 3.*let it ask more often"),
    ({"source": "NaNSource"}, "bridge.*: v has values that are not finite; send a bool field v_m"),
    ({"source": "Counter", "target": "Tally"}, "v is int64; only real numbers have values betwee"),
    ({"bridge__mode": "hermite"}, "the mode hermite needs v_rate, the derivative of v"),
    ({"target__where": -0.5}, r"the times \[-0.125\] s are not ascending from the start of the st"),
    ({"target__where": 0.0, "bridge__mode": "mean"}, "ask for the end of the step"),
    ({"target": "BurstTarget", "source": "Waves", "target__repeats": 2}, "asks for 2 times at on"),
    ({"source": "Restless"}, "source does not say when its next step begins"),
    ({"source": "Growing"}, "fields, shapes or types are not those of the message before"),
    ({"target": "Mole"}, "MS30[23]"),
    ({"target": "Deep"}, "MS305"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "why"), REFUSED, ids=[why[:20] for _, why in REFUSED])
def test_what_does_not_fit_is_refused_in_a_sentence(tmp_path, given, why):
    with pytest.raises(ms.Refused, match=why):
        run(one_way(tmp_path, **given))


def test_a_masked_cell_stays_masked(tmp_path):
    out = run(one_way(tmp_path, "MaskedSource", "MaskedTarget"), record=["bridge.field_out"])
    for shown in out.recorded["bridge.field_out"]:
        assert np.array_equal(shown.messages[0]["v_mask"], [False, True, False])
        assert shown.messages[0]["v"][1] == 0.0
    assert got(out).v[:, 2] == pytest.approx(2.0 + straight(got(out).at))
    with pytest.raises(ms.Refused, match="v has values that are not finite"):
        run(one_way(tmp_path, "MaskedSource", "MaskedTarget", source__spoil="nan"))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"bridge.window": 0.2, "fast.short": True}, "the samples go from 0 s to 0.1 s, the windo"),
        ({"bridge.max_buffer": 2, "fast.shows": "all"}, "brings 9 samples for one window"),
    ],
)
def test_a_trajectory_must_fill_its_window(tmp_path, given, why):
    with pytest.raises(ms.Refused, match=why):
        run(two_ways(tmp_path), given)


def test_the_other_set_of_ports_is_missed_before_launch(tmp_path):
    with pytest.raises(ms.Refused, match=r"TIME02.*its port back_in must hear the target"):
        run(one_way(tmp_path, bridge__two_way=True))


# values, means and rows by themselves


@st.composite
def trajectories(draw):
    n = draw(st.integers(2, 12))
    steps = draw(st.lists(st.floats(0.01, 2.0), min_size=n, max_size=n))
    seed = draw(st.integers(0, 2**32))
    times = np.concatenate([[0.0], np.cumsum(steps)])
    values = np.random.default_rng(seed).standard_normal((n + 1, 3))
    cuts = draw(st.lists(st.floats(0.001, 0.999), min_size=0, max_size=6, unique=True))
    edges = np.concatenate([[0.0], times[-1] * np.sort(cuts), [times[-1]]])
    return times, values, edges


@STEADY
@given(trajectories())
def test_windows_together_hold_the_whole_integral(case):
    times, values, edges = case
    lengths = np.diff(edges)[:, None]
    held = (np.diff(times)[:, None] * values[:-1]).sum(axis=0)
    bent = (np.diff(times)[:, None] * 0.5 * (values[1:] + values[:-1])).sum(axis=0)
    size = (np.diff(times)[:, None] * np.abs(values[:-1])).sum(axis=0).max() + 1.0
    assert np.abs((lengths * kernel.integral(times, values, edges)).sum(0) - held).max() < (
        1e-14 * size
    )
    size = (np.diff(times)[:, None] * np.abs(values[:-1] + values[1:])).sum(axis=0).max() + 1.0
    assert np.abs((lengths * kernel.mean(times, values, edges)).sum(0) - bent).max() < 1e-14 * size


@STEADY
@given(trajectories())
def test_between_samples(case):
    times, values, at = case
    inside = kernel.linear(times, values, at)
    assert inside == pytest.approx(
        np.stack([np.interp(at, times, column) for column in values.T], axis=1), abs=1e-12
    )
    rates = np.roll(values, 1, axis=0)
    found, slopes = kernel.hermite(times, values, rates, at)
    exact = CubicHermiteSpline(times, values, rates)
    assert found == pytest.approx(exact(at), abs=1e-11)
    assert slopes == pytest.approx(exact(at, 1), rel=1e-7, abs=1e-7)
    assert kernel.spline(times, values, at) == pytest.approx(CubicSpline(times, values)(at))
    assert np.array_equal(kernel.hold(times, values, times), values)
    assert np.array_equal(kernel.linear(times, values, times), values)


def test_constants_stay_constant_outside_too():
    times, values = np.array([1.0, 2.0, 4.0]), np.full((3, 2), 7.0)
    at = np.array([0.0, 1.5, 3.0, 9.0])
    assert (kernel.linear(times, values, at) == 7.0).all()
    assert kernel.spline(times, values, at) == pytest.approx(7.0)
    assert (kernel.hermite(times, values, 0 * values, at)[0] == 7.0).all()
    assert kernel.mean(times, values, at) == pytest.approx(7.0)
    assert kernel.integral(times, values, at) == pytest.approx(7.0)


def test_orders_of_interpolation():
    at = np.linspace(0.3, 1.7, 57)
    found = {}
    for n in (20, 40):
        times = np.linspace(0.0, 2.0, n + 1)
        values, rates = np.sin(times)[:, None], np.cos(times)[:, None]
        for name, value in (
            ("hold", kernel.hold(times, values, at)),
            ("linear", kernel.linear(times, values, at)),
            ("hermite", kernel.hermite(times, values, rates, at)[0]),
            ("spline", kernel.spline(times, values, at)),
        ):
            found.setdefault(name, []).append(np.sqrt(np.mean((value[:, 0] - np.sin(at)) ** 2)))
    reached = {name: math.log2(a / b) for name, (a, b) in found.items()}
    assert reached == pytest.approx({"hold": 1, "linear": 2, "hermite": 4, "spline": 4}, abs=0.35)


def test_fields_come_back_from_rows():
    fields = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": 2.5,
        "c": np.ones(2, np.float32),
        "a_mask": np.array([[True, False, False]] * 2),
    }
    layout = rows.layout(fields, False, None)
    row = rows.packed(layout, fields, 1)
    back = rows.unpacked(layout, row)
    assert list(back) == list(fields)
    assert np.array_equal(back["a"], [[0.0, 1.0, 2.0], [0.0, 4.0, 5.0]])
    assert back["b"] == 2.5
    assert isinstance(back["b"], float)
    assert back["c"].dtype == np.float32
    assert np.array_equal(back["a_mask"], fields["a_mask"])


def test_one_array_is_not_copied():
    x = np.arange(1000.0)
    layout = rows.layout({"x": x}, False, None)
    assert np.shares_memory(rows.packed(layout, {"x": x}, 1), x)


# restart


def test_the_buffer_survives_a_snapshot():
    bridge = TimeBridge(mode="spline")
    state = bridge.f_init(ms.Start(0.0), ms.Received({}))
    ask = ms.Contact(0.0, 1.0, {"times": np.array([1.0])})
    state = bridge.s(state, ms.Received({"times_in": ask}))

    def on(state, steps):
        for k in steps:
            sample = {"x": np.sin(0.3 * k + np.arange(4.0))}
            contact = ms.Contact(0.3 * k, 0.3 * (k + 1), sample, units={"x": "1"})
            state = bridge.s(state, ms.Received({"field_in": contact}))
        return state

    middle = on(state, range(2))
    copy = unpack(TimeBridge.State, pack(middle), TimeBridge.Member)
    assert same(copy, middle)
    whole, second = on(middle, range(2, 5)), on(copy, range(2, 5))
    assert same(whole, second)
    assert np.array_equal(bridge.o_i(whole)["field_out"]["x"], bridge.o_i(second)["field_out"]["x"])


@pytest.mark.coupled
def test_restart_in_the_middle_of_a_window(tmp_path):
    # 20 samples in each of 40 steps of the target, snapshots within a step
    given = {"source__steps": 801, "source__dt": 0.05, "target__steps": 40, "target__dt": 1.0}
    spec = one_way(tmp_path, bridge__mode="mean", **given)
    testing.run_in_process(spec, tmp_path / "whole")
    assert not testing.differences(tmp_path / "whole", resumed(spec, tmp_path, 3.3, 2))


@pytest.mark.coupled
@pytest.mark.nightly
def test_restart_in_the_middle_of_sweeps(tmp_path):
    spec = two_ways(tmp_path, bridge__windows=100, bridge__window=0.02)
    testing.run_in_process(spec, tmp_path / "whole")
    assert not testing.differences(tmp_path / "whole", resumed(spec, tmp_path, 0.1, 2))


# both hosts


@pytest.mark.coupled
@pytest.mark.parametrize("steps", [pytest.param(5, marks=pytest.mark.nightly), 12])
def test_one_way_with_unequal_ends_on_both_hosts(tmp_path, steps):
    given = {"bridge__mode": "integral", "bridge__extrapolate": "hold"}
    spec = one_way(tmp_path, target__steps=steps, **given)
    testing.run_in_process(spec, tmp_path / "here")
    testing.run_with_muscle(spec, tmp_path / "muscle")
    assert not testing.differences(tmp_path / "here", tmp_path / "muscle")


@pytest.mark.coupled
@pytest.mark.nightly
def test_two_clocks_and_two_bridges_on_both_hosts(tmp_path):
    given = {"up__mode": "mean", "up__extrapolate": "hold", "slow__where": 1.0}
    spec = pair(tmp_path, slow__steps=4, fast__steps=32, **given)
    testing.run_in_process(spec, tmp_path / "here")
    testing.run_with_muscle(spec, tmp_path / "muscle")
    assert not testing.differences(tmp_path / "here", tmp_path / "muscle")


@pytest.mark.coupled
@pytest.mark.nightly
def test_two_ways_on_both_hosts(tmp_path):
    spec = two_ways(tmp_path)
    testing.run_in_process(spec, tmp_path / "here")
    testing.run_with_muscle(spec, tmp_path / "muscle")
    assert not testing.differences(tmp_path / "here", tmp_path / "muscle")


# multiple time stepping


@pytest.mark.parametrize(
    ("DT", "trace", "growth"),  # closed form, computed independently
    [
        (0.10, -0.873212, 0.0), (0.15, -1.989511, 0.0), (0.16, -1.992387, 0.0),
        (0.17, -1.914047, 0.0), (0.155, -2.001171, 0.034212), (0.156, -2.001049, 0.032394),
        (0.157, -2.000110, 0.010487),
    ],
)  # fmt: skip
def test_trace_and_growth_of_kicks(DT, trace, growth):
    found = stepping.stability(OM, W, DT)
    assert found.trace == pytest.approx(trace, abs=1e-6)
    assert found.growth == pytest.approx(growth, rel=0.01)
    assert found.stable == (growth == 0.0)


@pytest.mark.parametrize("DT", [0.15, 0.155, 0.156, 0.157, 0.16])
def test_a_kicked_oscillator_grows_as_the_trace_says(DT):
    q, p, energies = 1.0, 0.3, []
    c, s = math.cos(OM * DT), math.sin(OM * DT)
    for _ in range(1000):
        p -= 0.5 * DT * W**2 * q
        q, p = c * q + s / OM * p, c * p - OM * s * q
        p -= 0.5 * DT * W**2 * q
        energies.append(0.5 * (p**2 + (OM**2 + W**2) * q**2))
    growth = stepping.stability(OM, W, DT).growth
    if growth:
        assert math.log(energies[-1] / energies[499]) / 1000 == pytest.approx(growth, rel=0.01)
    else:
        assert max(energies) < 30.0 * energies[0]


@STEADY
@given(st.floats(0.001, 0.9), st.integers(1, 5))
def test_just_below_each_half_period_there_is_a_resonance(ratio, n):
    below = n * math.pi / OM * (1.0 - 1e-9)
    inside = [below * (1.0 - f * ratio**2) for f in (0.1, 0.2)]
    assert not all(stepping.stability(OM, ratio * OM, DT).stable for DT in inside)
    better = stepping.stable_step(OM, ratio * OM, inside[0])
    assert stepping.stability(OM, ratio * OM, better).stable
    assert 0.0 < better < inside[0]


def test_a_step_in_a_resonance_is_refused_before_launch(tmp_path):
    given = {"bridge__fast_frequency": OM, "bridge__slow_frequency": W}
    spec = one_way(tmp_path, bridge__mode="hold", bridge__extrapolate="hold", **given)
    run(spec, {"source.dt": 0.15})
    with pytest.raises(ms.Refused, match=r"TIME01.*trace -2.001049.*make the interval 0.15"):
        run(spec, {"source.dt": 0.156})
