"""DisTrad and TsHARP: exact where their regression is the truth, and what they leave."""

import numpy as np
import pytest

import manyscale as ms
from manyscale_plugins.downscaling_baseline import DownscalingBaseline, example_messages, kernel
from manyscale_plugins.surface_scene.areas import coarse_means
from manyscale_plugins.surface_scene.grids import Grid

FINE = Grid(0.0, 0.0, 30.0, 30.0, (100, 100), "EPSG:32633")
STRADDLING = Grid(0.0, 0.0, 500.0, 500.0, (6, 6), "EPSG:32633")
NESTED = Grid(0.0, 0.0, 300.0, 300.0, (10, 10), "EPSG:32633")


def patches(size=10):
    """A vegetation index (row, column) that is even within patches of so many pixels."""
    rng = np.random.default_rng(5)
    even = rng.random((100 // size, 100 // size))
    return 0.1 + 0.8 * np.kron(even, np.ones((size, size)))


def seen(truth, grid, valid=None):
    lst = coarse_means(truth, FINE, grid)
    return kernel.Coarse(lst, np.ones(lst.shape, bool) if valid is None else valid, grid)


def sharpened(ndvi, coarse, method, homogeneous=1.0, valid=None):
    valid = np.ones(ndvi.shape, bool) if valid is None else valid
    return kernel.sharpened(ndvi, valid, FINE, coarse, method, homogeneous)


@pytest.mark.parametrize("homogeneous", [1.0, 0.25])
def test_distrad_is_exact_for_a_parabola_and_even_coarse_pixels(homogeneous):
    ndvi = patches()
    truth = 320.0 - 30.0 * ndvi + 8.0 * ndvi**2
    found = sharpened(ndvi, seen(truth, NESTED), "distrad", homogeneous)
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-9)


def test_tsharp_is_exact_for_a_line_in_cover():
    ndvi = patches()
    cover = 1.0 - ((ndvi.max() - ndvi) / (ndvi.max() - ndvi.min())) ** 0.625
    truth = 318.0 - 15.0 * cover
    found = sharpened(ndvi, seen(truth, NESTED), "tsharp")
    np.testing.assert_allclose(found, truth, rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", ["distrad", "tsharp", "uniform"])
def test_means_are_kept_on_nested_grids_and_nearly_on_others(method):
    rng = np.random.default_rng(6)
    ndvi = 0.1 + 0.8 * rng.random(FINE.shape)
    truth = 315.0 - 12.0 * ndvi + rng.standard_normal(FINE.shape)
    for grid, left in ((NESTED, 1e-12), (STRADDLING, 0.2)):
        coarse = seen(truth, grid)
        found = sharpened(ndvi, coarse, method)
        assert np.abs(coarse_means(found, FINE, grid) - coarse.lst).max() < left


def test_masked_pixels_are_left_out():
    ndvi = patches(size=5)
    truth = 320.0 - 30.0 * ndvi
    cloudy = np.ones((10, 10), bool)
    cloudy[2, 3] = False
    coarse = seen(truth, NESTED, cloudy)
    coarse.lst[2, 3] = 0.0  # what stands there must not matter
    dry = np.ones(FINE.shape, bool)
    dry[50:60, 50:60] = False
    ndvi[50:60, 50:60] = 7.0
    found = sharpened(ndvi, coarse, "distrad", valid=dry)
    assert (found[~dry] == 0.0).all()
    np.testing.assert_allclose(found[dry], truth[dry], rtol=0, atol=1e-8)


def test_too_few_coarse_pixels():
    few = np.zeros((10, 10), bool)
    few[0, :5] = True
    with pytest.raises(
        ValueError, match="5 coarse pixels are left for the regression, expected 12"
    ):
        sharpened(patches(), seen(patches(), NESTED, few), "distrad")


def test_the_pass_nearest_in_time_is_sharpened():
    messages = example_messages()
    coarse = dict(messages["coarse_in"])
    for name in ("lst", "valid", "sigma"):
        coarse[name] = np.concatenate([coarse[name], coarse[name]])
    coarse["lst"] = coarse["lst"] + np.array([0.0, 7.0])[:, None, None]
    coarse["observation_time"] = np.array([0.0, 3600.0])
    given = {"fine_in": messages["fine_in"], "coarse_in": coarse}
    received = ms.Received({n: ms.Contact(3000.0, None, m) for n, m in given.items()})
    model = DownscalingBaseline()
    early, late = (
        model.o_f(model.f_init(ms.Start(time), received))["lst_out"]["lst_model"]
        for time in (0.0, 3000.0)
    )
    np.testing.assert_allclose(late - early, 7.0, rtol=0, atol=1e-9)
