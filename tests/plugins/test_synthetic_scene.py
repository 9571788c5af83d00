"""The scene by recipe: its statistics, its means, its refusals, and what sharpeners make of it."""

import numpy as np
import pytest

import manyscale as ms
from manyscale_plugins.aggregation_constraint import kernel as constraint
from manyscale_plugins.downscaling_baseline import kernel as baseline
from manyscale_plugins.surface_energy_balance import kernel as balance
from manyscale_plugins.surface_scene.areas import coarse_means
from manyscale_plugins.synthetic_scene import SyntheticScene

SMALL = {"n_fine": [60, 75], "fine_size": 30.0}


def sent(**settings):
    model = SyntheticScene(**settings)
    return model.o_f(model.f_init(ms.Start(0.0), ms.Received({})))


def rmse(found, truth):
    return float(np.sqrt(np.mean((found - truth) ** 2)))


def errors(correlation_length=0.0, **settings):
    """RMSE [K] of everything that sharpens, and what TsHARP leaves of the coarse means."""
    model = SyntheticScene(**settings)
    recipe, made = model.recipe(), model.made()
    truth, lst = made.truth[0], made.lst[0]
    everywhere = np.ones(truth.shape, bool)
    seen = baseline.Coarse(lst, made.valid[0], recipe.coarse)
    found = {
        method: baseline.sharpened(made.surface.ndvi, everywhere, recipe.fine, seen, method, 1.0)
        for method in ("uniform", "distrad", "tsharp")
    }
    weather = balance.Weather(800.0, 350.0, 298.15, 1500.0)
    solved = balance.balance(*made.surface, everywhere, weather, balance.Surface(), 1e-9)
    found["balance"] = solved.temperature
    observed = constraint.Observation(
        lst, made.valid[0], np.zeros(lst.shape), recipe.coarse.geotransform
    )
    rule = constraint.Rule(correlation_length=correlation_length)
    place = recipe.fine.geotransform
    found["constrained"] = constraint.constrained(
        found["balance"], everywhere, place, observed, rule
    ).lst
    left = coarse_means(found["tsharp"], recipe.fine, recipe.coarse) - lst
    off = {name: rmse(field, truth) for name, field in found.items()}
    return off | {"std": float(truth.std()), "left": float(np.abs(left).max())}


def test_errors_of_all_methods_on_the_scene_of_the_specification():
    # an independent script with the same recipe, other draws of the small noise: 1.160, 0.300,
    # 0.304, 1.220 and 0.217 K at a spread of 1.932 K; TsHARP leaves 0.042 K
    found = errors()
    expected = {"uniform": 1.160, "distrad": 0.300, "tsharp": 0.304, "balance": 1.220,
                "constrained": 0.217, "std": 1.932}  # fmt: skip
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=0.03), name
    assert 0.021 < found["left"] < 0.084
    assert found["constrained"] < 0.8 * min(found["distrad"], found["tsharp"])
    assert found["constrained"] < found["balance"]


def test_the_constraint_lowers_the_error_for_every_seed():
    ratios, smooth = [], []
    for seed in (2, 3, 4):
        found, even = errors(seed=seed), errors(seed=seed, correlation_length=1000.0)
        best = min(found["distrad"], found["tsharp"])
        assert found["constrained"] < found["balance"]
        ratios.append(found["constrained"] / best)
        smooth.append(even["constrained"] / best)
    assert max(ratios) < 0.9  # the factor of 0.8 is that of seed 1
    assert max(smooth) < 0.5


def test_a_regression_wins_where_no_energy_balance_made_the_truth():
    found = errors(truth="statistical", correlation_length=1000.0)
    assert found["distrad"] < found["constrained"]
    assert found["constrained"] < 0.2 * found["balance"]


def test_coarse_temperatures_are_the_means_of_the_truth():
    model = SyntheticScene(**SMALL, observation_times=[0.0, 600.0], shortwave=[800.0, 0.0])
    made, recipe = model.made(), model.recipe()
    for lst, truth in zip(made.lst, made.truth, strict=True):
        np.testing.assert_allclose(
            lst, coarse_means(truth, recipe.fine, recipe.coarse), rtol=0, atol=1e-12
        )
    assert made.truth[0].mean() > made.truth[1].mean() + 10.0  # day and night


def test_surface_data_follow_the_recipe():
    surface = sent()["fine_out"]
    assert surface["ndvi"].min() >= 0.1
    assert surface["ndvi"].max() <= 0.9
    cover = ((surface["ndvi"].astype(float) - 0.1) / 0.8) ** 2
    np.testing.assert_allclose(surface["emissivity"], 0.95 + 0.04 * cover, atol=1e-6)
    around = surface["albedo"] - (0.28 - 0.12 * cover)
    assert around.std() == pytest.approx(0.01, rel=1e-3)
    assert all(surface[name].dtype == np.float32 for name in ("albedo", "ndvi", "emissivity"))


def test_partial_coarse_pixels_at_the_edge_take_the_mean_of_what_is_there():
    out = sent(**SMALL)
    assert out["coarse_out"]["lst"].shape == (1, 4, 5)  # 1800 m x 2250 m in pixels of 500 m


def test_clouds_and_noise():
    plain, noisy = sent(n_fine=[300, 300]), sent(n_fine=[300, 300], noise=0.5)
    off = noisy["coarse_out"]["lst"] - plain["coarse_out"]["lst"]
    assert off.std() == pytest.approx(0.5, rel=0.1)
    assert (noisy["coarse_out"]["sigma"] == 0.5).all()
    cloudy = sent(n_fine=[300, 300], cloud_fraction=0.25)["coarse_out"]["valid"]
    assert 1.0 - cloudy.mean() == pytest.approx(0.25, abs=0.01)


def test_the_seed_alone_decides():
    one, same, other = sent(**SMALL), sent(**SMALL), sent(**SMALL, seed=2)
    np.testing.assert_array_equal(one["fine_out"]["ndvi"], same["fine_out"]["ndvi"])
    assert (one["fine_out"]["ndvi"] != other["fine_out"]["ndvi"]).any()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"fine_size": 600.0}, "fine_size is 600 m and coarse_size 500 m: fine pixels must not be"),
        ({"n_fine": [3]}, "n_fine has 1 numbers, expected 2"),
        ({"shortwave": [1.0, 2.0]}, "shortwave has 2 numbers for 1 of observation_times"),
        ({"cloud_fraction": 1.0}, "cloud_fraction is 1, expected >= 0, < 1"),
        ({"n_fine": [0, 4]}, "n_fine is 0, expected >= 1"),
    ],
)
def test_refusals(settings, says):
    with pytest.raises(ms.Refused, match=says):
        SyntheticScene(**settings)
