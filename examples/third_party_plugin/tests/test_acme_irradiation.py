"""The standard battery, and the limits of the diffusivity of an irradiated crystal."""

from pathlib import Path

import manyscale as ms
import pytest
from manyscale import testing
from manyscale.coupling.prove import diagnose

from acme_irradiation import IrradiatedProperties, kernel, unused_displacement_rate


@pytest.mark.parametrize("check", testing.battery(IrradiatedProperties), ids=str)
def test_battery(check: testing.Check, tmp_path: Path) -> None:
    check(tmp_path)


def diffusivity(model: IrradiatedProperties, received: ms.Received) -> float:
    return model.f_init(ms.Start(0.0), received).diffusivity


NOTHING = ms.Received({"irradiation_in": None})


def test_without_irradiation_only_the_arrhenius_law_is_left() -> None:
    quiet = IrradiatedProperties(temperature=900.0, displacement_rate=0.0)
    assert diffusivity(quiet, NOTHING) == kernel.thermal(7.8e-5, 211e3, 900.0)


def test_cold_crystal_is_mixed_whatever_its_temperature() -> None:
    cold, colder = (diffusivity(IrradiatedProperties(temperature=T), NOTHING) for T in (300.0, 4.0))
    # 60 jumps of 0.25 nm at 1e-3 dpa/s: 60 (2.5e-10)**2 1e-3 / 6
    assert cold == pytest.approx(6.25e-22, rel=1e-12)
    assert colder == pytest.approx(cold, rel=1e-12)


def test_both_terms_are_equal_at_the_crossover() -> None:
    temperature = kernel.crossover(7.8e-5, 211e3, 6.25e-22)
    model = IrradiatedProperties(temperature=temperature)
    assert diffusivity(model, NOTHING) == pytest.approx(2.0 * 6.25e-22, rel=1e-9)


def test_a_received_displacement_rate_replaces_the_setting() -> None:
    contact = ms.Contact(0.0, None, {"displacement_rate": 2e-3})
    received = ms.Received({"irradiation_in": contact})
    assert diffusivity(IrradiatedProperties(), received) == pytest.approx(1.25e-21, rel=1e-6)


BEAM = """
ymmsl_version: v0.2
description: A beam on a crystal
imports:
- from manyscale import implementation irradiated_properties
models:
  target:
    description: The diffusivity under a beam
    components:
      beam:
        description: Measures the beam
        implementation: beam
        ports:
          o_f: rate
      properties:
        description: Thermal and ballistic diffusivity
        implementation: irradiated_properties
        ports:
          f_init: irradiation_in
    conduits:
      beam.rate: properties.irradiation_in
programs:
  beam:
    description: A program of the beam line
    ports:
      o_f: rate
    executable: /usr/bin/true
settings:
  properties.temperature: 300.0
"""


def problems_of_a_check(folder: Path, spec: str) -> list[str]:
    file = folder / "beam.ymmsl"
    file.write_text(spec)
    found = diagnose([file], with_machine=False).problems
    return [f"{p.place.line} {p.code} {p.text}" for p in found if p.code.startswith("ACME")]


def test_a_rate_that_nothing_uses_is_found(tmp_path: Path) -> None:
    assert problems_of_a_check(tmp_path, BEAM) == []
    # the rate would do nothing: what the beam sends counts
    (found,) = problems_of_a_check(tmp_path, BEAM + "  properties.displacement_rate: 2.0e-3\n")
    assert found.startswith("30 ACME01 properties takes the displacement rate that beam sends")
    assert unused_displacement_rate.severity == "warning"
