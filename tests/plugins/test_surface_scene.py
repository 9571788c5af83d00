"""Scenes from files: whatever comes is put on north-up grids, in K, with masks, or refused."""

import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rasterio", reason="the extra rs")

import rasterio
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

import manyscale as ms
from manyscale_plugins.surface_scene import SurfaceScene
from manyscale_plugins.surface_scene.paths import shipped
from toys.scenes import NAMES, UTM, netcdf, pair, surface, tif

# what rasterio does within itself
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


def scene(coarse, fine, **settings):
    """What a scene sends: coarse, fine, and what it tells of itself."""
    model = SurfaceScene(coarse=str(coarse), fine=str(fine), **settings)
    state = model.f_init(ms.Start(0.0), ms.Received({}))
    sent = model.o_f(state)
    return sent["coarse_out"], sent["fine_out"], sent["about_out"]["text"]


def refusal(coarse, fine, **settings):
    with pytest.raises((ValueError, ms.Refused)) as caught:
        scene(coarse, fine, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plain_pair_comes_as_it_is(tmp_path):
    lst_file, fine_file, lst, data = pair(tmp_path)
    coarse, fine, about = scene(lst_file, fine_file)
    np.testing.assert_array_equal(coarse["lst"][0], lst)
    for name, values in zip(NAMES, data, strict=True):
        np.testing.assert_array_equal(fine[name], values)
    assert coarse["valid"].all()
    assert fine["valid"].all()
    assert coarse["crs"] == fine["crs"] == UTM
    assert coarse["geotransform"].tolist() == [600000.0, 300.0, 0.0, 5600010.0, 0.0, -300.0]
    assert fine["geotransform"].tolist() == [600000.0, 30.0, 0.0, 5600010.0, 0.0, -30.0]
    assert coarse["observation_time"].tolist() == [0.0]
    assert "20 of 20 coarse pixels are valid" in about


def test_the_shipped_scene_is_what_the_recipe_makes(tmp_path):
    from manyscale_plugins.synthetic_scene import files

    files.write(tmp_path)
    for which in ("coarse", "fine", "truth"):
        made = tmp_path / Path(shipped(which)).name
        with rasterio.open(shipped(which)) as kept, rasterio.open(made) as new:
            np.testing.assert_array_equal(kept.read(), new.read())
            assert (kept.crs, kept.transform) == (new.crs, new.transform)
            assert (kept.scales, kept.offsets) == (new.scales, new.offsets)


# ---------------------------------------------------------------- numbers and units


def test_scale_offset_nodata_and_unit_of_the_file_count(tmp_path):
    _, fine_file, _, _ = pair(tmp_path)
    raw = np.arange(20, dtype=np.int16).reshape(4, 5)
    raw[1, 2] = -1
    path = tif(tmp_path / "c.tif", raw, 300.0, units=("degC",), scales=(0.5,), offsets=(10.0,),
               nodata=-1)  # fmt: skip
    coarse, _, _ = scene(path, fine_file)
    there = raw != -1
    np.testing.assert_array_equal(coarse["valid"][0], there)
    np.testing.assert_allclose(coarse["lst"][0][there], raw[there] * 0.5 + 10.0 + 273.15, rtol=0)
    assert coarse["lst"][0, 1, 2] == pytest.approx(coarse["lst"][0][there].mean())


@pytest.mark.parametrize("unit", ["C", "celsius", "°C", "degrees Celsius", "degC"])
def test_spellings_of_celsius(tmp_path, unit):
    _, fine_file, lst, _ = pair(tmp_path)
    path = tif(tmp_path / "c.tif", lst - 273.15, 300.0, units=(unit,))
    np.testing.assert_allclose(scene(path, fine_file)[0]["lst"][0], lst, rtol=1e-15)


def test_scale_and_nodata_may_be_given(tmp_path):
    _, _, lst, data = pair(tmp_path)
    raw = np.round(lst / 0.02).astype(np.uint16)
    raw[0, 0] = 0
    path = tif(tmp_path / "modis.tif", raw, 300.0)
    packed = np.round(data * [[[1e3]], [[1e4]], [[1e3]]]).astype(np.int16)
    fine_file = tif(tmp_path / "packed.tif", packed, 30.0, names=NAMES)
    coarse, fine, _ = scene(
        path, fine_file, coarse_scale=0.02, coarse_nodata=0.0, fine_scale=[1e-3, 1e-4, 1e-3]
    )
    assert not coarse["valid"][0, 0, 0]
    np.testing.assert_allclose(coarse["lst"][0][0, 1:], raw[0, 1:] * 0.02, rtol=0)
    for name, values in zip(NAMES, data, strict=True):
        np.testing.assert_allclose(fine[name], values, atol=6e-4)


def test_untagged_celsius_is_asked_about(tmp_path):
    _, fine_file, lst, _ = pair(tmp_path)
    path = tif(tmp_path / "c.tif", lst - 273.15, 300.0)
    said = refusal(path, fine_file)
    assert "c.tif reaches from 27.2" in said
    assert (
        "expected 150 to 400 K; is the file in degrees Celsius? Then set coarse_unit to degC"
        in said
    )
    np.testing.assert_allclose(scene(path, fine_file, coarse_unit="degC")[0]["lst"][0], lst)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lst: lst * 50.0, "is there a scale factor"),
        (
            lambda lst: np.where(lst == lst[0, 0], -9000.0, lst),
            "means no value? Then set coarse_nod",
        ),
        (lambda lst: np.full_like(lst, np.nan), "no pixel of c.tif is left: of 20, 20 have no val"),
    ],
)
def test_temperatures_that_cannot_be(tmp_path, change, says):
    _, fine_file, lst, _ = pair(tmp_path)
    assert says in refusal(tif(tmp_path / "c.tif", change(lst), 300.0), fine_file)


