"""Films of silicon: the coupled output against integral equations, closed forms and both hosts."""

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
from manyscale.registry import mpi_family
from manyscale.testing import Component, differences, run_in_process, write_spec
from manyscale_plugins.phonon_bte import exact
from manyscale_plugins.phonon_bte.spectrum import spectrum
from manyscale_plugins.phonon_modes import PhononModes
from toys import phonon_ranks
from toys.interrupted import as_one_file, resumed

SPEC = Path(__file__).parents[2] / "coupling_specs/phonon_film"
FILES = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
LIMIT = 200.0  # s
SLAB = {0.1: 0.91570, 0.2: 0.84918, 0.5: 0.70417, 1.0: 0.55341, 2.0: 0.39006, 3.0: 0.30164,
        5.0: 0.20766, 10.0: 0.116745, 20.0: 0.06224}  # fmt: skip
FUCHS = {0.1: 0.20913, 0.5: 0.52188, 1.0: 0.68386, 2.0: 0.81911, 5.0: 0.92505, 10.0: 0.96250}


def table(settings):
    """The whole k(L, T) of a coupled run, (thickness, case)."""
    alone = {"films.table_thickness": 0.0, "fourier.t_left": 300.0, "fourier.t_right": 300.0,
             "fourier.t_initial": 300.0}  # fmt: skip
    out = run(SPEC, {**alone, **settings}, record=["films.all_out"])
    return out.recorded["films.all_out"][-1].messages[0]["conductivity"]


def test_gray_films_of_the_coupled_run_give_the_table():
    gray = {"films.thicknesses": [tau * 1e-7 for tau in SLAB], "films.temperatures": [300.0],
            "bte.gray_lambda": 1e-7, "modes.n_modes": 32}  # fmt: skip
    modes = spectrum(*PhononModes(n_modes=32).modes(300.0))
    black = [exact.ballistic(modes, tau * 1e-7) for tau in SLAB]
    np.testing.assert_allclose(table(gray)[:, 0] / black, list(SLAB.values()), atol=1e-4)


def test_heat_along_gray_films_of_the_coupled_run_follows_fuchs():
    gray = {"films.thicknesses": [delta * 1e-7 for delta in FUCHS], "films.temperatures": [300.0],
            "bte.gray_lambda": 1e-7, "modes.n_modes": 32, "bte.direction": "in_plane"}  # fmt: skip
    modes = spectrum(*PhononModes(n_modes=32).modes(300.0))
    bulk = float(modes.current.sum()) * 1e-7 / 3.0
    np.testing.assert_allclose(table(gray)[:, 0] / bulk, list(FUCHS.values()), atol=1e-3)


def test_silicon_films_of_the_coupled_run_solve_the_integral_equation():
    lengths, temperatures = [1e-8, 1e-7], [100.0, 300.0]
    found = table({"films.thicknesses": lengths, "films.temperatures": temperatures})
    for row, L in zip(found, lengths, strict=True):
        for k, T in zip(row, temperatures, strict=True):
            modes = spectrum(*PhononModes().modes(T))
            known = exact.extrapolated_flux(modes, L, 400, (0.5, -0.5)) * L
            assert k == pytest.approx(known, rel=1e-5)


# --- films in contact


FILM = "manyscale_plugins.phonon_bte:PhononBte"
MODES = "manyscale_plugins.phonon_modes:PhononModes"
PARTS = {
    "modes": Component(MODES),
    "guess": Component(FILM),
    "contact": Component("manyscale.bridges.relaxation:Relaxation"),
    "left": Component(FILM),
    "right": Component(FILM),
}
WIRES = {
    "modes.modes_out": ["guess.modes_in", "repeat left.modes_in", "repeat right.modes_in"],
    "guess.outgoing_out": "contact.initial_in",
    "contact.x_out": "left.incoming_in",
    "left.outgoing_out": "right.incoming_in",
    "right.outgoing_out": "contact.xt_in",
}


def split(at, length=2e-7, cells=40, **settings):
    """Settings of a film of 40 cells, split behind so many of them, between 301 and 299 K."""
    given = {"modes.n_modes": 16, "n_mu": 8, "guess.ncell": 10, "guess.length": length,
             "left.open_faces": "right", "right.open_faces": "left", "contact.rtol": 1e-10,
             "left.record": "flux_out", "right.record": "flux_out", "tol": 1e-11}  # fmt: skip
    for name, own in {"left": at, "right": cells - at}.items():
        # the wall a part keeps is dT/2 = 1 K from the mean of both
        given |= {f"{name}.ncell": own, f"{name}.length": length * own / cells,
                  f"{name}.temperature": 300.0, f"{name}.dT": 2.0}  # fmt: skip
    return given | settings


