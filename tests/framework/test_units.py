"""Units become straight lines, found once per pair."""

import pytest

import manyscale as ms
from manyscale.contract.units import affine


@pytest.mark.parametrize(
    ("have", "want", "line"),
    [
        ("K", "K", (1.0, 0.0)),
        ("degC", "K", (1.0, 273.15)),
        ("K", "degC", (1.0, -273.15)),
        ("nm", "m", (1e-9, 0.0)),
        ("g/cm3", "kg/m3", (1000.0, 0.0)),
        ("kJ/mol", "J/mol", (1000.0, 0.0)),
        ("mol/m3", "mol/l", (1e-3, 0.0)),
        ("W/(m K)", "mW/(cm K)", (10.0, 0.0)),
        ("1/s", "1/min", (60.0, 0.0)),
        ("percent", "1", (0.01, 0.0)),
    ],
)
def test_the_line_between_two_units(have, want, line):
    assert affine(have, want) == pytest.approx(line, rel=1e-15)


def test_a_difference_has_no_offset():
    assert affine("degF", "K", True) == pytest.approx((5.0 / 9.0, 0.0), rel=1e-15)


@pytest.mark.parametrize(
    ("have", "want", "says"),
    [("m", "s", "cannot become"), ("furlongs/x", "m", "not a unit"), ("dBm", "W", "straight line")],
)
def test_what_is_no_line_is_refused(have, want, says):
    with pytest.raises(ms.Refused, match=says):
        affine(have, want)
