"""The line alone and coupled with the bulk, against exact and resolved solutions.

Lengths in nm and times in s: with D = 1e-18 m2/s and a = 1e-9 m, a2/D is one second.
"""

import math

import numpy as np
import pytest

import manyscale as ms
from manyscale_plugins.line_diffusion import LineDiffusion, exact, kernel
from manyscale_plugins.mass_diffusion import MassDiffusion, modes

A, D = 1e-9, 1e-18
EFFECTIVE = [
    # R/a, D_p/D, kR, lowest decay rate over k2 D from the determinant
    (100, 1e4, 0.001, 1.999898),
    (100, 1e4, 0.1, 1.98099),
    (100, 1e4, 0.5, 1.67406),
    (100, 1e4, 1, 1.34010),
    (100, 1e5, 0.01, 10.9807),
    (100, 1e5, 0.1, 9.38167),
    (100, 1e5, 0.25, 5.52221),
    (100, 1e5, 1, 1.48878),
    (20, 1e3, 0.01, 3.49680),
    (20, 1e3, 0.1, 3.42925),
    (20, 1e3, 0.5, 2.46056),
    (20, 1e3, 2, 1.19947),
]
ISOLATED = {
    200: 0.885258, 300: 0.831551, 400: 0.780947, 500: 0.733386, 700: 0.646736, 800: 0.607311,
}  # fmt: skip


class Coupled:
    """A bulk and its lines in one plain loop; the last States after `run`."""

    def __init__(self, bulk, line, stretch=1.0):
        """`stretch` is lz of the bulk over lz of the line: it slows the bulk along z only."""
        self.bulk, self.line, self.stretch = bulk, line, stretch
        slots = {"sample_out": len(bulk.line_xy), "line_in": len(bulk.line_xy)}
        self.state = bulk.f_init(ms.Start(0.0, slots=slots), ms.Received({"properties_in": None}))
        self.lines = [None] * len(bulk.line_xy)

    def step(self):
        now = self.bulk.clock(self.state).now
        samples = self.bulk.o_i(self.state)["sample_out"]
        self.lines = [
            self._pass(now, kept, sample) for kept, sample in zip(self.lines, samples, strict=True)
        ]
        sent = [self._sent(line) for line in self.lines]
        self.state = self.bulk.s(self.state, ms.Received({"line_in": sent}))

    def run(self):
        while self.bulk.clock(self.state).to is not None:
            self.step()
        return self

    def _pass(self, now, kept, sample):
        around = {"bulk_in": ms.Contact(now, None, sample), "properties_in": None}
        return self.line.f_init(ms.Start(now, kept=kept), ms.Received(around))

    def _sent(self, state):
        fields = self.line.o_f(state)["line_out"]
        return ms.Contact(state.time, None, fields | {"s": fields["s"] * self.stretch})

    @property
    def field(self):
        return self.bulk.o_f(self.state)["field_out"]

    def along(self, number=0):
        fields = self.line.o_f(self.lines[number])["line_out"]
        return fields["s"], fields["c_line"]