def test_fahrenheit_is_not_guessed(tmp_path):
    _, fine_file, lst, _ = pair(tmp_path)
    path = tif(tmp_path / "c.tif", lst, 300.0, units=("degF",))
    assert "is in 'degF', expected K or degC: set coarse_unit" in refusal(path, fine_file)


@pytest.mark.parametrize(("band", "factor"), [(0, 10.0), (1, 1e4), (2, 0.0)])
def test_surface_data_out_of_range(tmp_path, band, factor):
    lst_file, _, _, data = pair(tmp_path)
    data[band, 3, 4] *= factor
    path = tif(tmp_path / "f.tif", data, 30.0, names=NAMES)
    said = refusal(lst_file, path)
    assert f"f.tif, band {NAMES[band]} reaches from" in said
    assert ("scale factor (often 0.0001)" in said) == (factor == 1e4)
    assert ("does 0 mean no value?" in said) == (factor == 0.0)
    fine = scene(lst_file, path, out_of_range="mask")[1]
    assert np.argwhere(~fine["valid"]).tolist() == [[3, 4]]
    assert all(np.isfinite(fine[name]).all() for name in NAMES)


# ---------------------------------------------------------------- masks


def test_quality_bits(tmp_path):
    lst_file, fine_file, _, _ = pair(tmp_path)
    flags = np.arange(20, dtype=np.uint8).reshape(4, 5)
    path = tif(tmp_path / "qc.tif", flags, 300.0)
    coarse, _, about = scene(lst_file, fine_file, quality=str(path), quality_bits=3)
    np.testing.assert_array_equal(coarse["valid"][0], flags % 4 == 0)
    assert "15 are of bad quality" in about
    coarse, _, _ = scene(lst_file, fine_file, quality=str(path), quality_bits=6, quality_value=4)
    np.testing.assert_array_equal(coarse["valid"][0], flags & 6 == 4)


