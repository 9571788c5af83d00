"""A scene from 500 m to 30 m: means that were seen, files that GIS open, and what is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rasterio", reason="the extra rs")

import rasterio

import manyscale as ms
from manyscale.coupling.prove import diagnose
from manyscale.hosting.in_process import run
from manyscale.testing import differences
from manyscale_plugins.surface_scene.areas import coarse_means
from manyscale_plugins.surface_scene.grids import Grid
from manyscale_plugins.surface_scene.paths import shipped
from toys.scenes import NAMES, UTM, pair, surface, tif

SPEC = Path(__file__).parents[2] / "coupling_specs/lst_downscaling"
FILES = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
LIMIT = 200.0  # s
PORTS = ["constraint.lst_out", "constraint.residual_out", "model.lst_out", "scene.coarse_out"]


def downscaled(folder, spec=SPEC, **settings):
    """Messages of the ports after a run in this process that writes to a folder."""
    given = {name.replace("__", "."): value for name, value in settings.items()}
    out = run(spec, {"writer.folder": str(folder), **given}, record=PORTS)
    return {port: out.recorded[port][-1].messages[0] for port in PORTS}


def grid(message, shape):
    west, width, _, north, _, down = message["geotransform"]
    return Grid(west, north, width, -down, shape, message["crs"])


def left(lst, valid, fine, coarse, observed):
    """Means of the fine pixels less the coarse ones, worked out here."""
    found = coarse_means(np.where(valid, lst, np.nan), fine, coarse)
    return found - observed


def check_means(sent, covered=0.5):
    """Every valid coarse pixel that is covered has its mean, by areas worked out here."""
    out, seen = sent["constraint.lst_out"], sent["scene.coarse_out"]
    fine, coarse = grid(out, out["lst"].shape), grid(seen, seen["lst"].shape[1:])
    held = sent["constraint.residual_out"]["valid"]
    off = left(out["lst"], out["valid"], fine, coarse, seen["lst"][0])
    assert held.any()
    assert np.abs(off[held]).max() <= 1e-9
    np.testing.assert_array_equal(held, held & seen["valid"][0])
    return held


# ---------------------------------------------------------------- files in, files out


def test_the_written_file_reproduces_the_coarse_input(tmp_path):
    downscaled(tmp_path)
    with rasterio.open(shipped("coarse")) as file:
        seen = file.read(1, masked=True)
        coarse = Grid(*file.transform.to_gdal()[:4:3], 500.0, 500.0, file.shape, UTM)
    with rasterio.open(tmp_path / "lst_0.tif") as file:
        fine = Grid(*file.transform.to_gdal()[:4:3], 30.0, 30.0, file.shape, UTM)
        assert file.crs.to_epsg() == 32633
        found = file.read(1)
    assert np.isfinite(found).all()
    means = coarse_means(found, fine, coarse)
    there = ~np.ma.getmaskarray(seen)
    assert there.sum() == 218
    assert np.abs(means - seen.data)[there].max() <= 1e-9
    with rasterio.open(tmp_path / "residual_0.tif") as file:
        residual = file.read(1)
    np.testing.assert_array_equal(np.isfinite(residual), there)
    assert np.abs(residual[there]).max() <= 1e-9


@pytest.mark.skipif(shutil.which("gdalwarp") is None, reason="GDAL's own tools are not installed")
def test_gdal_averages_the_file_back_onto_the_coarse_grid(tmp_path):
    # 10 fine pixels per coarse one, so that GDAL's average has no weights to find
    lst_file, fine_file, lst, _ = pair(tmp_path, coarse=(8, 9))
    downscaled(tmp_path / "out", scene__coarse=str(lst_file), scene__fine=str(fine_file))
    (tmp_path / "out").mkdir(exist_ok=True)
    command = ["gdalwarp", "-q", "-r", "average", "-tr", "300", "300", "-te", "600000",
               str(5600010 - 8 * 300), str(600000 + 9 * 300), "5600010",
               str(tmp_path / "out/lst_0.tif"), str(tmp_path / "back.tif")]  # fmt: skip
    subprocess.run(command, check=True, timeout=60)
    with rasterio.open(tmp_path / "back.tif") as file:
        np.testing.assert_allclose(file.read(1), lst, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("coarse", "fine", "shape", "corner"),
    [
        (500.0, 30.0, (7, 5), (0.0, 0.0)),  # straddling
        (463.3127, 30.0, (6, 6), (0.0, 0.0)),  # no line in common
        (500.0, 30.0, (5, 9), (137.0, -211.0)),  # shifted, so that some are covered in part
        (90.0, 40.0, (9, 4), (20.0, 30.0)),  # few fine pixels in a coarse one
        (300.0, 300.0, (5, 6), (0.0, 0.0)),  # equal
        (1000.0, 31.7, (3, 4), (0.0, 0.0)),
    ],
)
def test_means_are_met_on_every_grid_with_clouds_and_nodata(tmp_path, coarse, fine, shape, corner):
    rng = np.random.default_rng(20)
    lst = 300.0 + 8.0 * rng.random(shape)
    lst[rng.random(shape) < 0.15] = np.nan
    rows, columns = (int(n * coarse / fine) for n in shape)
    data = surface(max(rows, 1), max(columns, 1))
    if fine < coarse:
        data[1][rng.random(data[1].shape) < 0.1] = np.nan
    lst_file = tif(tmp_path / "c.tif", lst, coarse)
    place = 600000.0 + corner[0], 5600010.0 + corner[1]
    fine_file = tif(tmp_path / "f.tif", data, fine, names=NAMES, corner=place)
    sent = downscaled(tmp_path, scene__coarse=str(lst_file), scene__fine=str(fine_file))
    held = check_means(sent)
    assert held.sum() >= 0.4 * held.size
    out, model = sent["constraint.lst_out"], sent["model.lst_out"]
    np.testing.assert_array_equal(out["valid"], model["valid"])
    if fine == coarse:
        found, seen = out["lst"][held], sent["scene.coarse_out"]["lst"][0][held]
        np.testing.assert_allclose(found, seen, rtol=0, atol=1e-12)


@pytest.mark.parametrize("aggregate", ["T", "T4"])
@pytest.mark.parametrize("length", [0.0, 1000.0])
def test_synthetic_scenes(tmp_path, aggregate, length):
    spec = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "synthetic")]
    settings = {"scene__n_fine": [200, 173], "scene__cloud_fraction": 0.1,
                "constraint__aggregate_in": aggregate, "correlation_length": length}  # fmt: skip
    sent = downscaled(tmp_path, spec, **settings)
    out, seen = sent["constraint.lst_out"], sent["scene.coarse_out"]
    fine, coarse = grid(out, out["lst"].shape), grid(seen, seen["lst"].shape[1:])
    power = 4 if aggregate == "T4" else 1
    means = coarse_means(out["lst"] ** power, fine, coarse) ** (1.0 / power)
    held = sent["constraint.residual_out"]["valid"]
    np.testing.assert_array_equal(held, seen["valid"][0] & (covered(fine, coarse) >= 0.5))
    assert np.abs(means - seen["lst"][0])[held].max() <= 1e-9


def covered(fine, coarse):
    from manyscale_plugins.surface_scene.areas import coarse_sums

    return coarse_sums(np.ones(fine.shape), fine, coarse)


def test_uncertain_observations_leave_a_standard_deviation(tmp_path):
    settings = {
        "scene__coarse_sigma": 0.5,
        "constraint__method": "tikhonov",
        "constraint__uncertainty": True,
        "constraint__correlation_length": 1000.0,
    }
    sent = downscaled(tmp_path, **settings)
    held = sent["constraint.residual_out"]["valid"]
    off = np.abs(sent["constraint.residual_out"]["residual"][held])
    assert 1e-3 < off.max() < 3.0
    with rasterio.open(tmp_path / "lst_std_0.tif") as file:
        std = file.read(1)
        assert file.units == ("K",)
    assert np.isfinite(std).all()
    assert 0.0 < std.min() < std.max() <= 1.0 + 1e-12
    seen = np.kron(held, np.ones((17, 17)))[: std.shape[0], : std.shape[1]] > 0
    assert std[seen].mean() < std[~seen].mean()  # less is known under clouds


@pytest.mark.parametrize("other", ["downscaling_baseline", "tree_sharpener"])
def test_one_line_changes_the_model(tmp_path, other):
    if other == "tree_sharpener":
        pytest.importorskip("sklearn", reason="the extra surrogate")
    text = (SPEC / "model.ymmsl").read_text()
    line = "implementation: surface_energy_balance"
    (tmp_path / "model.ymmsl").write_text(
        text.replace(f"        {line}", f"        {line[:16]}{other}")
    )
    files = [tmp_path / "model.ymmsl", *FILES[1:]]
    assert not diagnose(files).errors
    sent = downscaled(tmp_path, files)
    check_means(sent)
    with rasterio.open(shipped("truth")) as file:
        truth = file.read(1) * file.scales[0] + file.offsets[0]
    off = np.sqrt(np.mean((sent["constraint.lst_out"]["lst"] - truth) ** 2))
    assert 0.2 < off < 0.5


# ---------------------------------------------------------------- what is refused


def bad(tmp_path, what):
    """Settings of a scene with one thing wrong."""
    lst_file, fine_file, lst, data = pair(tmp_path)
    coarse, fine = lst_file, fine_file
    if what == "celsius":
        coarse = tif(tmp_path / "c.tif", lst - 273.15, 300.0)
    elif what == "masked":
        coarse = tif(tmp_path / "m.tif", np.full_like(lst, -1.0), 300.0, nodata=-1.0)
    elif what == "elsewhere":
        fine = tif(tmp_path / "e.tif", data, 30.0, names=NAMES, corner=(400000.0, 5600010.0))
    elif what == "swapped":
        corner = (5600010.0 - 1200.0, 600000.0 + 1500.0)
        fine = tif(tmp_path / "s.tif", data, 30.0, names=NAMES, corner=corner)
    elif what == "truncated":
        content = fine_file.read_bytes()
        fine = tmp_path / "t.tif"
        fine.write_bytes(content[: len(content) // 2])
    elif what == "exchanged":
        coarse, fine = fine_file, lst_file
    elif what == "emissivity":
        data[2] = 1.2
        fine = tif(tmp_path / "h.tif", data, 30.0, names=NAMES)
    return {"scene.coarse": str(coarse), "scene.fine": str(fine)}


SAYS = {
    "celsius": r"c.tif reaches from .* is the file in degrees Celsius\? Then set coarse_unit",
    "masked": r"no pixel of m.tif is left: of 20, 20 have no value",
    "elsewhere": r"lst.tif \(x 600000 .* and e.tif, .* do not overlap in EPSG:32633",
    "swapped": r"if x and y of one of them were exchanged: look at its axes",
    "truncated": r"t.tif.* truncated",
    "exchanged": r"fine.tif has albedo, ndvi, emissivity: set coarse_variable",
    "emissivity": r"h.tif, band emissivity reaches .* expected emissivity from 0 to 1",
}


@pytest.mark.parametrize("what", SAYS)
def test_bad_files_get_one_sentence(tmp_path, what):
    settings = {**bad(tmp_path, what), "writer.folder": str(tmp_path / "out")}
    with pytest.raises(ms.Refused, match=SAYS[what]) as caught:
        run(SPEC, settings)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").glob("*"))


def test_a_file_that_is_not_there_is_told_before_launch(tmp_path):
    lst_file, _, _, _ = pair(tmp_path)
    (problem,) = diagnose([SPEC], {"scene.coarse": str(tmp_path / "lts.tif")}).problems
    assert problem.code == "SCENE01"
    assert f"no such file; did you mean {lst_file}?" in problem.text


@pytest.mark.parametrize("machine", ["laptop", "slurm", "synthetic"])
def test_the_spec_is_clean_on_every_machine(machine):
    diagnosis = diagnose([SPEC], machine=machine)
    assert not diagnosis.problems, "\n".join(map(str, diagnosis.problems))


# ---------------------------------------------------------------- launched


@pytest.mark.coupled
def test_manyscale_run_on_files_of_a_user(tmp_path):
    (tmp_path / "my data").mkdir()
    lst_file, fine_file, lst, _ = pair(tmp_path / "my data", coarse=(9, 9))
    given = ["--set", "scene.coarse=my data/lst.tif", "--set", f"scene.fine={fine_file}"]
    command = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", "run", *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OFF" not in done.stdout
    assert done.stdout.count(" ok ") == 3
    written = tmp_path / "run/instances/writer/workdir/lst_0.tif"
    with rasterio.open(written) as file:
        found, tags = file.read(1), file.tags()
    means = found.reshape(9, 10, 9, 10).mean(axis=(1, 3))
    np.testing.assert_allclose(means, lst, rtol=0, atol=1e-9)
    assert "coarse file: lst.tif, 9 x 9 pixels of 300 in EPSG:32633" in tags["SCENE"]
    assert tags["RUN"] == "run"
    kept = json.loads((tmp_path / "run/provenance.json").read_text())["input_sha256"]
    assert set(kept) == {str(lst_file), str(fine_file)}
    assert (tmp_path / "run/figure.png").stat().st_size > 10_000


@pytest.mark.coupled
def test_plain_muscle_manager_and_this_process_give_the_same_bits(tmp_path):
    manager = shutil.which("muscle_manager", path=str(Path(sys.executable).parent))
    plain = tmp_path / "plain"
    plain.mkdir()
    command = [manager, "--start-all", "--run-dir", plain, *FILES]
    subprocess.run(command, check=True, capture_output=True, timeout=LIMIT, cwd=tmp_path)
    run(FILES, {"writer.folder": str(tmp_path / "files")}, folder=tmp_path / "here")
    assert differences(plain, tmp_path / "here") == []
    for name in ("lst_0.tif", "residual_0.tif"):
        launched, here = plain / "instances/writer/workdir" / name, tmp_path / "files" / name
        with rasterio.open(launched) as one, rasterio.open(here) as other:
            np.testing.assert_array_equal(one.read(1), other.read(1))


@pytest.mark.nightly
@pytest.mark.coupled
def test_a_refusal_in_a_launched_run_is_one_sentence(tmp_path):
    given = [
        word for pair_ in bad(tmp_path, "celsius").items() for word in ("--set", "=".join(pair_))
    ]
    command = [sys.executable, "-m", "manyscale.cli", "run", SPEC, *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    *victims, cause = done.stderr.strip().splitlines()
    assert "is the file in degrees Celsius? Then set coarse_unit to degC" in cause
    assert all(line.startswith("manyscale: Ended because of it: ") for line in victims)
