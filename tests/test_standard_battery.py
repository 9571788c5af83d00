"""The standard battery over every registered model."""

import pytest

from manyscale import testing
from manyscale.registry import registry

CHECKS = [
    check
    for entry in registry.load()
    if entry.distribution == "manyscale"
    for check in testing.battery(entry.model)
]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_battery(check, tmp_path):
    check(tmp_path)
