"""Diffusion along dislocations: the coupled output against exact, resolved and monolithic truth."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import manyscale as ms
from manyscale.coupling.prove import diagnose
from manyscale.hosting.in_process import run
from manyscale.results.record import open_record
from manyscale.testing import differences
from manyscale_plugins.line_diffusion import exact

SPEC = Path(__file__).parents[2] / "coupling_specs/pipe_diffusion"
FILES = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
A = 5e-10  # m, radius of a line
LIMIT = 300.0  # s


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """The shipped spec under `manyscale run`."""
    place = tmp_path_factory.mktemp("launched")
    command = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", place / "run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=place)
    assert done.returncode == 0, done.stderr
    return place / "run", done.stdout


@pytest.mark.coupled
def test_manyscale_run_ends_with_table_figure_and_provenance(launched):
    folder, out = launched
    assert "OFF" not in out
    assert out.count(" ok ") == 8
    assert (folder / "figure.png").stat().st_size > 10_000
    record = json.loads((folder / "provenance.json").read_text())
    assert len(record["spec_sha256"]) == 3
    assert record["versions"]["muscle3"].startswith("0.11")
    assert {m["module"] for m in record["scale_models"].values()} >= {
        "manyscale_plugins.mass_diffusion"
    }
    assert any("Peaceman" in c["text"] for c in record["citations"])


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
    stores = list((tmp_path / "here").rglob("record.nc"))
    assert len(stores) == 5


@pytest.mark.coupled
def test_recorded_pipes_follow_the_isolated_pipe(launched):
    store = launched[0] / "instances/pipe[2]/workdir/record.nc"
    line = open_record(store, "line_out")
    assert line.c_line.attrs["units"] == "mol/m3"
    depth = line.s.values / A
    near = depth < 1500.0
    expected = exact.isolated_pipe(depth[near], 1e6, 1e4)
    np.testing.assert_allclose(line.c_line.isel(time=-1).values[near], expected, rtol=0.01)


def one_line(R, kR, ratio, steps):
    """Settings of one line in a closed square cell of side sqrt(pi) R, lengths in a, D = 1 a2/s."""
    side, lz = np.sqrt(np.pi) * R * A, np.pi * R / kR * A
    cells = 16 if R == 100 else 6
    h = side / cells
    decay = exact.effective_diffusivity(kR, R, ratio) * kR**2 / R**2
    dt = 2.0 / decay / steps
    shared = {"nz": 32, "lz": lz, "c_initial": 1.0, "initial": "cosine", "bc_z": "no_flux"}
    bulk = {"nx": cells, "ny": cells, "lx": side, "ly": side, "dt": dt, "t_end": dt * steps,
            "scheme": "bdf2", "diffusivity": A**2,
            "line_xy": [[(cells // 2 + 0.5) * h] * 2]}  # fmt: skip
    pipe = {"radius": A, "cell_size": h, "diffusivity_pipe": ratio * A**2,
            "diffusivity_bulk": A**2, "scheme": "crank_nicolson", "n_sub": 4}  # fmt: skip
    settings = {**shared, **{f"bulk.{k}": v for k, v in bulk.items()}}
    return settings | {f"pipe.{k}": v for k, v in pipe.items()}


ONE_LINE = """
ymmsl_version: v0.2
imports:
- from manyscale import implementation mass_diffusion
- from manyscale import implementation line_diffusion
models:
  one_line:
    description: A crystal with one line
    components:
      bulk:
        description: The crystal
        implementation: mass_diffusion
        ports: {o_i: sample_out, s: line_in, o_f: field_out}
      pipe:
        description: The line
        implementation: line_diffusion
        multiplicity: 1
        ports: {f_init: bulk_in, o_f: line_out}
    conduits:
      bulk.sample_out: pipe.bulk_in
      pipe.line_out: bulk.line_in
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "model.ymmsl"
    path.write_text(ONE_LINE)
    return path


