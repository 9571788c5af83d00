"""Hart's mixture of crystal and pipes."""

import math

import pytest

import manyscale as ms
from manyscale_plugins.effective_medium import EffectiveMedium, kernel


@pytest.mark.parametrize(
    ("outer", "ratio", "value"), [(100.0, 1e4, 1.9999), (100.0, 1e5, 10.9999), (20.0, 1e3, 3.4975)]
)
def test_hart_limit(outer, ratio, value):
    fraction = kernel.line_fraction(1.0 / (math.pi * outer**2), 1.0)
    assert kernel.hart(fraction, 1.0, ratio) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("received", [None, ms.Contact(0.0, None, {})])
def test_properties_received_go_before_settings(received):
    model = EffectiveMedium(dislocation_density=1e14, radius=5e-10)
    crystal, pipe = 1e-18, 1e-14
    if received is not None:
        crystal, pipe = 2e-18, 3e-14
        fields = {"diffusivity": crystal, "diffusivity_pipe": pipe}
        received = ms.Contact(0.0, None, fields)
    state = model.f_init(ms.Start(1.0), ms.Received({"properties_in": received}))
    assert model.clock(state) == ms.Clock(1.0)
    fraction = 1e14 * math.pi * 25e-20
    expected = (1.0 - fraction) * crystal + fraction * pipe
    assert model.o_f(state)["effective"]["diffusivity"] == pytest.approx(expected, rel=1e-12)


def test_more_lines_than_crystal_are_refused():
    with pytest.raises(ValueError, match=r"fill .* use a density below"):
        kernel.line_fraction(1e19, 5e-10)


def test_setting_refuses_a_negative_diffusivity():
    with pytest.raises(ms.Refused, match="diffusivity"):
        EffectiveMedium(diffusivity=-1e-18)