@pytest.mark.parametrize("table_file", ["", "silicon_pbesol"])
def test_the_flux_of_a_film_is_the_same_wherever_it_is_split(tmp_path, table_file):
    more = {"modes.table_file": table_file}
    found = []
    for at in (10, 20, 29):
        spec = write_spec(tmp_path / str(at), PARTS, WIRES, split(at, **more))
        states = run_in_process(spec, tmp_path / f"run{at}").states
        found += [states["left"].q.mean(), states["right"].q.mean()]
        whole = np.concatenate([states["left"].T, states["right"].T])
    model = PhononModes(n_modes=16, table_file=table_file).modes(300.0)
    modes = spectrum(*model)
    from manyscale_plugins.phonon_bte import kernel
    from manyscale_plugins.phonon_bte.acceleration import Options

    film = kernel.Film(modes, 2e-7, 40, 8)
    alone = kernel.solve(film, kernel.black(film, 1.0, -1.0), Options("dsa_gmres", 1e-11, 500))
    np.testing.assert_allclose(found, alone.flux.mean(), rtol=1e-8)
    np.testing.assert_allclose(whole - 300.0, alone.theta, atol=1e-8)


# --- ranks


@pytest.mark.coupled
def test_one_two_and_three_ranks_give_the_same_bits():
    mpirun = mpi_family.mpirun(Path(sys.executable))
    if mpirun is None:
        pytest.skip("there is no mpirun: pip install manyscale[mpi]")
    told = [phonon_ranks.told([], LIMIT)]
    told += [phonon_ranks.told([mpirun, "-n", str(ranks)], LIMIT) for ranks in (2, 3)]
    assert told[0] == told[1] == told[2]
    assert len(told[0].split()) == 3


# --- launched


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
    assert len(list((tmp_path / "here").rglob("record.nc"))) == 4


@pytest.mark.parametrize("machine", ["laptop", "slurm"])
def test_the_spec_is_clean_on_every_machine(machine):
    diagnosis = diagnose([SPEC], machine=machine, with_machine=machine == "laptop")
    assert not diagnosis.problems, "\n".join(map(str, diagnosis.problems))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"films.thicknesses": [-1e-7]}, "thicknesses is -1e-07 m, expected > 0"),
        ({"films.temperatures": [2.0, 3000.0]}, "case_in brings temperature = 3000 K"),
        ({"films.temperatures": [0.0]}, "temperatures is 0 K, expected > 0"),
        ({"bte.tol": 1e-17}, "tol is 1e-17, expected >= 1e-14"),
        ({"bte.solver": "source_iteration"}, r"after 500 sweeps: the residual is .*dsa_gmres"),
        ({"modes.table_file": "nowhere.hdf5"}, r"PHON01 error: .*nowhere.hdf5' is not there"),
        ({"modes.table_file": "silicon_pbesol"}, r"temperature = 2 K is outside the mode table"),
        ({"fourier.t_left": 400.0}, r"kappa_in holds k for 2\.\.300 K"),
        ({"films.table_thickness": 2e-5}, "not among thicknesses, the nearest is 1e-05 m"),
    ],
)
def test_what_cannot_be_coupled_is_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        run(SPEC, settings)


@pytest.mark.coupled
@pytest.mark.nightly
def test_killed_in_the_middle_it_resumes_to_the_same_bits(tmp_path):
    spec = as_one_file(FILES, tmp_path / "model.ymmsl", {"films.dT": 0.5})
    run(spec, folder=tmp_path / "whole")
    assert not testing.differences(tmp_path / "whole", resumed(spec, tmp_path, 5.0, 2))


@pytest.mark.coupled
@pytest.mark.nightly
def test_a_split_film_killed_in_the_middle_resumes_to_the_same_bits(tmp_path):
    long = split(10, **{"contact.windows": 40, "contact.method": "fixed", "contact.omega0": 1.0,
                        "contact.predict": "constant", "contact.rtol": 1e-9, "contact.dt": 1.0,
                        "contact.record": "x_out;convergence"})  # fmt: skip
    spec = write_spec(tmp_path, PARTS, WIRES, long)
    run_in_process(spec, tmp_path / "whole")
    assert not testing.differences(tmp_path / "whole", resumed(spec, tmp_path, 1.0, 2))