@pytest.mark.parametrize("grid", ["fine", "coarse", "other"])
def test_clouds_on_any_grid(tmp_path, grid):
    lst_file, fine_file, _, _ = pair(tmp_path)
    cloud = np.zeros((40, 50), np.uint8)
    cloud[0:10, 0:10] = 1  # one pixel under clouds
    cloud[10:14, 10:20] = 2  # 40 % of another
    if grid == "coarse":
        cloud = np.kron(cloud[::10, ::10], np.ones((1, 1), np.uint8))
        cloud[1, 1] = 0
    size = 300.0 if grid == "coarse" else 30.0
    crs = UTM
    path = tif(tmp_path / "cloud.tif", cloud, size, crs=crs)
    if grid == "other":
        path = reprojected(path, tmp_path / "turned.tif", "EPSG:3035")
    coarse, _, _ = scene(lst_file, fine_file, cloud=str(path), cloud_limit=0.5)
    assert np.argwhere(~coarse["valid"][0]).tolist() == [[0, 0]]
    coarse, _, about = scene(lst_file, fine_file, cloud=str(path), cloud_limit=0.3)
    assert coarse["valid"][0, 1, 1] == (grid == "coarse")
    assert "lie under clouds" in about


def reprojected(path, target, crs):
    """Write a raster in another reference system."""
    from rasterio.vrt import WarpedVRT

    with rasterio.open(path) as source, WarpedVRT(source, crs=crs) as seen:
        profile = {**seen.profile, "driver": "GTiff"}
        with rasterio.open(target, "w", **profile) as file:
            file.write(seen.read())
            file.descriptions = source.descriptions
    return target


def test_all_masked_is_refused_with_the_reasons(tmp_path):
    lst_file, fine_file, _, _ = pair(tmp_path)
    qc = tif(tmp_path / "qc.tif", np.ones((4, 5), np.uint8), 300.0)
    said = refusal(lst_file, fine_file, quality=str(qc))
    assert "of 20, 0 have no value, 20 are of bad quality" in said


def test_fine_nodata_travels_as_a_mask(tmp_path):
    lst_file, _, _, data = pair(tmp_path)
    data[1, 5, 6] = -1e4
    path = tif(tmp_path / "f.tif", data, 30.0, names=NAMES, nodata=-1e4)
    fine = scene(lst_file, path)[1]
    assert np.argwhere(~fine["valid"]).tolist() == [[5, 6]]
    unmarked = tif(tmp_path / "u.tif", np.where(data < -1.0, 0.0, data), 30.0, names=NAMES)
    assert np.argwhere(~scene(lst_file, unmarked, fine_nodata=0.0)[1]["valid"]).tolist() == [[5, 6]]
    nothing = tif(tmp_path / "n.tif", np.full_like(data, -1e4), 30.0, names=NAMES, nodata=-1e4)
    assert "no fine pixel has albedo, vegetation index and emissivity" in refusal(lst_file, nothing)


def test_standard_deviations(tmp_path):
    lst_file, fine_file, _, _ = pair(tmp_path)
    assert (scene(lst_file, fine_file)[0]["sigma"] == 0.0).all()
    assert (scene(lst_file, fine_file, coarse_sigma=0.7)[0]["sigma"] == 0.7).all()
    sigma = np.linspace(0.1, 2.0, 20).reshape(4, 5)
    path = tif(tmp_path / "s.tif", sigma, 300.0)
    found = scene(lst_file, fine_file, sigma_file=str(path))[0]["sigma"][0]
    np.testing.assert_allclose(found, sigma, rtol=1e-15)


# ---------------------------------------------------------------- which bands


def test_bands_by_name_number_or_file(tmp_path):
    lst_file, _, _, data = pair(tmp_path)
    mixed = tif(tmp_path / "m.tif", data[::-1], 30.0, names=("Emissivity", "NDVI", "Albedo"))
    plain = tif(tmp_path / "p.tif", data, 30.0)
    order = tif(tmp_path / "o.tif", data[[1, 0, 2]], 30.0)
    singles = ";".join(
        str(tif(tmp_path / f"LC08_{name}_2024.tif", band, 30.0))
        for name, band in zip(NAMES, data, strict=True)
    )
    for given, more in (
        (mixed, {}), (plain, {}), (order, {"fine_variables": "2;1;3"}), (singles, {}),
    ):  # fmt: skip
        fine = scene(lst_file, given, **more)[1]
        for name, values in zip(NAMES, data, strict=True):
            np.testing.assert_array_equal(fine[name], values)


