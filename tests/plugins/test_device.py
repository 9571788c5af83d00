"""The device: its laws, and the errors of what is measured."""

import numpy as np
import pytest

import manyscale as ms
from manyscale_plugins.device import Device, kernel


def shown(model, k, seed=1):
    came = ms.Received({"k_in": ms.Contact(0.0, None, {"k_eff": k})})
    state = model.f_init(ms.Start(0.0, seed=seed), came)
    return model.o_f(state)["qoi_out"]["y"]


def test_laws_without_errors():
    k = np.array([0.5, 1.0, 2.0])
    assert shown(Device(mode="linear", s_m=0.0), k).tolist() == [1.0, 2.0, 4.0]
    assert shown(Device(mode="identity"), k).tolist() == k.tolist()
    slab = shown(Device(mode="slab", s_m=0.0, length=0.01, flux=1e4), k)
    assert slab.tolist() == [200.0, 100.0, 50.0]  # q L/k


def test_a_battery_is_as_warm_as_its_losses_make_it():
    model = Device(mode="battery", s_m=0.0)
    k = np.array([0.2, 1.0, 5.0])
    rise = shown(model, k)
    T = model.ambient + rise
    losses = model.current**2 * model.resistance + model.current * T * model.entropy  # W
    carried = k * model.area / model.length * rise
    np.testing.assert_allclose(carried, losses, rtol=1e-12)
    plain = shown(Device(mode="battery", s_m=0.0, entropy=0.0), k)
    np.testing.assert_allclose(plain, 50.0**2 * 2e-3 * 0.01 / (k * 0.02), rtol=1e-12)
    cooling = shown(Device(mode="battery", s_m=0.0, entropy=-1e-4), k)
    assert (cooling < plain).all()


def test_errors_are_standard_normal_and_of_their_seed():
    model = Device(mode="slab", s_m=0.5)
    seeds = np.arange(4000)
    y = shown(model, np.ones(4000), seeds) - 100.0
    assert abs(y.mean()) < 4 * 0.5 / np.sqrt(4000)
    assert y.std() == pytest.approx(0.5, rel=0.05)
    one = shown(model, 1.0, 17)
    assert float(one) == y[17] + 100.0
    assert shown(model, 1.0, 18) != one


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match=r"k_eff is -1 W/\(m K\); a slab needs a positive"):
        shown(Device(mode="slab"), np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="the cell has no steady temperature"):
        kernel.battery(np.array([1e-3]), kernel.Cell(50.0, 2e-3, 1e-3, 298.0), 0.5)
    with pytest.raises(ms.Refused, match=r"s_m is -0.1, expected >= 0"):
        Device(s_m=-0.1)
