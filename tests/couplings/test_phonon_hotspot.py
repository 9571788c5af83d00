"""A hot spot on a substrate: the coupled output against one program, limits and both hosts."""

import importlib.util
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
from manyscale_plugins.phonon_modes import PhononModes
from toys.interrupted import as_one_file, resumed

SPEC = Path(__file__).parents[2] / "coupling_specs/phonon_hotspot"
FILES = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
LIMIT = 300.0  # s
SMALL = {"interface.windows": 8, "hotspot.nx": 20, "hotspot.ny": 20, "hotspot.heated_for": 2.25e-9,
         "modes.n_modes": 8, "substrate.nz": 1000, "substrate.lz": 1e-4}  # fmt: skip
RECORD = ["hotspot.field_out", "hotspot.interface_out", "substrate.interface_out"]


def accepted(out, port):
    """Last message of every window."""
    last = {}
    for shown in out.recorded[port]:
        last[round(shown.time * 1e13)] = shown.messages[0]
    return [last[time] for time in sorted(last)]


def coupled(**settings):
    return run(SPEC, {**SMALL, **settings}, record=RECORD)


def report():
    spec = importlib.util.spec_from_file_location("phonon_hotspot_report", SPEC / "report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Models:
    """The part of a finished run that the report's second solution needs."""

    def __init__(self, **settings):
        from manyscale.coupling.prove import prove

        self.models = prove([SPEC], {**SMALL, **settings}).models


def in_one_program(windows, **settings):
    """Peak [K] and flux of every window, both sides solved together by a secant."""
    models, found = Models(**settings), []
    upper, lower = report()._hotspot(models), report()._substrate(models)
    above = below = None
    T = 300.0
    for window in range(windows):

        def answered(T, window=window, above=above, below=below):
            one, q = upper(above, window, T)
            other, back = lower(below, window, q)
            return one, other, back, q

        first, second = answered(T)[2], answered(T + 1.0)[2]
        T += (first - T) / (1.0 - (second - first))
        above, below, _, q = answered(T)
        found.append((above.T, q))
    return found


def test_the_coupled_run_is_both_sides_in_one_program():
    out = coupled()
    fields = accepted(out, "hotspot.field_out")
    fluxes = accepted(out, "hotspot.interface_out")
    for field, flux, (T, q) in zip(fields, fluxes, in_one_program(8), strict=True):
        np.testing.assert_allclose(field["temperature"], T, rtol=0.0, atol=1e-6 * np.ptp(T))
        assert flux["q_interface"] == pytest.approx(q, rel=1e-6)


def test_heat_put_in_is_stored_or_gone_in_every_step():
    held = 0.0
    for field in accepted(coupled(), "hotspot.field_out"):
        stored = (field["energy"] - held) / 5e-10
        assert stored + field["leaving"] == pytest.approx(field["heating"], abs=1e-7 * 2e3)
        held = field["energy"]
    assert field["heating"] == 0.0


def test_steps_of_half_the_length_in_pairs_approach_first_order():
    peaks = []
    for parts in (1, 2, 4):
        out = coupled(**{"hotspot.steps": parts, "hotspot.dt": 5e-10 / parts,
                         "hotspot.heated_for": 1.0})  # fmt: skip
        peaks.append(accepted(out, "hotspot.field_out")[-1]["temperature"].max() - 300.0)
    assert abs(peaks[2] - peaks[1]) < 0.7 * abs(peaks[1] - peaks[0])


def test_short_mean_free_paths_bring_back_the_law_of_fourier():
    modes = PhononModes(n_modes=8).modes(300.0)
    current = float((modes.heat_capacity * np.abs(modes.velocity)).sum())
    short = 2e-8  # m, a fifth of a cell
    settings = {"hotspot.gray_lambda": short, "substrate.conductivity": current * short / 3.0}
    settings |= {"hotspot.heated_for": 1.0}
    settings |= {f"{name}.dt": 2e-8 for name in ("interface", "hotspot", "substrate")}
    fields = accepted(coupled(**settings), "hotspot.field_out")
    law = report()._fourier(Models(**settings), 8)
    for field, whole in zip(fields, law, strict=True):
        seen, T = field["temperature"][::-1] - 300.0, whole[:20] - 300.0
        # the heated row of cells is only one cell thick; below it a uniform interface changes
        # the pattern by 1 %, and no mean over x
        np.testing.assert_allclose(seen, T, atol=0.06 * T.max())
        np.testing.assert_allclose(seen[1:], T[1:], atol=0.03 * T.max())
        np.testing.assert_allclose(seen[2:].mean(axis=1), T[2:].mean(axis=1), atol=5e-3 * T.max())


def test_phonons_make_the_spot_hotter_than_fourier_would():
    fields = accepted(coupled(**{"hotspot.heated_for": 1.0}), "hotspot.field_out")
    law = report()._fourier(Models(**{"hotspot.heated_for": 1.0}), 8)
    assert fields[-1]["temperature"].max() - 300.0 > 1.3 * (law[-1].max() - 300.0)


@pytest.mark.parametrize("machine", ["laptop", "slurm"])
def test_the_spec_is_clean_on_every_machine(machine):
    diagnosis = diagnose([SPEC], machine=machine, with_machine=machine == "laptop")
    assert not diagnosis.problems, "\n".join(map(str, diagnosis.problems))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"substrate.dt": 1e-9}, r"takes its step from t = 0 s to 1e-09 s, but was asked at t = 5"),
        ({"hotspot.wall_bottom": "isothermal"}, "but no wall is an interface"),
        ({"hotspot.wall_left": "periodic"}, "wall_left is periodic and wall_right is specular"),
        ({"hotspot.source_box": [0.0, 1e-6]}, r"source_box is .*expected four numbers"),
        ({"substrate.bc_z": "fixed_both"}, "bc_z is fixed_both, but interface_in brings the flux"),
        ({"hotspot.max_iter": 2}, r"after 2 sweeps: the residual is .*larger max_iter or tol"),
        ({"interface.method": "fixed", "interface.max_iter": 2, "interface.omega0": 0.1},
         "no agreement in window 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_coupled_is_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        coupled(**settings)


@pytest.mark.coupled
def test_manyscale_run_plain_manager_and_this_process_agree(tmp_path):
    folder = tmp_path / "run"
    small = tmp_path / "small.ymmsl"
    rules = "".join(f"  {key}: {_number(value)}\n" for key, value in SMALL.items())
    small.write_text(f"ymmsl_version: v0.2\nsettings:\n{rules}")
    command = [sys.executable, "-m", "manyscale.cli", "run", *FILES, small, "--run-dir", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OFF" not in done.stdout
    assert done.stdout.count(" ok ") == 3
    assert (folder / "figure.png").stat().st_size > 10_000
    manager = shutil.which("muscle_manager", path=str(Path(sys.executable).parent))
    plain = tmp_path / "plain"
    plain.mkdir()
    command = [manager, "--start-all", "--run-dir", plain, *FILES, small]
    subprocess.run(command, check=True, capture_output=True, timeout=LIMIT, cwd=tmp_path)
    run([*FILES, small], folder=tmp_path / "here")
    assert differences(folder, plain) == []
    assert differences(plain, tmp_path / "here") == []
    assert len(list((tmp_path / "here").rglob("record.nc"))) == 3


def _number(value):
    return f"{value:.6e}" if isinstance(value, float) else value


@pytest.mark.coupled
@pytest.mark.nightly
def test_the_shipped_spec_runs_to_its_table(tmp_path):
    command = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", tmp_path / "run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500.0, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OFF" not in done.stdout
    assert done.stdout.count(" ok ") == 4


@pytest.mark.coupled
def test_killed_in_the_middle_it_resumes_to_the_same_bits(tmp_path):
    long = {**SMALL, "interface.windows": 40}
    spec = as_one_file(FILES, tmp_path / "model.ymmsl", long)
    run(spec, folder=tmp_path / "whole")
    assert not testing.differences(tmp_path / "whole", resumed(spec, tmp_path, 2e-9, 2))