@pytest.mark.parametrize(
    ("bands", "settings", "says"),
    [
        (("albedo", "ndvi", "thermal"), {}, "has no band 'emissivity', but albedo, ndvi, thermal"),
        ((), {"fine_variables": "albedo;ndvi"}, "fine_variables names 2 bands, expected three"),
        ((), {"fine_scale": [0.1, 0.1]}, "one number, or one for each of fine_variables"),
    ],
)
def test_bands_that_are_not_there(tmp_path, bands, settings, says):
    lst_file, _, _, data = pair(tmp_path)
    assert says in refusal(lst_file, tif(tmp_path / "b.tif", data, 30.0, names=bands), **settings)


def test_a_coarse_file_of_several_bands_wants_a_name(tmp_path):
    _, fine_file, lst, _ = pair(tmp_path)
    two = tif(tmp_path / "two.tif", [lst, lst + 1.0], 300.0, names=("day", "night"))
    said = refusal(two, fine_file)
    assert "has day, night: set coarse_variable to the one with the temperature" in said
    for word in ("night", "2"):
        found = scene(two, fine_file, coarse_variable=word)[0]["lst"][0]
        np.testing.assert_array_equal(found, lst + 1.0)
    assert "has no 'noon'; it has day, night" in refusal(two, fine_file, coarse_variable="noon")


def test_passes_in_several_files(tmp_path):
    lst_file, fine_file, lst, _ = pair(tmp_path)
    later = tif(tmp_path / "later.tif", lst + 2.0, 300.0)
    both = f"{lst_file};{later}"
    coarse = scene(both, fine_file, coarse_pass=-1, observation_times=[0.0, 7200.0])[0]
    np.testing.assert_array_equal(coarse["lst"], [lst, lst + 2.0])
    assert coarse["observation_time"].tolist() == [0.0, 7200.0]
    assert (scene(both, fine_file, coarse_pass=1)[0]["lst"][0] == lst + 2.0).all()
    assert "has 2 passes, counted from 0" in refusal(both, fine_file, coarse_pass=2)
    assert "give one time in s for each" in refusal(both, fine_file, coarse_pass=-1)


# ---------------------------------------------------------------- NetCDF


def test_netcdf_like_geotiff(tmp_path):
    lst_file, fine_file, lst, data = pair(tmp_path)
    fields = dict(zip(NAMES, data, strict=True))
    packing = {"ndvi": {"dtype": "int16", "scale_factor": 1e-4, "_FillValue": -9999}}
    fine = netcdf(tmp_path / "fine.nc", fields, 30.0, encoding=packing)
    coarse = netcdf(tmp_path / "lst.nc", {"LST": lst}, 300.0, attrs={"LST": {"units": "K"}})
    expected, found = scene(lst_file, fine_file), scene(coarse, fine)
    np.testing.assert_array_equal(found[0]["lst"], expected[0]["lst"])
    np.testing.assert_allclose(found[1]["ndvi"], expected[1]["ndvi"], atol=6e-5)
    np.testing.assert_array_equal(found[1]["albedo"], expected[1]["albedo"])
    np.testing.assert_allclose(found[1]["geotransform"], expected[1]["geotransform"])
    assert found[0]["crs"] == UTM


def test_raw_numbers_of_netcdf(tmp_path):
    _, fine_file, _, _ = pair(tmp_path)
    raw = np.arange(15000, 15020, dtype=np.int16).reshape(4, 5)
    raw[0, 0], raw[0, 1] = -1, 0
    attrs = {"LST": {"scale_factor": 0.02, "add_offset": 1.0, "_FillValue": np.int16(-1)}}
    path = netcdf(tmp_path / "lst.nc", {"LST": raw}, 300.0, attrs=attrs)
    for more, scale, offset in (
        ({}, 0.02, 1.0), ({"coarse_scale": 0.0199, "coarse_offset": 2.0}, 0.0199, 2.0),
    ):  # fmt: skip
        coarse = scene(path, fine_file, coarse_nodata=0.0, **more)[0]
        assert np.argwhere(~coarse["valid"][0]).tolist() == [[0, 0], [0, 1]]
        np.testing.assert_allclose(coarse["lst"][0, 1:], raw[1:] * scale + offset, rtol=1e-15)


