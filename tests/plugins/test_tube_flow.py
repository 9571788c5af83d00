"""Flow in a tube: rigid and moving walls in closed form, waves, orders, and the whole tube."""

import math

import numpy as np
import pytest

import manyscale as ms
from manyscale_plugins.tube_flow import TubeFlow, kernel, monolithic
from manyscale_plugins.tube_wall import kernel as wall

R0 = 1.0 / math.sqrt(math.pi)
C = wall.wave_speed(1e4, 1.0, R0, 1.0)


def tube(cells=100, dt=0.01, length=10.0, density=1.0, alpha=0.0):
    return kernel.Tube(length / cells, dt, density, C, alpha)


def at_rest(nodes, velocity=10.0):
    return kernel.Flow(np.full(nodes, velocity), np.zeros(nodes), np.ones(nodes))


def test_derivatives_of_all_equations():
    """Central differences, with every term switched on."""
    numbers = np.random.default_rng(1)
    some, n = tube(12, density=1.3, alpha=0.02), 13
    old = at_rest(n)
    u, p = 10.0 + numbers.normal(size=n), 50.0 * numbers.normal(size=n)
    area, step = 1.0 + 0.1 * numbers.normal(size=n), 1e-5

    def left(y):
        return kernel.residual(some, old, y[0::2], y[1::2], area, 11.0)

    y, band = np.column_stack((u, p)).ravel(), kernel.jacobian(some, old, u, area)
    for j in range(2 * n):
        moved = step * (np.arange(2 * n) == j)
        slope = (left(y + moved) - left(y - moved)) / (2.0 * step)
        rows = np.arange(max(0, j - 4), min(2 * n, j + 5))
        np.testing.assert_allclose(band[4 + rows - j, j], slope[rows], atol=1e-6)
        assert not np.delete(slope, rows).any()


def test_an_accelerated_flow_in_a_rigid_tube():
    """A plug of fluid: p(0) - p(L) = rho L du/dt."""
    some = tube(density=1.7)
    flow = kernel.advance(some, at_rest(101), np.ones(101), 10.2)
    np.testing.assert_allclose(flow.velocity, 10.2, rtol=1e-13)
    x = np.linspace(0.0, 10.0, 101)
    expected = 1.7 * (10.0 - x) * 0.2 / 0.01
    np.testing.assert_allclose(flow.pressure - flow.pressure[-1], expected, atol=1e-9)


def narrowing(cells):
    """Steady flow in a rigid tube that narrows by a tenth: (velocity, pressure) errors."""
    some, x = tube(cells), np.linspace(0.0, 10.0, cells + 1)
    area = 1.0 - 0.1 * np.sin(np.pi * x / 20.0) ** 2
    flow = kernel.Flow(10.0 / area, np.zeros(cells + 1), area)
    for _ in range(6):
        flow = kernel.advance(some, flow, area, 10.0)
    head = 0.5 * (10.0 / area) ** 2
    bernoulli = head[-1] - head
    return (
        np.abs(flow.velocity - 10.0 / area).max(),
        np.abs(flow.pressure - flow.pressure[-1] - bernoulli).max(),
    )


def test_steady_flow_in_a_rigid_tube_is_bernoullis():
    coarse, fine = narrowing(200), narrowing(400)
    assert math.log2(coarse[0] / fine[0]) == pytest.approx(2.0, abs=0.1)
    assert math.log2(coarse[1] / fine[1]) == pytest.approx(1.0, abs=0.1)
    assert fine[1] < 0.01 * 0.5 * 10.0**2


