"""Both scales in one box: what index and coupling are judged by."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import yaml

from manyscale.coupling.prove import diagnose
from manyscale.hosting.in_process import run
from manyscale.testing import differences

SPEC = Path(__file__).parents[2] / "coupling_specs/plasma_direct"
LIMIT = 280.0  # s
SMALL = {
    "dispersion.nk": 24, "both_scales.n": 64, "both_scales.box": 32.0,
    "both_scales.run_length": 1e-6, "both_scales.exchanges": 3, "both_scales.samples": 10,
}  # fmt: skip


def test_both_ranges_grow_as_their_spectrum_says():
    quiet = {"both_scales.noise": 1e-14, "both_scales.hyper_nu": 0.0, "both_scales.samples": 1}
    few = {**SMALL, **quiet, "both_scales.exchanges": 1}
    out = run(SPEC, few, record=["both_scales.map_out"])
    state = out.states["both_scales"]
    first, last = (one.messages[0]["phi"] for one in out.recorded["both_scales.map_out"])
    modes = [np.fft.rfft2(phi)[0, 1:11] for phi in (first, last)]  # the noise has k < 2
    rate = np.log(np.abs(modes[1] / modes[0])) / 1e-6
    expected = state.columns[0, 1:11] * state.units[1]
    assert np.count_nonzero(state.columns[1]) >= 3
    assert np.count_nonzero(state.columns[2]) >= 10
    np.testing.assert_allclose(rate, expected, atol=1e-4 * expected.max())


@pytest.mark.coupled
def test_manyscale_run_and_this_process_give_the_same_bits(tmp_path):
    words = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", tmp_path / "run"]
    words += [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OFF" not in done.stdout
    assert done.stdout.count(" ok ") == 1
    assert (tmp_path / "run/figure.png").stat().st_size > 10_000
    run(SPEC, SMALL, folder=tmp_path / "here")
    assert differences(tmp_path / "run", tmp_path / "here") == []


def test_the_movie_has_a_frame_for_every_exchange(tmp_path):
    from PIL import Image

    spec = importlib.util.spec_from_file_location("movie", SPEC / "movie.py")
    movie = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(movie)
    plt.switch_backend("Agg")
    movie.film(movie.maps(2), tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 3


@pytest.mark.coupled
@pytest.mark.nightly
def test_plain_muscle_manager_and_this_process_give_the_same_bits(tmp_path):
    small, plain = tmp_path / "small.ymmsl", tmp_path / "plain"
    small.write_text(yaml.safe_dump({"ymmsl_version": "v0.2", "settings": SMALL}))
    plain.mkdir()
    files = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
    manager = shutil.which("muscle_manager", path=str(Path(sys.executable).parent))
    words = [manager, "--start-all", "--run-dir", plain, *files, small]
    subprocess.run(words, check=True, capture_output=True, timeout=LIMIT, cwd=tmp_path)
    run(SPEC, SMALL, folder=tmp_path / "here")
    assert differences(plain, tmp_path / "here") == []


@pytest.mark.parametrize("machine", ["laptop", "slurm"])
def test_the_spec_is_clean(machine):
    diagnosis = diagnose([SPEC], machine=machine)
    assert not diagnosis.problems, "\n".join(map(str, diagnosis.problems))
