"""The standard battery and its helpers, public: third parties run the same.

import pytest
from manyscale import testing
from my_plugin import Decay

@pytest.mark.parametrize("check", testing.battery(Decay), ids=str)
def test_battery(check, tmp_path):
    check(tmp_path)
"""

from manyscale.testing.battery import Check, battery, launched_with_muscle
from manyscale.testing.couple import (
    Component,
    differences,
    run_in_process,
    run_with_muscle,
    write_spec,
)
from manyscale.testing.example import Example

__all__ = [
    "Check",
    "Component",
    "Example",
    "battery",
    "differences",
    "launched_with_muscle",
    "run_in_process",
    "run_with_muscle",
    "write_spec",
]