class Breathing:
    """A tube that breathes, a = 1 + b(x) sin(3 t) with b(0) = 0, at t = 1, 10 m/s at its inlet.

    Mass alone gives the velocity: a u = 10 - da/dt integrated from the inlet.
    """

    def __init__(self, cells, dt):
        self.x, self.dt = np.linspace(0.0, 10.0, cells + 1), dt
        times = [1.0 - n * dt for n in (2, 1, 0)]
        self.flow = kernel.Flow(self.velocity(times[0]), 0.0 * self.x, self.area(times[0]))
        for time in times[1:]:
            self.flow = kernel.advance(tube(cells, dt), self.flow, self.area(time), 10.0)

    def area(self, time):
        return 1.0 + 0.1 * np.sin(np.pi * self.x / 10.0) ** 2 * np.sin(3.0 * time)

    def velocity(self, time, rate=None):
        if rate is None:
            rate = 3.0 * np.cos(3.0 * time)
        volume = 0.1 * (self.x / 2.0 - 10.0 * np.sin(np.pi * self.x / 5.0) / (4.0 * np.pi))
        return (10.0 - rate * volume) / self.area(time)

    def pressure(self):
        """p - p(L) by quadrature of du/dt + d(u2/2)/dx on a fine mesh."""
        fine = Breathing.__new__(Breathing)
        fine.x = np.linspace(0.0, 10.0, 20001)
        change = fine.velocity(1.0 + 1e-30j).imag / 1e-30
        steps = 0.5 * np.diff(fine.x) * (change[1:] + change[:-1])
        head = np.concatenate([[0.0], np.cumsum(steps)]) + 0.5 * fine.velocity(1.0) ** 2
        return np.interp(self.x, fine.x, head[-1] - head)

    def error_in_space(self):
        rate = (math.sin(3.0) - math.sin(3.0 * (1.0 - self.dt))) / self.dt
        return np.abs(self.flow.velocity - self.velocity(1.0, rate)).max()

    def error(self):
        return np.abs(self.flow.velocity - self.velocity(1.0)).max()

    def pressure_error(self):
        return np.abs(self.flow.pressure - self.flow.pressure[-1] - self.pressure()).max()


def test_velocity_beside_a_moving_wall():
    in_space = [Breathing(n, 0.01).error_in_space() for n in (80, 160)]
    in_time = [Breathing(1000, dt).error() for dt in (0.02, 0.01)]
    assert math.log2(in_space[0] / in_space[1]) == pytest.approx(2.0, abs=0.1)
    assert math.log2(in_time[0] / in_time[1]) == pytest.approx(1.0, abs=0.1)


def test_pressure_beside_a_moving_wall_is_of_first_order():
    coarse, fine = (Breathing(n, 1.0 / n).pressure_error() for n in (200, 400))
    assert math.log2(coarse / fine) == pytest.approx(1.0, abs=0.1)


def test_mass_is_kept():
    old, n = at_rest(41), 41
    area = 1.0 + 0.05 * np.sin(np.linspace(0.0, 9.0, n))
    flow = kernel.advance(tube(40), old, area, 11.0)
    faces = 0.25 * (area[1:] + area[:-1]) * (flow.velocity[1:] + flow.velocity[:-1])
    gained = (area - old.area)[1:-1].sum() * 0.25 / 0.01
    assert gained == pytest.approx(faces[0] - faces[-1], abs=1e-11)


def test_smoothing_leaves_a_straight_pressure_alone():
    plain, smooth = (
        kernel.advance(tube(alpha=alpha), at_rest(101), np.ones(101), 10.5) for alpha in (0.0, 0.1)
    )
    np.testing.assert_allclose(smooth.pressure, plain.pressure, atol=1e-8)
    wavy = 1.0 + 0.01 * (-1.0) ** np.arange(101)
    rough, smoothed = (
        kernel.advance(tube(alpha=alpha), at_rest(101), wavy, 10.0) for alpha in (0.0, 0.1)
    )
    size = [np.abs(np.diff(flow.pressure, 2)).max() for flow in (rough, smoothed)]
    assert size[1] < 0.1 * size[0]


def test_a_small_pulse_travels_with_the_speed_of_moens_and_korteweg():
    """Its mean time of arrival at two places; nothing comes back from the far end before."""
    whole, far = monolithic.Whole(0.1, 1e-3, 1.0, C, 1.0), (20, 120)
    steps = 400

    def pulse(time):
        return 1e-6 * math.exp(-(((time - 0.1) / 0.02) ** 2))

    pressure = np.array([p for _, p in monolithic.march(whole, pulse, 401, steps)])[:, far]
    first, second = 1e-3 * np.arange(1, steps + 1) @ pressure / pressure.sum(axis=0)
    assert 10.0 / (second - first) == pytest.approx(C, rel=1e-5)


