"""Regression trees: lines in leaves, means that are kept, the same trees for the same seed."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the extra surrogate")

from manyscale_plugins.downscaling_baseline.kernel import Coarse
from manyscale_plugins.surface_scene.areas import coarse_means
from manyscale_plugins.surface_scene.grids import Grid
from manyscale_plugins.tree_sharpener import kernel

FINE = Grid(0.0, 0.0, 30.0, 30.0, (120, 120), "EPSG:32633")
NESTED = Grid(0.0, 0.0, 300.0, 300.0, (12, 12), "EPSG:32633")


def fields():
    """Three predictors (row, column), even within coarse pixels."""
    rng = np.random.default_rng(7)
    return [np.kron(rng.random((12, 12)), np.ones((10, 10))) for _ in range(3)]


def sharpened(truth, given, trees=5, leaf=20, seed=1, valid=None):
    lst = coarse_means(truth, FINE, NESTED)
    everywhere = np.ones(FINE.shape, bool) if valid is None else valid
    seen = Coarse(lst, np.ones(lst.shape, bool), NESTED)
    return kernel.sharpened(given, everywhere, FINE, seen, trees, leaf, seed), lst


def test_a_plane_is_learnt_by_lines_in_leaves():
    given = fields()
    truth = 300.0 + 5.0 * given[0] - 3.0 * given[1] + 1.0 * given[2]
    found, _ = sharpened(truth, given)
    np.testing.assert_allclose(found, truth, rtol=0, atol=0.02)


def test_a_step_is_found_by_splitting():
    given = fields()
    truth = 300.0 + 10.0 * (given[0] > 0.5)
    fitted = kernel.LinearLeaves(min_samples_leaf=10)
    X = np.stack([field[::10, ::10].ravel() for field in given], axis=-1)
    y = truth[::10, ::10].ravel()
    found = fitted.fit(X, y).predict(X)
    assert np.abs(found - y).max() < 0.5


def test_lines_do_not_run_away():
    X = np.linspace(0.0, 1.0, 40)[:, None]
    fitted = kernel.LinearLeaves(min_samples_leaf=10).fit(X, 300.0 + 10.0 * X[:, 0])
    far = fitted.predict(np.array([[-10.0], [10.0]]))
    np.testing.assert_allclose(far, [297.5, 312.5], atol=1e-9)


def test_means_are_kept_and_seeds_decide():
    rng = np.random.default_rng(8)
    given = [rng.random(FINE.shape) + field for field in fields()]
    truth = 300.0 + 2.0 * given[0] * given[1] + rng.standard_normal(FINE.shape)
    found, lst = sharpened(truth, given)
    assert np.abs(coarse_means(found, FINE, NESTED) - lst).max() < 1e-9
    again, _ = sharpened(truth, given)
    np.testing.assert_array_equal(found, again)
    other, _ = sharpened(truth, given, seed=2)
    assert np.abs(other - found).max() > 1e-3


def test_masked_fine_pixels_stay_out():
    given = fields()
    truth = 300.0 + 5.0 * given[0]
    dry = np.ones(FINE.shape, bool)
    dry[30:40, 30:40] = False
    for field in given:
        field[~dry] = np.nan
    found, _ = sharpened(np.where(dry, truth, 999.0), given, valid=dry)
    assert (found[~dry] == 0.0).all()
    outside = found[dry] - truth[dry]
    assert np.abs(outside).max() < 0.1


def test_too_few_coarse_pixels():
    given = fields()
    with pytest.raises(ValueError, match="0 coarse pixels are left for the regression"):
        sharpened(given[0], given, valid=np.zeros(FINE.shape, bool))
