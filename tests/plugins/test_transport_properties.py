"""Arrhenius diffusivities and where they are refused."""

import math

import pytest

import manyscale as ms
from manyscale_plugins.transport_properties import TransportProperties, kernel


def outputs(model, lines):
    state = model.f_init(ms.Start(2.0, slots={"lines_out": lines}), ms.Received({}))
    assert model.clock(state) == ms.Clock(2.0)
    return model.o_f(state)


def test_arrhenius_slope_is_the_activation_energy():
    low, high = (kernel.arrhenius(1e-4, 142e3, T) for T in (500.0, 600.0))
    slope = math.log(high / low) / (1.0 / 500.0 - 1.0 / 600.0)
    assert slope * kernel.GAS_CONSTANT == pytest.approx(142e3, rel=1e-12)


def test_every_line_receives_both_diffusivities():
    sent = outputs(TransportProperties(temperature=600.0), lines=3)
    assert len(sent["lines_out"]) == 3
    for line in sent["lines_out"]:
        assert line["diffusivity"] == sent["bulk_out"]["diffusivity"]
        ratio = 2.8e-6 / 1.7e-4 * math.exp(60e3 / (kernel.GAS_CONSTANT * 600.0))
        assert line["diffusivity_pipe"] / line["diffusivity"] == pytest.approx(ratio, rel=1e-12)


def test_ratio_of_a_million_lies_at_402_7_kelvin():
    temperature = 60e3 / (kernel.GAS_CONSTANT * math.log(1e6 * 1.7e-4 / 2.8e-6))
    assert temperature == pytest.approx(402.66, abs=0.01)
    line = outputs(TransportProperties(temperature=temperature), lines=1)["lines_out"][0]
    assert line["diffusivity_pipe"] / line["diffusivity"] == pytest.approx(1e6, rel=1e-9)


def test_underflow_names_the_lowest_temperature():
    with pytest.raises(ValueError, match=r"underflows: at 20 K .* above 24\.\d+ K"):
        kernel.arrhenius(1.7e-4, 142e3, 20.0)


@pytest.mark.parametrize("temperature", [0.0, -5.0, math.nan])
def test_kernel_refuses_a_temperature_that_is_not_positive(temperature):
    with pytest.raises(ValueError, match="must be positive"):
        kernel.arrhenius(1.0, 1e3, temperature)


def test_setting_refuses_a_negative_temperature():
    with pytest.raises(ms.Refused, match="temperature is -5 K"):
        TransportProperties(temperature=-5.0)
