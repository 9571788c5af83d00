"""The fidelity switch: indicator, decision, goals and handover, alone and coupled."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import manyscale as ms
from manyscale import testing
from manyscale.bridges.fidelity_switch import FidelitySwitch, adjoint, handover, kernel
from manyscale.hosting.in_process import run
from manyscale.testing import Component
from toys.interrupted import resumed

STEADY = settings(derandomize=True, deadline=None, max_examples=60, database=None)
PARTS = {
    "front": Component("toys.fronts:Front"),
    "switch": Component("manyscale.bridges.fidelity_switch:FidelitySwitch"),
    "fine": Component("toys.fronts:Fine"),
}
WIRES = {
    "front.seen": "switch.state_in",
    "switch.assignment_out": "front.which",
    "switch.handover_out": "fine.came",
}
SETTINGS = {
    "switch.field": "c",
    "switch.tau": 2e-3,
    "switch.unit": "mol/m3",
    "switch.parts": 4,
    "front.record": "final",
    "switch.record": "assignment_out;handover_out",
}
TOP = 4.0 / (3.0 * math.sqrt(3.0))  # largest abs(u'') of tanh, 0.7698
PLACE = math.atanh(1.0 / math.sqrt(3.0))  # and where it is, 0.65848


def spec_of(folder, parts=PARTS, wires=WIRES, **given):
    named = {name.replace("__", "."): value for name, value in given.items()}
    return testing.write_spec(folder, parts, wires, {**SETTINGS, **named})


def peak(x, values):
    """Largest value and its place, by the parabola through the three highest points."""
    k = int(np.argmax(values))
    a, b, c = np.polyfit(x[k - 1 : k + 2] - x[k], values[k - 1 : k + 2], 2)
    return c - b * b / (4 * a), x[k] - b / (2 * a)


def seen(model, u, kept=None, at=0.0, x=None, **fields):
    x = np.linspace(0.0, 1.0, len(u)) if x is None else x
    units = {"u": "mol/m3", "x": "m", **dict.fromkeys(fields, "1")}
    came = ms.Contact(at, None, {"u": u, "x": x, **fields}, units=units)
    received = ms.Received({"state_in": came, "indicator_in": None})
    return model.f_init(ms.Start(at, kept=kept), received)


@pytest.mark.parametrize("d", [0.25, 1.0])
def test_curvature_of_a_front(d):
    x = d * np.linspace(-6.0, 6.0, 2401)
    top, place = peak(x, np.abs(kernel.curvature(x, np.tanh(x / d))) * (x > 0))
    assert top == pytest.approx(TOP / d**2, rel=1e-4)
    assert place == pytest.approx(PLACE * d, rel=1e-4)
    assert pytest.approx(0.7698, abs=1e-5) == TOP
    assert pytest.approx(0.65848, abs=1e-5) == PLACE


def test_curvature_on_uneven_points_is_exact_for_parabolas():
    x = np.sort(np.random.default_rng(0).uniform(0, 1, 30))
    assert kernel.curvature(x, 3 * x**2 - x + 2) == pytest.approx(6.0, rel=1e-8)


@pytest.mark.parametrize("tau", [1e-3, 2e-3, 3e-3])
def test_the_refined_set_is_where_the_indicator_exceeds_tau(tau):
    x = np.linspace(-5.0, 5.0, 101)
    h, C = 0.1, 0.5
    state = seen(FidelitySwitch(tau=tau, factor=C, buffer=0), np.tanh(x), x=x)
    t = np.tanh(x)
    exact = np.abs(2 * t * (1 - t * t)) > tau / (C * h * h)
    assert exact.any()
    assert not exact.all()
    wrong = np.flatnonzero(state.refined != exact)
    borders = np.flatnonzero(np.diff(exact.astype(int)))
    assert all(np.abs(borders + 0.5 - k).min() <= 1.0 for k in wrong)
    wide = seen(FidelitySwitch(tau=tau, factor=C, buffer=2), np.tanh(x), x=x).refined
    assert wide.tolist() == [state.core[max(k - 2, 0) : k + 3].any() for k in range(101)]


def test_noise_on_a_settled_field_switches_nothing():
    """1 % noise moves eta by less than half the hysteresis: a cell changes once at most."""
    x = 0.6 * np.arange(-8.0, 9.0)
    random, state, changes = np.random.default_rng(1), None, []
    model = FidelitySwitch(tau=0.022, factor=0.125, theta=0.5, buffer=1)
    plain = FidelitySwitch(tau=0.022, factor=0.125, theta=0.5, buffer=0)
    without = []
    for step in range(400):
        u = np.tanh(x) + 0.01 * random.uniform(-1, 1, 17)
        state = seen(model, u, state, float(step), x)
        changes.append(state.changes)
        without.append(seen(plain, u, x=x).refined)
    flips = np.abs(np.diff(np.array(without).astype(int), axis=0)).sum()
    assert flips > 20  # without what it remembers it would flicker
    assert sum(changes[100:]) == 0
    assert 0 < state.refined.sum() < 17


def test_hysteresis_dwell_and_the_way_back():
    u = np.zeros(21)
    u[10] = 1.0  # eta = 2 C there, C beside it
    model = FidelitySwitch(tau=1.5, factor=1.0, buffer=0, min_time=2.0)
    on = seen(model, u)
    assert np.flatnonzero(on.refined).tolist() == [10]
    between = seen(model, 0.5 * u, on, 1.0)  # eta = 1.0 > theta tau
    assert between.refined[10]
    off = seen(model, 0.3 * u, between, 2.0)
    assert not off.refined.any()
    assert (off.changes, off.since[10]) == (1, 2.0)
    early = seen(model, u, off, 3.0)
    assert not early.refined.any()
    assert seen(model, u, early, 4.0).refined[10]


@STEADY
@given(st.integers(0, 10**6), st.integers(0, 3), st.floats(0.0, 0.5))
def test_every_cell_that_needs_it_is_refined(seed, buffer, theta):
    random, before = np.random.default_rng(seed), None
    rule = kernel.Rule(1.0, theta, 0.0, buffer)
    for step in range(4):
        eta = random.uniform(0, 2, 40)
        before = kernel.decide(eta, np.ones(40), float(step), rule, before)
        assert before.refined[eta > 1.0].all()
        assert not before.core[eta < theta].any()
        assert (before.refined == kernel.buffered(before.core, buffer)).all()


@STEADY
@given(st.integers(0, 10**6), st.integers(1, 9), st.booleans())
def test_the_handover_keeps_integrals(seed, parts, extensive):
    random = np.random.default_rng(seed)
    edges = np.append(0.0, np.cumsum(random.uniform(0.1, 1.0, 30)))
    values = random.normal(size=(30, 2))
    cells = handover.divided(edges, random.random(30) < 0.4, parts)
    handed = handover.handed_over(values, cells, extensive, None)
    coarse, fine = (
        np.ones(n) if extensive else s
        for n, s in zip((30, len(handed)), cells.overlap.sizes, strict=True)
    )
    assert fine @ handed == pytest.approx(coarse @ values, rel=1e-13, abs=1e-13)
    assert handover.jump(values, handed, cells, extensive) < 1e-13
    assert handed.max() <= values.max() + 1e-12 or extensive


@pytest.mark.parametrize("n", [4, 10, 33])
def test_mean_of_the_parabola_on_linear_elements(n):
    nodes = np.linspace(0.0, 1.0, n + 1)
    ones = np.ones(n)
    u = adjoint.solve(nodes, adjoint.load_of(nodes, ones))
    J_h = adjoint.integral(nodes, u)
    assert J_h == pytest.approx((1.0 - 1.0 / n**2) / 12.0, rel=1e-12)
    estimate = adjoint.dual_estimate(nodes, ones, ones).sum()
    assert 0.99 < estimate / (1.0 / 12.0 - J_h) < 1.01


@pytest.mark.parametrize(("n", "low"), [(8, 0.9), (40, 0.99)])
def test_effectivity_for_a_sine(n, low):
    """-u'' = pi2 sin(pi x), J = integral of u sin(pi x) = 1/2, on uneven elements."""
    nodes = np.linspace(0.0, 1.0, n + 1)
    nodes = nodes + 0.1 / n * np.sin(7 * np.arange(n + 1)) * (nodes > 0) * (nodes < 1)
    a, b = nodes[:-1], nodes[1:]
    h, pi = b - a, np.pi
    # (f, hat) in closed form: the slopes of u = sin(pi x) are met exactly at the nodes
    load = np.zeros(n + 1)
    wave = np.diff(np.sin(pi * nodes)) / h
    load[:-1] += pi * np.cos(pi * a) - wave
    load[1:] += wave - pi * np.cos(pi * b)
    u = adjoint.solve(nodes, load)
    assert u == pytest.approx(np.sin(pi * nodes), abs=1e-12)
    s = np.linspace(0, 1, 201)[:, None]
    x = a + s * h
    J_h = np.trapezoid((u[:-1] * (1 - s) + u[1:] * s) * np.sin(pi * x), s, axis=0) @ h
    density = np.sin(pi * 0.5 * (a + b))
    estimate = adjoint.dual_estimate(nodes, pi**2 * density, density).sum()
    assert low < estimate / (0.5 - J_h) < 2.0 - low


def test_adjoint_solutions_are_exact_at_the_nodes():
    nodes = np.append(0.0, np.cumsum(np.random.default_rng(3).uniform(0.5, 1.5, 20)))
    L = nodes[-1]
    assert adjoint.adjoint(nodes, "mean") == pytest.approx(nodes * (L - nodes) / (2 * L), rel=1e-11)
    assert adjoint.adjoint(nodes, "flux") == pytest.approx(nodes / L, rel=1e-11)
    p = nodes[7]
    green = np.where(nodes < p, nodes * (L - p) / L, p * (L - nodes) / L)
    assert adjoint.adjoint(nodes, "point", p) == pytest.approx(green, rel=1e-11)
    with pytest.raises(ValueError, match="the goal lies at 99 m, outside of"):
        adjoint.adjoint(nodes, "point", 99.0)


@pytest.mark.parametrize("goal", ["mean", "point", "flux"])
def test_local_tolerances_share_the_tolerance_of_the_goal(goal):
    nodes = np.linspace(0.0, 2.0, 51)
    z = adjoint.adjoint(nodes, goal, 0.7)
    weight = np.abs(0.5 * (z[1:] + z[:-1]))
    tol = adjoint.local_tolerance(nodes, goal, 0.7)
    assert weight @ tol == pytest.approx(weight.sum(), rel=1e-12)
    assert np.argmin(tol) == np.argmax(weight)


def test_a_goal_moves_the_refined_set():
    x = (np.arange(200) + 0.5) / 200
    u = np.tanh((x - 0.2) / 0.02) + np.tanh((x - 0.8) / 0.02)
    both = seen(FidelitySwitch(tau=2e-3), u, x=x).refined
    right = seen(FidelitySwitch(tau=2e-3, goal="flux"), u, x=x).refined
    assert both[:100].any()
    assert both[100:].sum() == both[:100].sum()
    assert right[:100].sum() < both[:100].sum()
    assert right[100:].sum() >= both[100:].sum()


def test_masked_cells_have_no_indicator_and_keep_out_of_the_handover():
    x = (np.arange(40) + 0.5) / 40
    u, mask = np.sin(6 * x), (x > 0.5) & (x < 0.6)
    u[mask] = math.nan
    model = FidelitySwitch(tau=1e-6, parts=3, buffer=0)
    state = seen(model, u, x=x, u_mask=mask)
    near = mask | np.roll(mask, 1) | np.roll(mask, -1)
    assert (state.excess[near] == 0.0).all()
    assert state.excess[~near].all()
    handed = {name: member.value for name, member in state.handed.items()}
    assert np.isfinite(handed["u"]).all()
    assert handed["u_mask"].sum() == mask.sum()
    assert handed["u"].shape == handed["x"].shape == handed["u_mask"].shape
    with pytest.raises(ValueError, match=r"u has 4 values that are not finite: mask them"):
        seen(model, u, x=x)


def test_smoothing_takes_noise_off_the_curvature():
    noise = np.random.default_rng(0).uniform(-1, 1, 1000)
    x = np.linspace(0, 1, 1000)
    rough, smooth = (kernel.indicator(x, noise, 1.0, n).std() for n in (0, 4))
    assert smooth < 0.1 * rough
    assert kernel.smoothed(x, 5) == pytest.approx(x)


def test_an_indicator_of_the_model_is_taken():
    came = ms.Contact(
        0.0, None, {"u": np.zeros(5), "x": np.arange(5.0)}, units={"u": "K", "x": "m"}
    )
    eta = ms.Contact(0.0, None, {"eta": np.array([0, 0, 2.0, 0, 0])}, units={"eta": "mK"})
    both = ms.Received({"state_in": came, "indicator_in": eta})
    model = FidelitySwitch(tau=1e-3, unit="K", buffer=0)
    assert np.flatnonzero(model.f_init(ms.Start(0.0), both).refined).tolist() == [2]
    eta.fields["eta"][2] = math.nan
    with pytest.raises(ValueError, match="eta has 1 values that are not finite"):
        model.f_init(ms.Start(0.0), both)


def test_what_does_not_fit_is_refused():
    model = FidelitySwitch(tau=1.0)
    with pytest.raises(ms.Refused, match=r"came with 5 cells before and now with 6"):
        seen(model, np.zeros(6), seen(model, np.zeros(5)))
    with pytest.raises(ms.Refused, match=r"no field 'w' came, but u, x"):
        seen(FidelitySwitch(tau=1.0, field="w"), np.zeros(5))
    with pytest.raises(ms.Refused, match=r"x must hold three or more ascending places"):
        seen(model, np.zeros(3), x=np.array([0.0, 2.0, 1.0]))
    with pytest.raises(ValueError, match=r"not evenly spaced, so their edges are not known"):
        seen(model, np.zeros(3), x=np.array([0.0, 2.0, 3.0]))
    edges = np.array([-0.5, 0.5, 3.5, 4.5])
    units = {"u": "K", "x": "m", "edges_x": "m"}
    fields = {"u": np.zeros(3), "x": np.array([0.0, 2.0, 4.0]), "edges_x": edges}
    uneven = {"state_in": ms.Contact(0.0, None, fields, units=units), "indicator_in": None}
    assert model.f_init(ms.Start(0.0), ms.Received(uneven)).jump == 0.0


def test_a_front_is_followed_and_the_integral_kept(tmp_path):
    spec = spec_of(tmp_path, front__steps=30)
    out = run(spec, record=["front.final", "switch.handover_out", "switch.assignment_out"])
    cells = out.recorded["front.final"][-1].messages[0]["cells"]
    middles = [np.flatnonzero(row).mean() for row in cells]
    assert np.diff(middles).mean() == pytest.approx(1.0, abs=0.05)  # a cell per step
    x = out.recorded["switch.handover_out"][-1].messages[0]["x"]
    assert len(x) == 100 + 3 * cells[-1].sum()
    shown = out.recorded["switch.assignment_out"]
    assert max(one.messages[0]["jump"] for one in shown) < 1e-13
    assert sum(one.messages[0]["changes"] for one in shown) > 20


def test_mistakes_in_a_coupling_are_one_sentence(tmp_path):
    def refusal(reference, match, parts=("front", "switch"), **given):
        some = {n: p for n, p in PARTS.items() if n in parts}
        some["front"] = Component(f"toys.fronts:{reference}")
        wires = {a: b for a, b in WIRES.items() if b.partition(".")[0] in some}
        with pytest.raises(ms.Refused, match=match) as found:
            run(spec_of(tmp_path, some, wires, **given))
        return str(found.value)

    assert "\n" not in refusal("Unfit", "c has 1 values that are not finite: mask them with a bool")
    assert "\n" not in refusal("OnOtherAxis", "c has the shape .100,., expected one value for each")
    assert "\n" not in refusal("Front", "c: Unit 'mmol/m3' .* cannot become 'K'", switch__unit="K")
    refusal("InKelvin", "MS30[23]", parts=PARTS)
    wires = {a: b for a, b in WIRES.items() if not b.startswith("fine")}
    parts = {"front": Component("toys.fronts:Masked"), "switch": PARTS["switch"]}
    assert run(spec_of(tmp_path, parts, wires)).states["switch"].refined.any()


@pytest.mark.coupled
def test_a_killed_run_goes_on_to_the_same_assignments(tmp_path):
    spec = spec_of(tmp_path, front__steps=60, front__pause=0.01, front__noise=0.01)
    testing.run_in_process(spec, tmp_path / "here")
    again = resumed(spec, tmp_path, every=0.6)
    assert not (found := testing.differences(tmp_path / "here", again)), found
