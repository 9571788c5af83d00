"""The event trigger: where and how often it fires, alone and coupled."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import manyscale as ms
from manyscale import testing
from manyscale.bridges.event_trigger import EventTrigger, expression, kernel
from manyscale.contract.state import pack, unpack
from manyscale.hosting.in_process import run
from manyscale.testing import Component
from toys import watched
from toys.interrupted import resumed

HOUR = watched.HOUR
LN99 = 4.595119850134589  # h, ln 99
STEADY = settings(derandomize=True, deadline=None, max_examples=60, database=None)
PARTS = {
    "growth": Component("toys.watched:Watched"),
    "trigger": Component("manyscale.bridges.event_trigger:EventTrigger"),
    "division": Component("toys.watched:Division"),
    "crossing": Component("toys.watched:Crossing"),
}
WIRES = {
    "growth.state": "trigger.state_in",
    "trigger.state_out": "growth.back",
    "trigger.event_out": "division.event",
    "division.launched": "growth.heard",
    "trigger.crossing_out": "crossing.came",
}
RECORD = {"trigger.record": "event_out;state_out;crossing_out", "division.record": "launched"}


def spec_of(folder, parts=PARTS, wires=WIRES, **given):
    named = {name.replace("__", "."): value for name, value in given.items()}
    values = {"trigger.expression": "N[1] - 0.5", **named}
    return testing.write_spec(folder, parts, wires, {**RECORD, **values})


def events(folder, hours, until, **given):
    """Event times in h of a coupled run in this process."""
    steps = round(until / hours)
    spec = spec_of(folder, growth__dt=hours * HOUR, growth__steps=steps, **given)
    return run(spec).states["division"].times / HOUR


def contact(time, units=None, **fields):
    kinds = {name: "1/s" if name.endswith("_rate") else "1" for name in fields}
    return ms.Contact(time, None, fields, units={**kinds, **(units or {})})


def passes(model, contacts):
    """Event times of a model that is shown one state after another."""
    state, times = None, []
    for one in contacts:
        state = model.f_init(ms.Start(one.time, kept=state), ms.Received({"state_in": one}))
        times += state.fired.tolist()
    return times


def shown(function, times):
    return [contact(t, u=u, u_rate=rate) for t in times for u, rate in [function(t)]]


def placed(hours, phase):
    """Error of the crossing in h if it lies at this part of a step."""
    t0 = LN99 - phase * hours
    (n0, r0), (n1, r1) = watched.at("logistic", t0), watched.at("logistic", t0 + hours)

    def g(s):
        return kernel.hermite(s, n0, n1, hours * r0, hours * r1) - 0.5

    found = kernel.search(g, kernel.Levels(0.0, 0.0), False, kernel.Watch(tolerance=1e-12))
    return abs(t0 + found.crossings[0] * hours - LN99)


@pytest.mark.parametrize("hours", [0.1, 0.05, 0.02])
def test_logistic_growth_crosses_at_ln_99(tmp_path, hours):
    (found,) = events(tmp_path, hours, 6.0)
    assert found == pytest.approx(LN99, abs=1e-8)


def test_the_error_is_of_fourth_order_in_the_step():
    worst = {h: max(placed(h, p) for p in np.linspace(0.01, 0.99, 99)) for h in (1.0, 0.1, 0.05)}
    assert worst[1.0] == pytest.approx(2.7e-4, rel=0.02)
    assert worst[0.1] == pytest.approx(3.0e-9, rel=0.02)
    # at the turning point of the curve the fourth derivative vanishes: order five
    assert 4.0 < math.log2(worst[0.1] / worst[0.05]) < 5.1


@pytest.mark.parametrize(("hours", "nodes"), [(1.0, 12), (3.0, 20), (10.0, 60)])
def test_dense_output_of_the_model_serves_any_step(hours, nodes):
    def state(step):
        at = [
            watched.at("logistic", (step - 1) * hours + hours * s)[0] for s in kernel.lobatto(nodes)
        ]
        N = watched.at("logistic", step * hours)[0]
        return contact(step * hours, N=N, N_dense=np.array(at))

    model = EventTrigger(expression="N - 0.5")
    (found,) = passes(model, [state(k) for k in range(round(10 / hours) + 1)])
    assert found == pytest.approx(LN99, abs=1e-8)


def test_one_launch_and_none_below_the_level(tmp_path):
    out = run(spec_of(tmp_path), record=["division.launched"])
    assert out.recorded["division.launched"][-1].messages[0]["launches"] == 1
    assert len(events(tmp_path, 0.1, 20.0, growth__K=0.4)) == 0


@pytest.mark.parametrize(("dt", "tolerance"), [(0.05, 1e-8), (0.1, 1.5e-7)])
def test_ten_periods_of_a_sine(tmp_path, dt, tolerance):
    found = events(tmp_path, dt, 62.8, growth__shape="sine")
    assert found == pytest.approx(math.pi / 6 + 2 * math.pi * np.arange(10), abs=tolerance)


def test_the_refractory_time_skips_every_second_event(tmp_path):
    dead = {"trigger__refractory": 1.5 * 2 * math.pi * HOUR}
    every = events(tmp_path, 0.1, 62.8, growth__shape="sine")
    found = events(tmp_path, 0.1, 62.8, growth__shape="sine", **dead)
    assert found.tolist() == every[::2].tolist()


def test_directions_and_hysteresis():
    def wave(t):
        return math.sin(t), math.cos(t)

    states = shown(wave, np.arange(0.0, 12.6, 0.1))
    fine = {"expression": "u", "on_level": 0.5, "off_level": -0.5}
    rising = passes(EventTrigger(**fine), states)
    both = passes(EventTrigger(direction="both", **fine), states)
    down = {"direction": "falling", "on_level": -0.5, "off_level": 0.5}
    falling = passes(EventTrigger(**{**fine, **down}), states)
    pi = math.pi
    assert rising == pytest.approx([pi / 6, pi / 6 + 2 * pi], abs=2e-7)
    assert falling == pytest.approx([7 * pi / 6, 7 * pi / 6 + 2 * pi], abs=2e-7)
    assert both == pytest.approx(sorted(rising + falling), abs=2e-7)


def test_hysteresis_silences_a_ripple():
    def ripple(t):
        return 0.1 * t + 0.3 * math.sin(t), 0.1 + 0.3 * math.cos(t)

    states = shown(ripple, np.arange(0.0, 40.0, 0.25))
    several = passes(EventTrigger(expression="u - 1.5"), states)
    once = passes(EventTrigger(expression="u", on_level=1.5, off_level=0.5), states)
    assert len(several) > 1
    assert once == several[:1]


@pytest.mark.parametrize("level", [0.25, 0.5, 1.0])
def test_equality_at_the_end_of_a_step_fires_once(level):
    states = [contact(t, u=t, u_rate=1.0) for t in np.arange(0.0, 2.1, 0.25)]
    for direction in ("rising", "both"):
        model = EventTrigger(expression="u", direction=direction, on_level=level, off_level=level)
        assert passes(model, states) == [level]


def test_what_holds_from_the_start_does_not_fire():
    states = [contact(t, u=1.0 + t, u_rate=1.0) for t in (0.0, 1.0, 2.0)]
    assert passes(EventTrigger(expression="u"), states) == []


@pytest.mark.parametrize("roots", [[0.125, 0.25], [0.25, 0.5], [0.25, 0.3], [0.3, 0.75]])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_crossing_on_a_sample_hides_none_before_it(roots, sign):
    cubic = np.polynomial.Polynomial.fromroots([*roots, -5.0]) * sign
    slope = cubic.deriv()
    states = shown(lambda t: (cubic(t), slope(t)), [0.0, 1.0])
    both = passes(EventTrigger(expression="u", direction="both", samples=4), states)
    assert both == pytest.approx(roots, abs=1e-7)


@STEADY
@given(
    st.lists(st.floats(0.02, 0.98), min_size=1, max_size=3, unique=True).filter(
        lambda r: min(np.diff(sorted(r)), default=1.0) > 0.02
    ),
    st.sampled_from([-1.0, 1.0]),
)
def test_all_roots_of_a_cubic_are_found_in_one_step(roots, sign):
    """A cubic is its own Hermite polynomial, so each crossing of a step must be found."""
    cubic = np.polynomial.Polynomial.fromroots([*roots, *[-5.0] * (3 - len(roots))]) * sign
    slope = cubic.deriv()
    states = shown(lambda t: (cubic(t), slope(t)), [0.0, 1.0])
    both = passes(EventTrigger(expression="u", direction="both", samples=4), states)
    assert both == pytest.approx(sorted(roots), abs=1e-7)
    up = passes(EventTrigger(expression="u", samples=4), states)
    assert up == pytest.approx([r for r in sorted(roots) if slope(r) > 0], abs=1e-7)


@STEADY
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_a_finer_step_finds_the_same_events(seed, steps):
    """Events of a polynomial of degree three do not depend on where states were taken."""
    roots = np.random.default_rng(seed).uniform(0.05, 0.95, 3)
    if np.diff(np.sort(roots)).min() < 0.05:
        return
    cubic = np.polynomial.Polynomial.fromroots(roots)
    states = shown(lambda t: (cubic(t), cubic.deriv()(t)), np.linspace(0.0, 1.0, steps + 1))
    found = passes(EventTrigger(expression="u", direction="both"), states)
    assert found == pytest.approx(np.sort(roots), abs=1e-7)


def test_the_state_at_the_crossing_has_rates_too():
    model = EventTrigger(expression="u[0] - 0.5")
    units = {"u_rate": "1/min"}
    states = [
        contact(t, units, u=np.array([t**3, t]), u_rate=60 * np.array([3 * t**2, 1.0]), n=t > 0)
        for t in (0.0, 1.0)
    ]
    state = None
    for one in states:
        state = model.f_init(ms.Start(one.time, kept=state), ms.Received({"state_in": one}))
    out = model.o_f(state)
    root = 0.5 ** (1 / 3)
    assert out["event_out"]["t_event"] == pytest.approx(root, abs=1e-9)
    assert out["crossing_out"]["u"] == pytest.approx([0.5, root], abs=1e-8)
    assert out["crossing_out"]["u_rate"] == pytest.approx([180 * root**2, 60], abs=1e-6)
    assert out["crossing_out"]["n"]
    assert out["state_out"]["u"] is states[1].u


def test_meshes_pass_with_the_fields():
    shape = ms.grid(x=np.array([0.0, 1.0, 3.0]), y=np.array([0.0, 2.0]), crs="EPSG:4326")
    one = contact(0.0, u=0.0, u_rate=0.0)
    one.meshes = {"land": shape}
    model = EventTrigger(expression="u - 1")
    state = model.f_init(ms.Start(0.0), ms.Received({"state_in": one}))
    copy = unpack(type(state), pack(state), model.Member)
    assert model.geometries(copy)["land"].hash == shape.hash


def test_units_of_the_expression():
    units = {"T": "degC", "T_rate": "K/min"}
    states = [contact(t, units, T=t / 60.0, T_rate=1.0) for t in (0.0, 3600.0)]
    in_kelvin = passes(EventTrigger(expression="T - 293.15", units="T K"), states)
    assert in_kelvin == pytest.approx([1200.0], abs=1e-5)
    assert in_kelvin == pytest.approx(passes(EventTrigger(expression="T - 20"), states), abs=1e-5)
    with pytest.raises(ms.Refused, match=r"units wants T in 'm': .*cannot become 'm'"):
        passes(EventTrigger(expression="T", units="T m"), states)
    with pytest.raises(ms.Refused, match=r"T_rate comes in 'm/s', which is no rate of T in 'degC'"):
        passes(
            EventTrigger(expression="T"),
            [contact(0.0, {**units, "T_rate": "m/s"}, T=0.0, T_rate=0.0)],
        )


def test_an_event_before_the_last_state_passed_on():
    at_start = {"u_dense": np.array([2.0, 1.5, 1.0])}
    jumped = [contact(0.0, u=-1.0, u_dense=np.zeros(3)), contact(1.0, u=1.0, **at_start)]
    with pytest.raises(ms.Refused, match=r"is met before its beginning, and the state of t = 0 s"):
        passes(EventTrigger(expression="u"), jumped)
    with pytest.warns(UserWarning, match="it fires at 0 s"):
        assert passes(EventTrigger(expression="u", on_missed="warn"), jumped) == [0.0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * u[0]", 8.0),
        ("-u[0] ** 2", -4.0),
        ("2 ** -1 + u[-1]", 5.5),
        ("(u[1] - u[0]) / u[2]", 0.2),
        ("sum(u) - max(u) * min(u) + mean(u)", 10 - 10 + 10 / 3),
        ("sqrt(abs(u[0] - 6)) + log(exp(v))", 2.5),
        ("max(u * v)", 2.5),
        ("max(v * u - u)", -1.0),
        ("1e-3 * u[0] - .5", -0.498),
        ("sin(v) - sin(0.5)", 0.0),
    ],
)
def test_expressions(text, value):
    values = {"u": np.array([[2.0, 3.0, 5.0]]), "v": np.array([0.5])}
    assert expression.parse(text)(values) == pytest.approx([value])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("u +", r"column 4: found the end, expected a number, a field or '\('"),
        ("u[1.5]", r"column 3: found '1.5', expected a whole number"),
        ("(u", r"expected '\)'"),
        ("u u", r"column 3: found 'u', expected an operator"),
        ("sine(u)", "there is no function 'sine'. Did you mean sin?"),
        ("__import__('os')", r"there is no function '__import__'"),
        ("u.real", r"column 2: found '.', expected an operator"),
        ("3 - 2", "names no field"),
        ("(" * 60 + "u" + ")" * 60, "nested more than 50 deep"),
        ("2 **" * 100 + " u", "nested more than 50 deep"),
        ("u" * 1001, "has 1001 characters"),
    ],
)
def test_what_is_no_expression_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        EventTrigger(expression=text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("w", "There is no field 'w' in what came"),
        ("velocty", "Did you mean velocity"),
        ("u", r"gives an array \(2,\), expected one number"),
        ("u[2]", r"u\[2\] is outside of u, which has the shape \(2,\)"),
        ("log(u[0] - 9)", "is not finite for the fields that came"),
        ("label", "label is a text"),
        ("v", r"v has 1 values that are not finite; mask them with a bool field v_mask"),
        ("max(u * velocity)", r"Arrays \(2,\) and \(3,\) have different shapes"),
    ],
)
def test_fields_that_do_not_fit_are_refused(text, message):
    fields = {"u": np.ones(2), "v": math.nan, "velocity": np.ones(3), "label": "x"}
    with pytest.raises(ValueError, match=message):
        passes(EventTrigger(expression=text), [contact(0.0, **fields)])


def test_masked_cells_do_not_count():
    def state(t):
        u, mask = np.array([math.nan, t]), np.array([True, False])
        return contact(t, u=u, u_rate=np.array([math.nan, 1.0]), u_mask=mask)

    found = passes(EventTrigger(expression="max(u) - 0.5"), [state(0.0), state(1.0)])
    assert found == pytest.approx([0.5])
    with pytest.raises(ValueError, match="not finite"):
        passes(EventTrigger(expression="u[0]"), [state(0.0)])


def test_bad_order_levels_and_rates_are_refused():
    model = EventTrigger(expression="u")
    with pytest.raises(ms.Refused, match=r"a state of t = 1 s came after that of t = 2 s"):
        passes(model, [contact(t, u=0.0, u_rate=0.0) for t in (2.0, 1.0)])
    with pytest.raises(ms.Refused, match=r"rising crossings need off_level <= on_level"):
        EventTrigger(expression="u", off_level=1.0)
    with pytest.raises(ms.Refused, match=r"falling crossings need off_level >= on_level"):
        EventTrigger(expression="u", direction="falling", off_level=-1.0)
    with pytest.raises(ms.Refused, match=r"u comes without u_rate.*dense: linear"):
        passes(model, [contact(0.0, u=-1.0), contact(1.0, u=1.0)])
    with pytest.raises(ms.Refused, match=r"entry 'u', expected a field and its unit"):
        EventTrigger(expression="u", units="u")
    chord = EventTrigger(expression="u", dense="linear")
    assert passes(chord, [contact(0.0, u=-1.0), contact(1.0, u=3.0)]) == pytest.approx([0.25])
    grown = [contact(float(n), u=np.ones(n), u_rate=np.ones(n)) for n in (2, 3)]
    with pytest.raises(ValueError, match=r"u changes its shape from \(2,\) to \(3,\)"):
        passes(EventTrigger(expression="max(u)"), grown)


def test_a_window_that_is_repeated_finds_the_event_again():
    model, (first, last) = EventTrigger(expression="u"), shown(lambda t: (t - 0.5, 1.0), [0.0, 1.0])
    began = model.f_init(ms.Start(0.0), ms.Received({"state_in": first}))
    again = [
        model.f_init(ms.Start(1.0, kept=began), ms.Received({"state_in": last})) for _ in range(2)
    ]
    assert again[0].fired.tolist() == again[1].fired.tolist() == [0.5]


def test_the_state_at_the_crossing_goes_on_in_its_units(tmp_path):
    out = run(spec_of(tmp_path, growth__steps=46), record=["crossing.out"])
    last = out.recorded["crossing.out"][-1].messages[0]
    assert len(out.states["division"].times) == 0
    assert last["N"][1] < 0.5
    out = run(spec_of(tmp_path, growth__steps=47), record=["crossing.out"])
    last = out.recorded["crossing.out"][-1].messages[0]
    assert last["N"][1] == pytest.approx(0.5, abs=1e-9)
    assert last["N_rate"][1] == pytest.approx(0.25, abs=1e-5)  # 1/h


def test_mistakes_in_a_coupling_are_one_sentence(tmp_path):
    wires = {k: v for k, v in WIRES.items() if k != "trigger.crossing_out"}
    parts = {name: part for name, part in PARTS.items() if name != "crossing"}
    unfit = {**parts, "growth": Component("toys.watched:Unfit")}
    with pytest.raises(ms.Refused, match=r"N has 1 values that are not finite; mask them") as found:
        run(spec_of(tmp_path, parts=unfit, wires=wires))
    assert "\n" not in str(found.value)
    wrong = {**parts, "growth": Component("toys.watched:InMetres")}
    with pytest.raises(ms.Refused, match=r"N_rate comes in 'm/s', which is no rate of N in '1'"):
        run(spec_of(tmp_path, parts=wrong, wires=wires))
    with pytest.raises(ms.Refused, match=r"MS302|MS303"):
        run(spec_of(tmp_path, parts={**PARTS, "growth": wrong["growth"]}))
    masked = {**parts, "growth": Component("toys.watched:Masked")}
    spec = spec_of(tmp_path, parts=masked, wires=wires, trigger__expression="max(N) - 0.5")
    assert run(spec).states["division"].times / HOUR == pytest.approx([LN99], abs=1e-8)


@pytest.mark.coupled
def test_a_killed_run_goes_on_to_the_same_events(tmp_path):
    sine = {"growth__shape": "sine", "growth__steps": 130, "growth__pause": 0.005}
    spec = spec_of(tmp_path, **sine)
    testing.run_in_process(spec, tmp_path / "here")
    again = resumed(spec, tmp_path, every=10 * 360.0)
    assert not (found := testing.differences(tmp_path / "here", again)), found


@pytest.mark.parametrize("unit", ["degF", "fahrenheit"])
def test_a_rate_of_a_temperature_has_no_offset(unit):
    # 0 to 36 degC in a minute; 50 degF is 10 degC
    units = {"u": "degC", "u_rate": "K/min"}
    states = [contact(60.0 * k, units, u=36.0 * k, u_rate=36.0) for k in (0, 1)]
    trigger = EventTrigger(expression="u - 50", units=f"u {unit}")
    assert passes(trigger, states) == pytest.approx([600.0 / 36.0], rel=1e-9)


def test_fewer_samples_than_a_cubic_needs_are_refused():
    with pytest.raises(ms.Refused, match=r"samples is 3.*>= 4"):
        EventTrigger(expression="u", samples=3)


def test_a_field_has_one_unit():
    with pytest.raises(ms.Refused, match="units names u twice"):
        EventTrigger(expression="u", units="u mm; u km")