def test_a_pulse_leaves_at_the_outlet():
    whole = monolithic.Whole(0.1, 1e-3, 1.0, C, 1.0)
    ends = [
        np.abs(p).max()
        for _, p in monolithic.march(
            whole, lambda t: 10.0 + 0.1 * math.exp(-(((t - 0.03) / 0.01) ** 2)), 101, 300
        )
    ]
    # rho c u of the wave that ran in; what a closed end would send back is twice that
    assert max(ends) == pytest.approx(0.1 * C, rel=0.1)
    assert ends[-1] < 0.005 * max(ends)


def inlet(time):
    return 10.0 + 3.0 * math.sin(10.0 * math.pi * time)


def test_whole_tube_solves_flow_and_wall_together():
    """The kernels of flow and wall, given the answer, give it back."""
    whole = monolithic.Whole(0.1, 0.01, 1.0, C, 1.0)
    old = at_rest(101)
    for step, (u, p) in enumerate(monolithic.march(whole, inlet, 101, 20), start=1):
        area = wall.cross_section(p, R0, C, 1.0)
        np.testing.assert_allclose(area, monolithic.area_of(whole, p), rtol=1e-13)
        old = kernel.advance(tube(), old, area, inlet(0.01 * step))
        np.testing.assert_allclose(old.velocity, u, rtol=1e-11)
        np.testing.assert_allclose(old.pressure, p, atol=1e-8)


def test_orders_of_the_whole_tube():
    """Cells and steps halved together, on a smooth wave: first order."""

    def wave(time):
        return 10.0 + 3.0 * math.exp(-(((time - 0.06) / 0.02) ** 2))

    def end(cells):
        whole = monolithic.Whole(10.0 / cells, 0.05 / cells, 1.0, C, 1.0)
        *_, (u, p) = monolithic.march(whole, wave, cells + 1, 2 * cells)
        return u[:: cells // 50], p[:: cells // 50]

    ends = [end(cells) for cells in (50, 100, 200)]
    for field in (0, 1):
        coarse, fine = (np.abs(ends[i][field] - ends[i + 1][field]).max() for i in (0, 1))
        assert math.log2(coarse / fine) == pytest.approx(1.0, abs=0.25)


def passed(area, start=None, time=0.0, **settings):
    flow = TubeFlow(**({"nodes": len(area)} | settings))
    came = ms.Contact(time, None, {"cross_section": np.asarray(area)})
    return flow, flow.f_init(ms.Start(time, kept=start), ms.Received({"section_in": came}))


def test_a_pass_is_one_step_from_the_kept_state():
    flow, first = passed(np.full(11, 1.001))
    assert flow.clock(first) == ms.Clock(0.01)
    assert first.velocity[0] == pytest.approx(inlet(0.01))
    _, second = passed(np.full(11, 1.001), first, 0.01)
    assert second.time == 0.02
    sent = flow.o_f(second)
    np.testing.assert_array_equal(sent["pressure_out"]["pressure"], second.pressure)
    assert sent["flow_out"]["x"][-1] == 10.0


def test_a_window_of_another_length_is_refused():
    _, state = passed(np.ones(11))
    with pytest.raises(ms.Refused, match=r"stands at t = 0.01 s, but was asked .* t = 0.02 s"):
        passed(np.ones(11), state, 0.02)


def test_a_collapsed_tube_is_refused():
    with pytest.raises(ms.Refused, match=r"cross-section of -0.2 m2, all must be positive"):
        passed([1.0, -0.2, 1.0, 1.0, 1.0])


def test_steps_that_do_not_converge_say_what_to_do():
    with pytest.raises(ValueError, match="not found in 1 iterations of Newton's method; shorten"):
        kernel.advance(tube(), at_rest(101), np.full(101, 1.2), 10.0, most=1)