def measured(spec, R, kR, ratio):
    """Return D_eff / D from the decay of the axial mode of the line in a coupled run."""
    settings = one_line(R, kR, ratio, 400)
    out = run(spec, settings, record=["pipe.line_out"])
    line = out.recorded["pipe[0].line_out"]
    times = np.array([shown.time for shown in line])
    mode = np.cos(np.pi * line[0].messages[0]["s"] / settings["lz"])
    amplitude = np.array([shown.messages[0]["c_line"] @ mode for shown in line])
    half = len(times) // 2
    rate = -np.polyfit(times[half:], np.log(amplitude[half:]), 1)[0]
    return rate / (kR**2 / R**2)


FEW = [(100, 1e4, 0.1), (100, 1e4, 0.5), (100, 1e4, 1.0), (100, 1e5, 0.25), (20, 1e3, 0.5)]
REST = [(100, 1e4, 0.001), (100, 1e5, 0.01), (100, 1e5, 0.1), (100, 1e5, 1.0), (20, 1e3, 0.01),
        (20, 1e3, 0.1), (20, 1e3, 2.0)]  # fmt: skip


@pytest.mark.parametrize(
    ("R", "ratio", "kR"), [*FEW, *(pytest.param(*row, marks=pytest.mark.nightly) for row in REST)]
)
def test_effective_diffusivity_of_the_coupled_run(spec, R, ratio, kR):
    found = measured(spec, R, kR, ratio)
    assert found == pytest.approx(exact.effective_diffusivity(kR, R, ratio), rel=0.01)
    # the same problem resolved to the radius of the line, as one program
    resolved = exact.resolved_effective_diffusivity(kR, R, ratio, (60, 32))
    assert found == pytest.approx(resolved, rel=0.01)


@pytest.mark.parametrize("machine", ["laptop", "slurm", "mpi"])
def test_the_spec_is_clean_on_every_machine(machine):
    diagnosis = diagnose([SPEC], machine=machine, with_machine=machine != "mpi")
    assert not diagnosis.problems, "\n".join(map(str, diagnosis.problems))


CROWDED = [[x, 1.5625e-7] for x in (1.5625e-7, 1.6875e-7, 3.0625e-7, 4.5625e-7)]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"pipe.nz": 128}, r"MS307 error: .*bulk.nz = 256 and pipe\[0\].nz = 128"),
        ({"bulk.lz": 1e-6}, "3.2e-06 m long in 256 points, but the bulk is 1e-06 m long"),
        ({"bulk.line_xy": [[1e-7, 1e-7]] * 4}, "not at a cell centre of the box: the nearest is"),
        (
            {"bulk.line_xy": [[1.5625e-7, 1.5625e-7]]},
            "DIFF01 error: .*places 1 line, and 4 of pipe are connected",
        ),
        ({"bulk.t_end": 1e6}, "not a whole number of steps"),
        ({"properties.temperature": -5.0}, "temperature is -5 K, expected >= 200, <= 2000 K"),
        ({"pipe.cell_size": 2e-9}, "r_e = 3.97012e-10 m, not larger than the line radius"),
        (
            {"pipe.cell_size": 2e-8},
            "the cells of the bulk are 1.25e-08 m wide",
        ),
        (
            {"pipe.exchange": "explicit"},
            "unstable with a bulk step .* below 3101.42 s",
        ),
        ({"pipe.c_left": 2.0}, "c_left = 2 mol/m3, the bulk fixed_left and 1 mol/m3"),
        ({"pipe.bc_z": "no_flux"}, "bc_z = no_flux .* the bulk fixed_left"),
        ({"bulk.initial": "cosine"}, "needs no-flux ends in z"),
        ({"bulk.line_xy": CROWDED}, "lines 0 and 1 .* less than 4 sqrt"),
    ],
)
def test_what_cannot_be_coupled_is_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        run(SPEC, settings)


@pytest.mark.coupled
def test_a_refusal_in_a_launched_run_is_one_sentence(tmp_path):
    command = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--set", "pipe.cell_size=2e-8"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode == 3
    *victims, cause = done.stderr.strip().splitlines()
    assert "the cells of the bulk are 1.25e-08 m wide" in cause
    assert len(victims) <= 1
    assert all(line.startswith("manyscale: Ended because of it: ") for line in victims)
