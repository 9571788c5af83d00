"""A scene in tiles is the scene in one piece, for any workers, and goes on after a kill."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

pytest.importorskip("rasterio", reason="the extra rs")

import rasterio

import manyscale as ms
from manyscale.coupling.prove import diagnose
from manyscale.hosting.in_process import run
from manyscale.launching import snapshots
from manyscale.launching.local import command, launch
from manyscale.registry import mpi_family
from manyscale_plugins.surface_scene import tiling
from manyscale_plugins.surface_scene.areas import coarse_means
from manyscale_plugins.surface_scene.grids import Grid
from toys.scenes import NAMES, surface, tif

SPECS = Path(__file__).parents[2] / "coupling_specs"
SPEC = SPECS / "lst_downscaling_tiles"
WHOLE = SPECS / "lst_downscaling"
LIMIT = 200.0  # s


def spec_of(folder, workers):
    """The files of the spec with another number of workers."""
    text = (SPEC / "model.ymmsl").read_text()
    assert text.count("multiplicity: 2") == 2
    path = folder / f"{workers}.ymmsl"
    path.write_text(text.replace("multiplicity: 2", f"multiplicity: {workers}"))
    return [path, SPEC / "settings.ymmsl", SPEC / "laptop.ymmsl"]


def in_tiles(folder, workers=2, **settings):
    """Written temperatures (row, column) and residuals (r, c) of a run in this process."""
    given = {name.replace("__", "."): value for name, value in settings.items()}
    target = folder / f"tiles_{len(list(folder.glob('tiles_*')))}"
    run(spec_of(folder, workers), {"writer.folder": str(target), **given})
    return written(target)


def in_one_piece(folder, **settings):
    given = {name.replace("__", "."): value for name, value in settings.items()}
    target = folder / "whole"
    run(WHOLE, {"writer.folder": str(target), **given})
    return written(target)


def written(folder):
    found = []
    for name in ("lst_0.tif", "residual_0.tif"):
        with rasterio.open(folder / name) as file:
            found.append(file.read(1))
    assert not list(folder.glob("*.part*"))
    return found


def scene(folder, coarse, fine, shape, offset=(0.0, 0.0), seed=21):
    """Write a scene with clouds and nodata; settings that read it."""
    rng = np.random.default_rng(seed)
    lst = 300.0 + 6.0 * rng.random(shape)
    lst[rng.random(shape) < 0.1] = np.nan
    rows, columns = (int(n * coarse / fine) for n in shape)
    data = surface(rows, columns)
    data[0][rng.random((rows, columns)) < 0.05] = np.nan
    place = 600000.0 + offset[0], 5600010.0 + offset[1]
    lst_file = tif(folder / "lst.tif", lst, coarse)
    fine_file = tif(folder / "fine.tif", data, fine, names=NAMES, corner=place)
    return {"scene__coarse": str(lst_file), "scene__fine": str(fine_file)}


def test_one_two_and_three_workers_are_the_same_bits(tmp_path):
    first = in_tiles(tmp_path, workers=1)
    for workers in (2, 3):
        other = in_tiles(tmp_path, workers=workers)
        for one, two in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("coarse", "fine", "shape", "offset", "tile"),
    [
        (500.0, 30.0, (14, 11), (0.0, 0.0), 4),  # lines in common every 3 coarse pixels
        (463.3127, 30.0, (24, 13), (0.0, 0.0), 7),  # none
        (500.0, 30.0, (22, 14), (137.0, -211.0), 5),
        (60.0, 40.0, (60, 24), (11.0, 7.0), 11),  # a change decays slowly
        (300.0, 30.0, (8, 8), (0.0, 0.0), 3),  # nested
        (500.0, 30.0, (7, 7), (0.0, 0.0), 1),
    ],
)
def test_tiles_are_the_scene_in_one_piece(tmp_path, coarse, fine, shape, offset, tile):
    settings = scene(tmp_path, coarse, fine, shape, offset)
    lst, residual = in_tiles(tmp_path, scene__tile=tile, **settings)
    whole, left = in_one_piece(tmp_path, **settings)
    np.testing.assert_array_equal(np.isfinite(lst), np.isfinite(whole))
    there = np.isfinite(whole)
    assert np.abs(lst - whole)[there].max() <= 1e-9
    np.testing.assert_array_equal(np.isfinite(residual), np.isfinite(left))
    assert np.nanmax(np.abs(residual)) <= 1e-9
    fine_grid, coarse_grid = grids(tmp_path / "whole")
    means = coarse_means(lst, fine_grid, coarse_grid)
    with rasterio.open(settings["scene__coarse"]) as file:
        seen = file.read(1)
    off = (means - seen[: means.shape[0], : means.shape[1]])[np.isfinite(left)]
    assert np.abs(off).max() <= 1e-9


def grids(folder):
    found = []
    for name in ("lst_0.tif", "residual_0.tif"):
        with rasterio.open(folder / name) as file:
            west, width, _, north, _, down = file.transform.to_gdal()
            found.append(Grid(west, north, width, -down, file.shape, "EPSG:32633"))
    return found


@pytest.mark.parametrize("tile", [5, 9])
def test_smooth_corrections_reach_across_the_edges_of_tiles(tmp_path, tile):
    settings = scene(tmp_path, 500.0, 50.0, (26, 24)) | {"correlation_length": 1000.0}
    lst, _ = in_tiles(tmp_path, scene__tile=tile, **settings)
    whole, _ = in_one_piece(tmp_path, **settings)
    assert np.nanmax(np.abs(lst - whole)) <= 1e-9


def test_a_halo_that_is_too_small_is_seen(tmp_path):
    # so that the comparison above is worth something
    settings = scene(tmp_path, 60.0, 40.0, (60, 24), (11.0, 7.0))
    lst, _ = in_tiles(tmp_path, scene__tile=11, scene__halo=1, **settings)
    whole, _ = in_one_piece(tmp_path, **settings)
    assert np.nanmax(np.abs(lst - whole)) > 1e-6


@pytest.mark.parametrize("count", [(10, 17), (100, 30)])
@pytest.mark.parametrize("size", [(500.0, 30.0), (463.3127, 30.0), (60.0, 60.0), (100.0, 7.0)])
@pytest.mark.parametrize("tile", [0, 1, 3, 8])
def test_every_pixel_belongs_to_one_tile(count, size, tile):
    coarse = Grid(12.0, 5.0, size[0], size[0], count, "EPSG:32633")
    shape = tuple(int(n * size[0] / size[1]) for n in count)
    fine = Grid(12.0 + 3.0, 5.0 + 8.0, size[1], size[1], shape, "EPSG:32633")
    for axis in (0, 1):
        cut = tiling.cut(coarse, fine, axis, tile, 2)
        for own, all_of, length in (
            (cut.coarse, cut.coarse_read, count[axis]), (cut.fine, cut.fine_read, shape[axis]),
        ):  # fmt: skip
            assert own[0, 0] == 0
            assert own[-1, 1] == length
            np.testing.assert_array_equal(own[1:, 0], own[:-1, 1])
            assert (own[:, 1] > own[:, 0]).all()
            assert (all_of[:, 0] <= own[:, 0]).all()
            assert (all_of[:, 1] >= own[:, 1]).all()
        if tile and size == (500.0, 30.0) and axis == 1 and tile == 3:
            assert len(cut.coarse) > 1


def test_edges_lie_on_common_lines_where_there_are_some():
    coarse = Grid(0.0, 0.0, 500.0, 500.0, (30, 30), "EPSG:32633")
    fine = Grid(0.0, 0.0, 30.0, 30.0, (500, 500), "EPSG:32633")
    cut = tiling.cut(coarse, fine, 0, 7, 9)
    np.testing.assert_array_equal(cut.coarse % 3, 0)
    np.testing.assert_array_equal(cut.coarse, cut.coarse_read)
    np.testing.assert_array_equal(cut.fine, cut.fine_read)
    np.testing.assert_array_equal(cut.fine * 30, cut.coarse * 500)
    assert not tiling.needs_halo(coarse, fine, 7)
    assert tiling.needs_halo(coarse, fine._replace(west=7.0), 7)


def test_only_a_round_of_tiles_is_read_at_a_time(tmp_path, monkeypatch):
    from manyscale_plugins.surface_scene.kernel import Scene

    read, surfaces = [], Scene.surface

    def noted(self, window):
        read.append(tuple(part.stop - part.start for part in window))
        return surfaces(self, window)

    monkeypatch.setattr(Scene, "surface", noted)
    in_tiles(tmp_path, **scene(tmp_path, 500.0, 30.0, (18, 18)), scene__tile=3)
    assert len(read) == 36
    assert max(rows * columns for rows, columns in read) == 50 * 50


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"scene.coarse": "nix.tif"}, "SCENE01 error: scene.coarse names nix.tif"),
        (
            {"constraint.correlation_length": 500.0},
            r"SCENE02 error: constraint\[0\].correlation_length is 500 and scene.correlation_len",
        ),
    ],
)
def test_mistakes_before_launch(settings, says):
    with pytest.raises(ms.Refused, match=says):
        run(SPEC, settings)


def test_a_bad_tile_is_named(tmp_path):
    settings = scene(tmp_path, 500.0, 30.0, (9, 9))
    with rasterio.open(settings["scene__fine"], "r+") as file:
        data = file.read()
        data[2, 120, 130] = 1.5
        file.write(data)
    with pytest.raises(ms.Refused, match=r"fine.tif, band emissivity reaches from .* to 1.5"):
        in_tiles(tmp_path, scene__tile=3, **settings)


@pytest.mark.parametrize("machine", ["laptop", "slurm", "mpi"])
def test_the_spec_is_clean_on_every_machine(machine):
    diagnosis = diagnose([SPEC], machine=machine, with_machine=machine != "mpi")
    assert not diagnosis.problems, "\n".join(map(str, diagnosis.problems))


# ---------------------------------------------------------------- launched


@pytest.mark.coupled
def test_manyscale_run_ends_with_table_and_figure(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", "run"],
        capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "OFF" not in done.stdout
    assert done.stdout.count(" ok ") == 2
    assert (tmp_path / "run/figure.png").stat().st_size > 10_000
    here = in_tiles(tmp_path)
    for one, other in zip(written(tmp_path / "run/instances/writer/workdir"), here, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.nightly
@pytest.mark.coupled
def test_ranks_under_plain_muscle_manager_give_the_same_bits(tmp_path):
    if mpi_family.mpirun(Path(sys.executable)) is None:
        pytest.skip("there is no mpirun: pip install manyscale[mpi]")
    manager = shutil.which("muscle_manager", path=str(Path(sys.executable).parent))
    (tmp_path / "run").mkdir()
    files = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "mpi")]
    subprocess.run(
        [manager, "--start-all", "--run-dir", tmp_path / "run", *files],
        check=True, capture_output=True, timeout=LIMIT, cwd=tmp_path,
    )  # fmt: skip
    here = in_tiles(tmp_path)
    for one, other in zip(written(tmp_path / "run/instances/writer/workdir"), here, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.nightly
@pytest.mark.coupled
def test_a_killed_run_goes_on_to_the_same_file(tmp_path):
    rules = {"at_end": True, "wallclock_time": [{"every": 0.3}]}
    sizes = {**scene(tmp_path, 500.0, 30.0, (30, 20)), "scene__tile": 1}
    settings = {name.replace("__", "."): value for name, value in sizes.items()}
    more = tmp_path / "more.ymmsl"
    more.write_text(yaml.safe_dump({"ymmsl_version": "v0.2", "checkpoints": rules,
                                    "settings": settings}))  # fmt: skip
    files = [*spec_of(tmp_path, 2), more]
    killed, resumed = tmp_path / "killed", tmp_path / "resumed"
    kill_after(files, killed, 2)
    assert not (killed / "instances/writer/workdir/lst_0.tif").exists()
    resumed.mkdir()
    launch([*files, snapshots.newest(killed)], resumed, time_limit=LIMIT)
    whole = in_tiles(tmp_path, **sizes)
    found = written(resumed / "instances/writer/workdir")
    for one, other in zip(found, whole, strict=True):
        np.testing.assert_array_equal(one, other)


def kill_after(files, folder, sets):
    """Start a run and kill every process of it after so many snapshots."""
    folder.mkdir()
    with (folder / "output.txt").open("w") as log:
        manager = subprocess.Popen(
            command(files, folder), stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + LIMIT
    while len(snapshots.sets(folder)) < sets:
        assert manager.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline, "no snapshot in time"
        time.sleep(0.001)
    leader = psutil.Process(manager.pid)
    for process in [*leader.children(recursive=True), leader]:
        if process.is_running():
            os.kill(process.pid, signal.SIGKILL)
    manager.wait()
