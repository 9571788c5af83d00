"""GeoTIFF as a GIS expects it, written whole or block by block, and gone on with."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rasterio", reason="the extra rs")

import rasterio

import manyscale as ms
from manyscale_plugins.scene_writer import SceneWriter, TileWriter, kernel
from manyscale_plugins.scene_writer.blocks import SIZE, Blocks

UTM = "EPSG:32633"
PLACE = np.array([600000.0, 30.0, 0.0, 5600010.0, 0.0, -30.0])
COARSE = np.array([600000.0, 500.0, 0.0, 5600010.0, 0.0, -500.0])


def messages(rows=40, columns=50, std=False):
    rng = np.random.default_rng(9)
    valid = rng.random((rows, columns)) > 0.1
    lst = {"lst": 300.0 + rng.random((rows, columns)), "valid": valid, "geotransform": PLACE,
           "crs": UTM}  # fmt: skip
    if std:
        lst["std"] = rng.random((rows, columns))
    left = {"residual": rng.random((3, 4)), "valid": np.ones((3, 4), bool),
            "geotransform": COARSE, "crs": UTM}  # fmt: skip
    return {"lst_in": lst, "residual_in": left, "about_in": {"text": "lst.tif and surface.tif"}}


def write(given, time=0.0, **settings):
    received = ms.Received({n: m and ms.Contact(time, None, m) for n, m in given.items()})
    return SceneWriter(**settings).f_init(ms.Start(time), received)


@pytest.mark.parametrize("compress", ["deflate", "zstd", "lzw", "none"])
def test_rasterio_reads_what_was_written(tmp_path, compress):
    given = messages()
    write(given, folder=str(tmp_path), compress=compress)
    with rasterio.open(tmp_path / "lst_0.tif") as file:
        assert file.crs.to_epsg() == 32633
        assert file.transform.to_gdal() == tuple(PLACE)
        assert np.isnan(file.nodata)
        assert file.units == ("K",)
        assert file.descriptions == ("land surface temperature",)
        assert file.profile["tiled"]
        assert file.profile.get("compress", "none") == compress
        found = file.read(1, masked=True)
        tags = file.tags()
    np.testing.assert_array_equal(found.mask, ~given["lst_in"]["valid"])
    np.testing.assert_array_equal(found.compressed(), given["lst_in"]["lst"][~found.mask])
    assert tags["SCENE"] == "lst.tif and surface.tif"
    assert tags["TIME_S"] == "0"
    assert tags["TIFFTAG_SOFTWARE"].startswith("manyscale ")
    with rasterio.open(tmp_path / "residual_0.tif") as file:
        np.testing.assert_array_equal(file.read(1), given["residual_in"]["residual"])


@pytest.mark.skipif(shutil.which("gdalinfo") is None, reason="GDAL's own tools are not installed")
def test_gdalinfo_sees_the_same(tmp_path):
    given = messages()
    write(given, folder=str(tmp_path))
    command = ["gdalinfo", "-json", "-stats", str(tmp_path / "lst_0.tif")]
    said = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert said["size"] == [50, 40]
    assert said["geoTransform"] == PLACE.tolist()
    assert 'ID["EPSG",32633]' in said["coordinateSystem"]["wkt"]
    (band,) = said["bands"]
    assert str(band["noDataValue"]).lower() == "nan"
    assert band["unit"] == "K"
    assert band["type"] == "Float64"
    valid = given["lst_in"]["valid"]
    mean = given["lst_in"]["lst"][valid].mean()
    assert band["mean"] == pytest.approx(mean, abs=6e-4)  # three decimals are printed
    assert said["metadata"][""]["SCENE"] == "lst.tif and surface.tif"


def test_a_standard_deviation_gets_its_own_file(tmp_path):
    given = messages(std=True)
    write(given, folder=str(tmp_path), dtype="float32")
    with rasterio.open(tmp_path / "lst_std_0.tif") as file:
        assert file.dtypes == ("float32",)
        found = file.read(1, masked=True)
    expected = given["lst_in"]["std"][given["lst_in"]["valid"]]
    np.testing.assert_allclose(found.compressed(), expected, rtol=1e-6)


def test_one_pair_per_call_named_by_its_time(tmp_path):
    given = messages()
    for time in (0.0, 600.0, 1200.5):
        write(given, time, folder=str(tmp_path))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(
        f"{w}_{t}.tif" for w in ("lst", "residual") for t in ("0", "600", "1200.5")
    )


def test_only_where_something_was_seen(tmp_path):
    given = messages()
    given["residual_in"]["valid"][:] = False
    write(given, folder=str(tmp_path), when="observed")
    assert not list(tmp_path.iterdir())
    given["residual_in"]["valid"][0, 0] = True
    write(given, folder=str(tmp_path), when="observed")
    assert len(list(tmp_path.iterdir())) == 2


def test_nothing_is_overwritten_unless_asked(tmp_path):
    given = messages()
    write(given, folder=str(tmp_path / "new"))
    with pytest.raises(
        ValueError, match=r"lst_0.tif exists and is not overwritten: choose another"
    ):
        write(given, folder=str(tmp_path / "new"))
    write(given, folder=str(tmp_path / "new"), overwrite=True)
    assert not list(tmp_path.rglob("*.part*"))


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"the folder .*file/inside cannot be made"):
        write(messages(), folder=str(tmp_path / "file/inside"))


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "lst_0.part.tif").mkdir()
    with pytest.raises(ValueError, match=r"lst_0.part.tif cannot be written: "):
        write(messages(), folder=str(tmp_path))


def test_no_format_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(messages(), format="none")
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- blocks


@pytest.mark.parametrize("shape", [(700, 900), (256, 512), (100, 80), (257, 255)])
@pytest.mark.parametrize("tile", [50, 137, 256, 400, 1000])
def test_windows_in_any_order_give_every_block_once(shape, tile):
    values = np.random.default_rng(10).random(shape)
    corners = [(i, j) for i in range(0, shape[0], tile) for j in range(0, shape[1], tile)]
    np.random.default_rng(11).shuffle(corners)
    blocks, found, times = Blocks(shape), np.full(shape, np.nan), np.zeros(shape, int)
    for number, (i, j) in enumerate(corners):
        if number == len(corners) // 2:
            blocks = Blocks.from_arrays(blocks.arrays())
        for piece in blocks.take(values[i : i + tile, j : j + tile], i, j):
            assert piece.row % SIZE == 0
            assert piece.column % SIZE == 0
            where = np.s_[
                piece.row : piece.row + piece.values.shape[0],
                piece.column : piece.column + piece.values.shape[1],
            ]
            found[where] = piece.values
            times[where] += 1
    assert not list(blocks.rest())
    np.testing.assert_array_equal(found, values)
    assert (times == 1).all()


def whole_in_tiles(folder, values, valid, tile, interrupted=False):
    """Write a raster tile by tile, through a copy of the files halfway if asked; its path."""
    path, rows, columns = folder / "lst_0.tif", *values.shape
    place = kernel.Place(PLACE, (rows, columns), UTM)
    files = kernel.OpenFiles()
    files.begin(path, place, kernel.Meaning("x", "K"), kernel.Coded())
    corners = [(i, j) for i in range(0, rows, tile) for j in range(0, columns, tile)]
    for number, (i, j) in enumerate(corners):
        if interrupted and number == len(corners) // 2:
            files.save(folder / "saved")
            for more in (*corners[number : number + 2],):  # what the interrupted run still did
                files[path].put(values[more[0] :][:tile, more[1] :][:, :tile],
                                valid[more[0] :][:tile, more[1] :][:, :tile], *more)  # fmt: skip
            files.close()
            (folder / "new").mkdir()
            files, path = kernel.OpenFiles(), folder / "new/lst_0.tif"
            files.load(folder / "saved", folder / "new")
        part = np.s_[i : i + tile, j : j + tile]
        files[path].put(values[part], valid[part], i, j)
    files.finish()
    return path


def test_tiles_give_the_file_that_is_written_at_once(tmp_path):
    rng = np.random.default_rng(12)
    values, valid = 300.0 + rng.random((600, 700)), rng.random((600, 700)) > 0.05
    for name in ("tiles", "broken"):
        (tmp_path / name).mkdir()
    once = tmp_path / "once.tif"
    place = kernel.Place(PLACE, values.shape, UTM)
    kernel.write(once, values, valid, place, kernel.Meaning("x", "K"), kernel.Coded())
    tiled = whole_in_tiles(tmp_path / "tiles", values, valid, 150)
    resumed = whole_in_tiles(tmp_path / "broken", values, valid, 150, interrupted=True)
    for path in (tiled, resumed):
        with rasterio.open(once) as one, rasterio.open(path) as other:
            np.testing.assert_array_equal(one.read(1), other.read(1))
    assert tiled.stat().st_size < 1.01 * once.stat().st_size


def test_files_have_their_names_when_they_are_complete(tmp_path):
    place = kernel.Place(PLACE, (300, 300), UTM)
    files = kernel.OpenFiles()
    files.begin(tmp_path / "lst_0.tif", place, kernel.Meaning("x", "K"), kernel.Coded())
    files[tmp_path / "lst_0.tif"].put(np.ones((100, 300)), np.ones((100, 300), bool), 0, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["lst_0.part.tif"]
    files.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["lst_0.tif"]
    with rasterio.open(tmp_path / "lst_0.tif") as file:
        assert np.isfinite(file.read(1)).sum() == 100 * 300


def test_what_halos_gave_is_left_away(tmp_path):
    model = TileWriter(folder=str(tmp_path))
    engine = TileWriter.Engine()
    engine.open(model)
    object.__setattr__(model, "engine", engine)
    wide = np.arange(80.0).reshape(8, 10)
    tile = {"lst": wide, "valid": np.ones((8, 10), bool), "geotransform": PLACE, "crs": UTM}
    left = {"residual": np.eye(4), "valid": np.ones((4, 4), bool), "geotransform": COARSE,
            "crs": UTM}  # fmt: skip
    empty = {"lst": np.zeros((0, 0)), "valid": np.zeros((0, 0), bool), "geotransform": PLACE,
             "crs": UTM}  # fmt: skip
    none = {**left, "residual": np.zeros((0, 0)), "valid": np.zeros((0, 0), bool)}
    window = {
        "fine": np.array([[0, 0, 6, 7], [0, 0, 0, 0]]), "fine_skip": np.array([[1, 2], [0, 0]]),
        "coarse": np.array([[0, 0, 2, 2], [0, 0, 0, 0]]), "coarse_skip": np.array([[1, 1], [0, 0]]),
        "fine_shape": np.array([6, 7]), "coarse_shape": np.array([2, 2]), "geotransform": PLACE,
        "coarse_geotransform": COARSE, "crs": UTM, "last": True, "about": "",
    }  # fmt: skip
    received = ms.Received({
        "lst_in": [ms.Contact(0.0, None, m) for m in (tile, empty)],
        "residual_in": [ms.Contact(0.0, None, m) for m in (left, none)],
        "window_in": ms.Contact(0.0, None, window),
    })  # fmt: skip
    state = model.f_init(ms.Start(0.0), received)
    assert state.tiles == 1
    with rasterio.open(tmp_path / "lst_0.tif") as file:
        np.testing.assert_array_equal(file.read(1), wide[1:7, 2:9])
    with rasterio.open(tmp_path / "residual_0.tif") as file:
        np.testing.assert_array_equal(file.read(1), np.eye(4)[1:3, 1:3])


def test_paths_are_paths(tmp_path):
    assert kernel.partial(Path("a/lst_0.5.tif")) == Path("a/lst_0.5.part.tif")
