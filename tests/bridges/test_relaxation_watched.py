"""Fields that are watched beside those that are relaxed."""

import numpy as np
import pytest

from manyscale.bridges.relaxation import watched

FIELDS = {"p": np.array([3.0, 4.0]), "a": np.ones((2, 2)), "n": 2.0}


def test_nothing_is_watched_by_default():
    values, ends = watched.gathered("", "xt_in", FIELDS)
    assert len(values) == 0
    assert watched.change(values, values, ends) == 0.0


def test_the_largest_relative_change_counts():
    values, ends = watched.gathered("a n p", "xt_in", FIELDS)
    np.testing.assert_array_equal(values, [1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0])
    moved = values + np.array([0.0, 0.0, 0.0, 0.2, 0.0, 0.0, 0.5])
    assert watched.change(moved, values, ends) == pytest.approx(0.1)
    assert watched.change(values, values, ends) == 0.0


def test_the_first_answer_has_not_settled_unless_it_is_zero():
    values, ends = watched.gathered("p", "xt_in", FIELDS)
    assert watched.change(np.empty(0), values, ends) == 1.0
    assert watched.change(np.empty(0), 0.0 * values, ends) == 0.0
    assert watched.change(values, 0.0 * values, ends) == np.inf


def test_missing_and_broken_fields_are_named():
    with pytest.raises(ValueError, match=r"xt_in brings \['a', 'n', 'p'\] without 'q', named by"):
        watched.gathered("q", "xt_in", FIELDS)
    with pytest.raises(ValueError, match="xt_in: p, named by watch, has values that are not"):
        watched.gathered("p", "xt_in", {"p": np.array([np.nan])})
