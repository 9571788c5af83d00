"""The standard battery over every registered model."""

import pytest

from manyscale import testing
from manyscale.registry import registry
from toys.functions import power_law

OWN = [entry.model for entry in registry.load() if entry.distribution == "manyscale"]
CHECKS = [check for model in [*OWN, power_law] for check in testing.battery(model)]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_battery(check, tmp_path):
    check(tmp_path)