def test_axes_in_any_order_and_direction(tmp_path):
    lst_file, fine_file, lst, data = pair(tmp_path)
    expected = scene(lst_file, fine_file)
    turned = tmp_path / "turned.nc"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import xarray as xr

        netcdf(tmp_path / "n.nc", {"LST": lst}, 300.0)
        with xr.open_dataset(tmp_path / "n.nc", decode_coords="all") as one:
            one.isel(y=slice(None, None, -1)).transpose("x", "y").to_netcdf(turned)
    np.testing.assert_array_equal(scene(turned, fine_file)[0]["lst"], expected[0]["lst"])
    flipped = tif(
        tmp_path / "south_up.tif",
        data[:, ::-1, ::-1],
        30.0,
        names=NAMES,
        transform=Affine(-30.0, 0, 600000.0 + 1500.0, 0, 30.0, 5600010.0 - 1200.0),
    )
    found = scene(lst_file, flipped)
    np.testing.assert_array_equal(found[1]["ndvi"], expected[1]["ndvi"])
    np.testing.assert_array_equal(found[1]["geotransform"], expected[1]["geotransform"])


def test_longitude_and_latitude_with_passes(tmp_path):
    rng = np.random.default_rng(4)
    lst = 300.0 + rng.random((3, 6, 8))
    times = np.array(["2024-06-01T10:30", "2024-06-01T22:30", "2024-06-02T10:30"], "M8[ns]")
    corner = (10.0, 50.0)
    coarse = netcdf(tmp_path / "lst.nc", {"LST": lst}, 0.05, corner=corner, crs="",
                    dims=("lat", "lon"), times=times)  # fmt: skip
    fine = tif(tmp_path / "f.tif", surface(60, 80), 0.005, corner=corner, crs="EPSG:4326",
               names=NAMES)  # fmt: skip
    found, surface_data, _ = scene(coarse, fine, coarse_pass=-1)
    np.testing.assert_array_equal(found["lst"], lst)
    assert found["observation_time"].tolist() == [0.0, 43200.0, 86400.0]
    assert found["crs"] == "EPSG:4326"
    assert surface_data["ndvi"].shape == (60, 80)


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"crs": "", "dims": ("y", "x")}, "has no coordinate reference system; set crs"),
        ({"uneven": True}, "has pixels of different sizes along y"),
    ],
)
def test_netcdf_that_cannot_be_placed(tmp_path, kwargs, says):
    _, fine_file, lst, _ = pair(tmp_path)
    uneven = kwargs.pop("uneven", False)
    path = netcdf(tmp_path / "c.nc", {"LST": lst}, 300.0, **kwargs)
    if uneven:
        import netCDF4

        with netCDF4.Dataset(path, "a") as file:
            file["y"][:] = 5600010.0 - 30.0 * np.arange(len(file["y"])) ** 1.5 - 1.0
    assert says in refusal(path, fine_file)
    if not uneven:
        np.testing.assert_array_equal(scene(path, fine_file, crs=UTM)[0]["lst"][0], lst)


# ---------------------------------------------------------------- places


def test_different_extents_are_cut_to_what_they_share(tmp_path):
    lst_file, _, lst, _ = pair(tmp_path)
    data = surface(37, 31)
    fine = tif(tmp_path / "f.tif", data, 30.0, corner=(600000.0 + 330.0, 5600010.0 + 90.0),
               names=NAMES)  # fmt: skip
    coarse, found, _ = scene(lst_file, fine)
    np.testing.assert_array_equal(coarse["lst"][0], lst[:, 1:5])
    assert coarse["geotransform"][0] == 600300.0
    np.testing.assert_array_equal(found["ndvi"], data[1, 3:, :])
    assert found["geotransform"][[0, 3]].tolist() == [600330.0, 5600010.0]