def pair(shared, bulk=None, line=None, side=1.0, cells=16, length=1.0, points=32):
    """Models with common ends and start; `side` [m] of the square box, one line amid it."""
    h = side / cells
    xy = [[(cells // 2 + 0.5) * h] * 2]
    box = {"nx": cells, "ny": cells, "lx": side, "ly": side, "diffusivity": D, "line_xy": xy}
    ends = {"nz": points, "lz": length}
    pipe = {"radius": A, "cell_size": h, "diffusivity_bulk": D}
    return (
        MassDiffusion(**(ends | box | shared | (bulk or {}))),
        LineDiffusion(**(ends | pipe | shared | (line or {}))),
    )


def decaying(outer, ratio, wavenumber, points=32, decay_per_step=0.01, steps=120, n_sub=0):
    """Measured decay rate over k2 D, in the continuous and in the grid's wavenumber."""
    k = wavenumber / (outer * A)
    rate = exact.effective_diffusivity(wavenumber, outer, ratio) * k**2 * D
    dt = decay_per_step / rate
    coupled = Coupled(
        *pair(
            {"bc_z": "no_flux", "initial": "cosine", "c_initial": 1.0},
            {"scheme": "bdf2", "dt": dt, "t_end": steps * dt},
            {"diffusivity_pipe": ratio * D, "n_sub": n_sub},
            side=math.sqrt(math.pi) * outer * A,
            cells=16 if outer == 100 else 6,
            length=math.pi / k,
            points=points,
        )
    )
    for _ in range(steps - 1):
        coupled.step()
    before = coupled.state.amounts[0, 0, 1]
    coupled.step()
    found = math.log(before / coupled.state.amounts[0, 0, 1]) / dt / D
    on_grid = modes.eigenvalues(modes.Axis("no_flux", points, math.pi / k))[1]
    return found / k**2, found / on_grid, math.sqrt(on_grid) * outer * A


@pytest.mark.parametrize(("outer", "ratio", "wavenumber", "value"), EFFECTIVE)
def test_effective_diffusivity_of_determinant_and_resolved_mesh(outer, ratio, wavenumber, value):
    determinant = exact.effective_diffusivity(wavenumber, outer, ratio)
    assert determinant == pytest.approx(value, rel=5e-6)  # six digits
    mesh = exact.resolved_effective_diffusivity(wavenumber, outer, ratio, (60, 64))
    assert mesh == pytest.approx(determinant, rel=1e-3)


@pytest.mark.parametrize(("outer", "ratio", "value"), [(100, 1e4, 1.9999), (20, 1e3, 3.4975)])
def test_long_waves_reach_the_hart_limit(outer, ratio, value):
    assert exact.hart(outer**-2.0, ratio) == pytest.approx(value, rel=1e-12)
    assert exact.effective_diffusivity(1e-4, outer, ratio) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(("outer", "ratio", "wavenumber", "value"), EFFECTIVE)
def test_effective_diffusivity_from_the_decay_of_the_coupled_mode(outer, ratio, wavenumber, value):
    assert decaying(outer, ratio, wavenumber)[0] == pytest.approx(value, rel=1e-2)


def test_well_law_error_on_a_periodic_square_cell():
    """-4.4e-4 is the root of the lattice sum with the well law, without error in z and t."""
    fine = {"points": 64, "decay_per_step": 0.001, "steps": 1500, "n_sub": 64}
    _, found, on_grid = decaying(100, 1e4, 0.5, **fine)
    error = found / exact.effective_diffusivity(on_grid, 100, 1e4) - 1.0
    assert error == pytest.approx(-4.4e-4, abs=2e-3)
    assert error == pytest.approx(-4.4e-4, abs=2e-5)


def test_exact_pipe_profiles():
    depth = np.array(list(ISOLATED), dtype=float)
    found = exact.isolated_pipe(depth, 1e6, 1e4)
    np.testing.assert_allclose(found, list(ISOLATED.values()), atol=6e-7)
    assert exact.fisher_pipe(np.array([300.0]), 1e6, 1e4)[0] == pytest.approx(0.828325, abs=6e-7)


def test_resolved_mesh_follows_the_exact_pipe():
    mesh = exact.resolve(800.0, 6400.0, 1e6, (40, 256), held=True)
    found = np.interp(list(ISOLATED), mesh.depth, exact.resolved_pipe(mesh, 1e4, 100))
    np.testing.assert_allclose(found, list(ISOLATED.values()), rtol=1e-3)


def isolated(stretch=1.0, **shared):
    """One line in a half space up to t = 1e4 a2/D, far from its periodic images."""
    bulk, line = pair(
        {"bc_z": "fixed_left", "c_left": 1.0} | shared,
        {"scheme": "bdf2", "dt": 100.0, "t_end": 1e4, "lz": 6400 * A * stretch},
        {"diffusivity_pipe": 1e6 * D},
        side=600 * A,
        cells=24,
        length=6400 * A,
        points=256,
    )
    return Coupled(bulk, line, stretch)


@pytest.fixture(scope="module")
def half_space():
    return isolated().run()


@pytest.mark.parametrize("depth", ISOLATED)
def test_isolated_pipe_in_a_half_space(half_space, depth):
    s, c_line = half_space.along()
    assert np.interp(depth * A, s, c_line) == pytest.approx(ISOLATED[depth], rel=1e-2)


def test_deep_profile_is_linear_in_its_logarithm(half_space):
    s, c_line = half_space.along()
    at = {y: np.interp(y * A, s, np.log(c_line)) for y in (400, 500, 700, 800)}
    assert at[500] - at[400] == pytest.approx(at[800] - at[700], rel=2e-2)


def test_pipe_without_axial_diffusion_in_the_crystal():
    """Stretching the bulk a thousandfold divides its axial rates by a million."""
    s, c_line = isolated(stretch=1e3).run().along()
    assert np.interp(300 * A, s, c_line) == pytest.approx(0.828325, rel=5e-3)


def balance(coupled, begun):
    """Relative error of bulk and pipes together, and what came in relative to what there is."""
    bulk, line = coupled.field, coupled.line
    pipes, entered = 0.0, bulk["influx"]
    for number, state in enumerate(coupled.lines):
        volume = math.pi * line.radius**2 * line.lz / line.nz
        pipes += volume * coupled.along(number)[1].sum()
        entered += state.influx
    total = bulk["mass"] + pipes
    return (total - begun - entered) / total, entered / total


def test_mass_of_bulk_and_pipe_is_their_influx(half_space):
    error, entered = balance(half_space, 0.0)
    assert abs(error) < 1e-12
    assert entered == pytest.approx(1.0, rel=1e-12)
    assert half_space.lines[0].influx > 0.0


@pytest.mark.parametrize("scheme", ["implicit_euler", "crank_nicolson", "bdf2"])
def test_mass_error_does_not_grow_with_the_number_of_steps(scheme):
    coupled = Coupled(
        *pair(
            {"bc_z": "fixed_left"},
            {"scheme": scheme, "dt": 6.25, "t_end": 1e4},
            {"diffusivity_pipe": 1e6 * D},
            side=150 * A,
            cells=6,
            length=6400 * A,
            points=64,
        )
    ).run()
    assert abs(balance(coupled, 0.0)[0]) < 1e-12


@pytest.mark.parametrize("exchange", ["response", "explicit"])
@pytest.mark.parametrize("sub", ["implicit_euler", "crank_nicolson"])
@pytest.mark.parametrize("scheme", ["implicit_euler", "crank_nicolson", "bdf2", "explicit"])
def test_mass_for_all_schemes(scheme, sub, exchange):
    coupled = Coupled(
        *pair(
            {"bc_z": "fixed_both", "c_initial": 0.5},
            {"scheme": scheme, "dt": 0.08, "t_end": 1.6},
            {"exchange": exchange, "scheme": sub, "n_sub": 3, "diffusivity_pipe": 30 * D},
            side=36 * A,
            cells=6,
            length=40 * A,
            points=8,
        )
    ).run()
    line = coupled.line
    begun = 0.5 * 40 * A * ((36 * A) ** 2 + math.pi * line.radius**2)
    error, entered = balance(coupled, begun)
    assert abs(error) < 1e-12
    assert entered > 1e-3


def transient(steps, scheme, sub, n_sub):
    """Coupled cosine that starts in the bulk and in the pipe, resolved in time; values at 3 s."""
    return Coupled(
        *pair(
            {"bc_z": "no_flux", "initial": "cosine", "c_initial": 1.0},
            {"scheme": scheme, "dt": 3.0 / steps, "t_end": 3.0},
            {"scheme": sub, "n_sub": n_sub, "diffusivity_pipe": 100 * D},
            side=60 * A,
            cells=6,
            length=60 * A,
            points=8,
        )
    ).run()


@pytest.mark.parametrize(
    ("scheme", "sub", "n_sub", "steps", "order"),
    [
        ("crank_nicolson", "crank_nicolson", 1, 20, 2.0),
        ("crank_nicolson", "crank_nicolson", 4, 20, 2.0),
        ("bdf2", "crank_nicolson", 4, 80, 2.0),
        ("implicit_euler", "implicit_euler", 1, 20, 1.0),
    ],
)
def test_order_of_the_coupled_step(scheme, sub, n_sub, steps, order):
    ends = [transient(n, scheme, sub, n_sub) for n in (steps, 2 * steps, 4 * steps)]
    for values in ([e.along()[1] for e in ends], [e.field["c"] for e in ends]):
        coarse, fine = (np.abs(values[i] - values[i + 1]).max() for i in (0, 1))
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.2)


def test_explicit_and_response_exchange_agree_to_first_order():
    def ends(exchange, dt):
        models = pair(
            {"bc_z": "fixed_left"},
            {"dt": dt, "t_end": 2.0},
            {"exchange": exchange, "diffusivity_pipe": 100 * D},
            side=60 * A,
            cells=6,
            length=60 * A,
            points=8,
        )
        return Coupled(*models).run().along()[1]

    apart = [np.abs(ends("explicit", dt) - ends("response", dt)).max() for dt in (0.02, 0.01)]
    assert apart[1] < 1e-3
    assert math.log2(apart[0] / apart[1]) == pytest.approx(1.0, abs=0.1)


def test_four_lines_far_apart_equal_one_line():
    h, xy = 25 * A, [6.5 * 25 * A, 18.5 * 25 * A]
    shared = {"nz": 16, "lz": 400 * A}
    box = {"nx": 24, "ny": 24, "lx": 24 * h, "ly": 24 * h, "dt": 100.0, "t_end": 600.0}
    rows = [[x, y] for x in xy for y in xy]
    bulk = MassDiffusion(**shared, **box, diffusivity=D, line_xy=rows)
    line = LineDiffusion(
        **shared, radius=A, cell_size=h, diffusivity_pipe=1e5 * D, diffusivity_bulk=D
    )
    four = Coupled(bulk, line).run()
    quarter = box | {"nx": 12, "ny": 12, "lx": 12 * h, "ly": 12 * h}
    alone = MassDiffusion(**shared, **quarter, diffusivity=D, line_xy=rows[:1])
    one = Coupled(alone, line).run()
    for number in range(4):
        np.testing.assert_allclose(four.along(number)[1], one.along()[1], rtol=1e-4)
    assert abs(balance(four, 0.0)[0]) < 1e-12


def test_repeated_runs_have_the_same_bits():
    first, second = (transient(5, "bdf2", "implicit_euler", 0) for _ in range(2))
    np.testing.assert_array_equal(first.state.amounts, second.state.amounts)
    np.testing.assert_array_equal(first.lines[0].q_line, second.lines[0].q_line)


@pytest.mark.parametrize(
    ("asked", "speed", "count"), [(5, 1e9, 5), (0, 0.5, 1), (0, 6.2, 7), (0, 1e9, 8)]
)
def test_number_of_substeps(asked, speed, count):
    pipe = kernel.Pipe(modes.Axis("no_flux", 4, 4.0), 0.1, speed, 1.0)
    assert kernel.substeps(asked, pipe, 1.0) == count


def step_once(dt=1.0, cells=8, properties=None, **settings):
    line = LineDiffusion(**({"nz": cells, "lz": 8e-8, "cell_size": 1e-8} | settings))
    still = np.zeros(cells)
    bulk_in = {"c_now": still, "c_pred": still, "response": still + 1e15, "dt": dt}
    bulk_in |= {"cell_size": line.cell_size, "ends": line.bc_z, "c_left": line.c_left}
    received = {"bulk_in": ms.Contact(7.0, None, bulk_in), "properties_in": properties}
    return line, line.f_init(ms.Start(7.0), ms.Received(received))


def test_a_pass_ends_with_the_bulk_step():
    line, state = step_once(dt=2.5)
    assert line.clock(state) == ms.Clock(9.5)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"exchange": "explicit", "dt": 1.0}, r"unstable .* below 0\.172\d* s"),
        ({"exchange": "explicit", "cell_size": 2e-9}, r"r_e = .* use cells larger than 2\.51"),
        ({"cell_size": 2e-9}, r"r_e = .* use cells larger than 2\.51"),
        ({"initial": "cosine"}, "no-flux ends in z, but bc_z = fixed_left"),
    ],
)
def test_refusals(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        step_once(**settings)


@pytest.mark.parametrize("setting", [{"diffusivity_pipe": 0.0}, {"radius": 1e-7}, {"nz": 3}])
def test_settings_out_of_bounds_are_refused(setting):
    with pytest.raises(ms.Refused, match=next(iter(setting))):
        LineDiffusion(**setting)


def properties(crystal, pipe):
    return ms.Contact(0.0, None, {"diffusivity": crystal, "diffusivity_pipe": pipe})


def test_received_diffusivities_must_be_positive():
    with pytest.raises(ms.Refused, match="both must be positive"):
        step_once(properties=properties(1e-18, 0.0))


def test_a_slow_pipe_is_warned_of():
    with pytest.warns(UserWarning, match="smaller than that of the bulk"):
        step_once(properties=properties(1e-18, 1e-19))
