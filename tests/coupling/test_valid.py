"""Specs that MUSCLE3 runs are clean: what its documentation shows, with programs of other makes."""

from pathlib import Path

import pytest
import ymmsl
from ymmsl.v0_2 import Configuration, Reference, resolve, resolve_timelines

from manyscale.coupling.prove import diagnose

VALID = sorted((Path(__file__).parent / "valid").glob("*.ymmsl"))


@pytest.mark.parametrize("spec", VALID, ids=lambda p: p.stem)
def test_a_valid_spec_is_clean(spec):
    problems = diagnose([spec], with_machine=False).problems
    assert {p.severity for p in problems} <= {"note"}, "\n".join(map(str, problems))


@pytest.mark.parametrize("spec", VALID, ids=lambda p: p.stem)
def test_ymmsl_agrees_that_it_is_valid(spec):
    config = ymmsl.load_as(Configuration, spec)
    resolve(Reference([]), config)
    config.check_consistent(True, None)
    for model in config.models.values():
        resolve_timelines(model)