def test_another_projection_is_warped_onto_the_coarse_map_and_told(tmp_path):
    lst_file, _, lst, _ = pair(tmp_path, coarse=(6, 6), ratio=10)
    rows, columns = np.mgrid[0:150, 0:150]
    smooth = 0.5 + 0.3 * np.sin(rows / 40.0) * np.cos(columns / 50.0)
    data = np.stack([0.2 + 0 * smooth, smooth, 0.97 + 0 * smooth]).astype(np.float32)
    wide = tif(tmp_path / "wide.tif", data, 30.0, corner=(599000.0, 5601000.0), names=NAMES,
               nodata=-1.0)  # fmt: skip
    other = reprojected(wide, tmp_path / "laea.tif", "EPSG:3035")
    coarse, fine, about = scene(lst_file, other)
    np.testing.assert_array_equal(coarse["lst"][0], lst)
    assert fine["crs"] == coarse["crs"] == UTM
    # 10 fine pixels per coarse one, so that lines are common
    assert fine["geotransform"].tolist() == pytest.approx(
        [600000.0, 30.0, 0.0, 5600010.0, 0.0, -30.0]
    )
    assert "in EPSG:3035 warped (bilinear) onto" in about
    assert fine["valid"].all()
    expected = smooth[33:93, 33:93]  # 33 pixels east and south of the wide one's corner
    np.testing.assert_allclose(fine["ndvi"], expected, atol=0.02)
    said = refusal(lst_file, other, warp="refuse")
    assert "lst.tif is in EPSG:32633 and laea.tif, band albedo in EPSG:3035" in said


def test_the_coarse_one_may_be_warped_instead(tmp_path):
    lst_file, fine_file, lst, _ = pair(tmp_path)
    other = reprojected(lst_file, tmp_path / "geo.tif", "EPSG:4326")
    coarse, _, about = scene(other, fine_file, warp="coarse")
    assert coarse["crs"] == UTM
    assert "warped (nearest)" in about
    there = coarse["lst"][0][coarse["valid"][0]]
    assert np.isin(np.round(there, 9), np.round(lst, 9)).all()
    assert there.size >= 0.9 * lst.size


