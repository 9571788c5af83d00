"""Conduction in a slab: orders, exact solutions, conservation."""

import math

import numpy as np
import pytest

from manyscale_plugins.heat_slab import HeatSlabDirichlet, HeatSlabNeumann, exact, kernel
from manyscale_plugins.heat_slab.kernel import Slab

UNIT = Slab(1.0, 1.0, 1.0, 40, "temperature", 0.0)


def decayed(cells, steps, theta):
    """Return the error of exp(-pi^2 t) sin(pi s) at t = 0.1, both ends at zero."""
    slab = UNIT._replace(cells=cells)
    edges = np.linspace(0.0, 1.0, cells + 1)
    means = -np.diff(np.cos(np.pi * edges)) / (np.pi * slab.width)
    T = means
    for _ in range(steps):
        T = kernel.advanced(slab, T, 0.1 / steps, theta, True, (0.0, 0.0))
    return float(np.abs(T - math.exp(-0.1 * np.pi**2) * means).max())


@pytest.mark.parametrize(("theta", "order"), [(1.0, 1.0), (0.5, 2.0)])
def test_order_in_time(theta, order):
    coarse, fine = (decayed(2000, steps, theta) for steps in (20, 40))
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.1)


def test_order_in_space():
    coarse, fine = (decayed(cells, 2000, 0.5) for cells in (10, 20))
    assert math.log2(coarse / fine) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("theta", [1.0, 0.5])
def test_heat_is_conserved(theta):
    slab, T = UNIT._replace(outer="insulated"), np.linspace(1.0, 2.0, 40)
    heat, q = T.sum() * slab.width, (0.0, 3.0)
    for _ in range(50):
        T = kernel.advanced(slab, T, 0.01, theta, False, q)
        heat += 0.01 * ((1.0 - theta) * q[0] + theta * q[1])
        q = (q[1], 3.0)
    assert T.sum() * slab.width == pytest.approx(heat, rel=1e-13)


@pytest.mark.parametrize("held", [True, False])
def test_the_steady_profile_is_a_straight_line(held):
    T = kernel.advanced(UNIT, np.zeros(40), 1e15, 1.0, held, (2.0, 2.0))
    np.testing.assert_allclose(T, 2.0 * (1.0 - UNIT.centres), rtol=1e-11)
    if held:
        assert kernel.flux_out(UNIT, T, 2.0) == pytest.approx(-2.0, rel=1e-10)
    else:
        assert kernel.wall_temperature(UNIT, T, 2.0) == pytest.approx(2.0, rel=1e-11)


def test_a_jump_of_the_wall_goes_in_like_erfc():
    slab, T = UNIT._replace(cells=400), np.zeros(400)
    for _ in range(400):
        T = kernel.advanced(slab, T, 0.01 / 400, 1.0, True, (1.0, 1.0))
    expected = exact.half_space(slab, slab.centres, 0.01, 0.0, 1.0)
    assert np.abs(T - expected).max() < 1e-3


def test_both_sides_answer_each_other():
    T = kernel.advanced(UNIT, np.zeros(40), 0.1, 1.0, True, (2.0, 2.0))
    q = -kernel.flux_out(UNIT, T, 2.0)
    again = kernel.advanced(UNIT, np.zeros(40), 0.1, 1.0, False, (q, q))
    np.testing.assert_allclose(again, T, rtol=1e-12)
    assert kernel.wall_temperature(UNIT, again, q) == pytest.approx(2.0, rel=1e-12)


def test_both_models_describe_the_same_slab():
    assert HeatSlabDirichlet().slab() == HeatSlabNeumann().slab()
    assert HeatSlabNeumann().scales().length.extent == 0.05


def test_one_body_is_one_slab_when_the_materials_are_equal():
    half = UNIT._replace(length=0.5, cells=20)
    one = half._replace(outer_temperature=1.0)
    interface, body = exact.as_one(one, half, (0.0, 0.0), 0.01, 30, "implicit_euler")
    T = np.zeros(40)
    for _ in range(30):
        T = kernel.advanced(UNIT, T, 0.01, 1.0, True, (1.0, 1.0))
    np.testing.assert_allclose(body[-1], T, rtol=1e-12)
    assert interface[-1] == pytest.approx(0.5 * (T[19] + T[20]), rel=1e-12)
