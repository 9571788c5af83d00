"""Films of first-principles silicon: the coupled output against the file, and both hosts."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import manyscale as ms
from manyscale import testing
from manyscale.coupling.prove import diagnose
from manyscale.hosting.in_process import run
from manyscale.testing import differences
from manyscale_plugins.phonon_bte import exact
from manyscale_plugins.phonon_bte.spectrum import spectrum
from manyscale_plugins.phonon_modes import PhononModes, table
from toys.interrupted import as_one_file, resumed

SPEC = Path(__file__).parents[2] / "coupling_specs/phonon_film_first_principles"
FILES = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
LIMIT = 200.0  # s


@pytest.fixture(scope="module")
def shown():
    """What the coupled run found, in this process."""
    out = run(SPEC, {}, record=["films.all_out"])
    return out.recorded["films.all_out"][-1].messages[0]


def silicon(T):
    return PhononModes(table_file="silicon_pbesol").modes(T)


def test_thick_films_conduct_as_the_file_says(shown):
    known = table.read(table.path_of("silicon_pbesol"))
    for n, T in enumerate(shown["temperature"]):
        kappa = known.kappa[np.flatnonzero(known.temperatures == T)[0]]
        assert shown["thickness"][-1] == 0.01
        assert shown["conductivity"][-1, n] == pytest.approx(kappa, rel=1e-3)


def test_films_of_a_hundred_nanometres_solve_the_integral_equation(shown):
    place = int(np.flatnonzero(shown["thickness"] == 1e-7)[0])
    for n, T in enumerate(shown["temperature"]):
        known = exact.extrapolated_flux(spectrum(*silicon(T)), 1e-7, 600, (0.5, -0.5)) * 1e-7
        assert shown["conductivity"][place, n] == pytest.approx(known, rel=1e-5)


def test_films_conduct_more_the_thicker_and_never_more_than_the_limits(shown):
    assert (np.diff(shown["conductivity"], axis=0) > 0.0).all()
    for n, T in enumerate(shown["temperature"]):
        modes = spectrum(*silicon(T))
        least = exact.ballistic(modes, 1.0) * shown["thickness"]
        assert (shown["conductivity"][:, n] < np.minimum(least, modes.conductivity)).all()


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """The shipped spec under `manyscale run`."""
    place = tmp_path_factory.mktemp("launched")
    command = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", place / "run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=place)
    assert done.returncode == 0, done.stderr
    return place / "run", done.stdout


@pytest.mark.coupled
def test_manyscale_run_ends_with_table_and_figure(launched):
    folder, out = launched
    assert "OFF" not in out
    assert out.count(" ok ") == 8
    assert (folder / "figure.png").stat().st_size > 10_000


@pytest.mark.coupled
def test_plain_muscle_manager_and_this_process_give_the_same_bits(launched, tmp_path):
    manager = shutil.which("muscle_manager", path=str(Path(sys.executable).parent))
    plain = tmp_path / "plain"
    plain.mkdir()
    command = [manager, "--start-all", "--run-dir", plain, *FILES]
    subprocess.run(command, check=True, capture_output=True, timeout=LIMIT, cwd=tmp_path)
    run(SPEC, folder=tmp_path / "here")
    assert differences(launched[0], plain) == []
    assert differences(launched[0], tmp_path / "here") == []
    assert len(list((tmp_path / "here").rglob("record.nc"))) == 3


@pytest.mark.coupled
@pytest.mark.nightly
def test_killed_in_the_middle_it_resumes_to_the_same_bits(tmp_path):
    spec = as_one_file(FILES, tmp_path / "model.ymmsl", {"films.dT": 0.5})
    run(spec, folder=tmp_path / "whole")
    assert not testing.differences(tmp_path / "whole", resumed(spec, tmp_path, 2.0, 2))


@pytest.mark.parametrize("machine", ["laptop", "slurm"])
def test_the_spec_is_clean_on_every_machine(machine):
    diagnosis = diagnose([SPEC], machine=machine, with_machine=machine == "laptop")
    assert not diagnosis.problems, "\n".join(map(str, diagnosis.problems))


def test_files_that_cannot_be_used_are_refused_before_anything_starts(tmp_path):
    text = tmp_path / "kappa.hdf5"
    text.write_text("no table")
    for name, says in (
        (str(text), r"PHON01 error: .*kappa\.hdf5 is not an HDF5 file"),
        (str(tmp_path / "none.hdf5"), r"PHON01 error: .*none\.hdf5' is not there"),
    ):
        with pytest.raises(ms.Refused, match=says):
            run(SPEC, {"modes.table_file": name})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"films.temperatures": [10.0]}, r"outside the mode table, which holds 20\.\.600 K"),
        ({"bte.max_iter": 4}, r"after 4 sweeps: the residual is .*larger max_iter or tol"),
    ],
)
def test_what_cannot_be_coupled_is_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        run(SPEC, settings)