def test_another_fine_size_is_made(tmp_path):
    lst_file, fine_file, _, data = pair(tmp_path)
    _, fine, about = scene(lst_file, fine_file, fine_size=60.0)
    assert fine["ndvi"].shape == (20, 25)
    assert "warped (average)" in about
    expected = data[1].reshape(20, 2, 25, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(fine["ndvi"], expected, atol=1e-6)


def test_bands_on_different_grids_are_put_on_the_finest(tmp_path):
    lst_file, _, _, data = pair(tmp_path)
    files = [tif(tmp_path / "ndvi.tif", data[1], 30.0)]
    flat = np.full((20, 25), 0.2, np.float32)
    files.append(tif(tmp_path / "albedo.tif", flat, 60.0))
    files.append(tif(tmp_path / "emissivity.tif", flat + 0.7, 60.0))
    _, fine, about = scene(lst_file, ";".join(map(str, files)))
    np.testing.assert_array_equal(fine["ndvi"], data[1])
    np.testing.assert_allclose(fine["albedo"][fine["valid"]], 0.2, rtol=1e-6)
    assert about.count("warped") == 2


@pytest.mark.parametrize(
    ("corner", "says"),
    [
        ((700000.0, 5600010.0), "do not overlap in EPSG:32633; choose files of one place"),
        ((5600010.0 - 1200.0, 600000.0 + 1500.0), "if x and y of one of them were exchanged"),
    ],
)
def test_no_overlap(tmp_path, corner, says):
    lst_file, _, _, data = pair(tmp_path)
    said = refusal(lst_file, tif(tmp_path / "f.tif", data, 30.0, corner=corner, names=NAMES))
    assert says in said
    assert "lst.tif (x 600000 to 601500, y 5598810 to 5600010)" in said


def test_fine_larger_than_coarse_is_refused(tmp_path):
    lst_file, _, _, _ = pair(tmp_path)
    path = tif(tmp_path / "f.tif", surface(3, 3), 400.0, names=NAMES)
    said = refusal(lst_file, path)
    assert (
        "the fine pixels of f.tif, band albedo are 400 x 400 and the coarse ones 300 x 300" in said
    )


def test_equal_pixels_are_allowed(tmp_path):
    lst_file, _, lst, _ = pair(tmp_path)
    path = tif(tmp_path / "f.tif", surface(4, 5), 300.0, names=NAMES)
    assert scene(lst_file, path)[1]["ndvi"].shape == lst.shape


# ---------------------------------------------------------------- broken files


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("kind", ["tif", "nc"])
def test_truncated_files(tmp_path, keep, kind):
    lst_file, fine_file, _, data = pair(tmp_path, coarse=(12, 12))
    path = fine_file
    if kind == "nc":
        path = netcdf(tmp_path / "f.nc", dict(zip(NAMES, data, strict=True)), 30.0)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    said = refusal(lst_file, path)
    assert "truncated" in said
    assert path.name in said


def test_what_is_no_raster(tmp_path):
    lst_file, fine_file, _, _ = pair(tmp_path)
    (tmp_path / "notes.txt").write_text("warm")
    assert "is no raster that GDAL can read" in refusal(tmp_path / "notes.txt", fine_file)
    said = refusal(tmp_path / "lts.tif", fine_file)
    assert f"there is no file {tmp_path}/lts.tif; did you mean {lst_file}?" in said
    assert "coarse names no file" in refusal("", fine_file)


@pytest.mark.filterwarnings("ignore:The given matrix is equal to Affine.identity")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"transform": Affine.identity()}, "does not say where it lies (no geotransform)"),
        ({"crs": None}, "has no coordinate reference system; set crs to that of the file"),
        ({"transform": Affine(295.4, 52.1, 600000.0, 52.1, -295.4, 5600010.0)},
         "is rotated against its coordinate reference system"),
    ],
)  # fmt: skip
def test_files_without_a_place(tmp_path, changes, says):
    _, fine_file, lst, _ = pair(tmp_path)
    path = tif(tmp_path / "c.tif", lst, 300.0, **changes)
    assert says in refusal(path, fine_file)


def test_a_reference_system_may_be_given(tmp_path):
    _, fine_file, lst, _ = pair(tmp_path)
    path = tif(tmp_path / "c.tif", lst, 300.0, crs=None)
    assert scene(path, fine_file, crs=UTM)[0]["crs"] == UTM
    assert "no coordinate reference system; write it like EPSG:32633" in refusal(
        path, fine_file, crs="UTM 33"
    )


def test_reference_systems_without_a_number(tmp_path):
    _, fine_file, _, _ = pair(tmp_path)
    sinusoidal = CRS.from_proj4("+proj=sinu +lon_0=0 +R=6371007.181 +units=m")
    west, *_, north = transform_bounds(UTM, sinusoidal, 598000, 5597000, 603000, 5602000)
    path = tif(tmp_path / "modis.tif", np.full((8, 14), 301.0), 463.3127,
               corner=(west, north), crs=sinusoidal)  # fmt: skip
    coarse, fine, about = scene(path, fine_file)
    assert about.count("warped (bilinear) onto") == 1
    assert about.splitlines()[0].endswith("pixels of 463.313 in Sinusoidal projection")
    assert CRS.from_user_input(fine["crs"]) == sinusoidal
    ratio = coarse["geotransform"][1] / fine["geotransform"][1]
    assert ratio == pytest.approx(round(ratio))
    assert fine["valid"].any()


def test_scales_and_offsets_come_in_pairs(tmp_path):
    lst_file, fine_file, _, _ = pair(tmp_path)
    said = refusal(lst_file, fine_file, fine_scale=[0.1, 0.2, 0.3], fine_offset=[0.0, 0.1])
    assert "fine_offset has 2 numbers and fine_scale 3" in said
