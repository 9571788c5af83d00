"""Models on MPI ranks: the same results on any number of them, and one cause when they fail."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import manyscale as ms
from manyscale.hosting import telemetry
from manyscale.hosting.in_process import run as run_here
from manyscale.launching import snapshots
from manyscale.launching.local import launch
from manyscale.registry import mpi_family
from manyscale.testing import Component, differences, run_in_process, write_spec
from manyscale.testing.couple import run_with_muscle
from toys import mpi_cases

MPIRUN = mpi_family.mpirun(Path(sys.executable))
OPENMPI = shutil.which("mpirun.openmpi")
pytestmark = [
    pytest.mark.coupled,
    pytest.mark.skipif(MPIRUN is None, reason="there is no mpirun: pip install manyscale[mpi]"),
]
TIME_LIMIT = 60.0
MANY = [1, 2, 3, pytest.param(4, marks=pytest.mark.nightly)]
SPEC = Path(__file__).parents[2] / "coupling_specs/pipe_diffusion"
SMALL = {
    "nz": 16, "lz": 2.0e-7, "bulk.nx": 8, "bulk.ny": 8, "bulk.lx": 1.0e-7, "bulk.ly": 1.0e-7,
    "bulk.dt": 1.0e3, "bulk.t_end": 1.2e4, "pipe.cell_size": 1.25e-8, "bulk.scheme": "bdf2",
    "bulk.record": "field_out;sample_out", "pipe.record": "line_out",
    "bulk.line_xy": [[1.875e-8, 1.875e-8], [1.875e-8, 8.125e-8],
                     [8.125e-8, 1.875e-8], [8.125e-8, 8.125e-8]],
}  # fmt: skip


def rod(folder, ranks=None, **settings):
    """A spec of a rod in blocks, the furnace that heated it, and a heater."""
    components = {
        "furnace": Component("toys.ranks:Furnace"),
        "rod": Component("toys.ranks:Rod", ranks=ranks),
        "heater": Component("toys.ranks:Heater"),
    }
    conduits = {
        "furnace.begin": "rod.begun",
        "rod.profile": "heater.profile",
        "heater.heat": "rod.heated",
    }
    settings = {"rod.record": "done;profile"} | {
        k.replace("_", ".", 1): v for k, v in settings.items()
    }
    return write_spec(folder, components, conduits, settings)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The rod in this process."""
    folder = tmp_path_factory.mktemp("rod")
    run_in_process(rod(folder / "spec"), folder / "here")
    return folder / "here"


@pytest.mark.parametrize("ranks", MANY)
def test_a_rod_in_blocks_is_the_same_on_any_number_of_ranks(alone, tmp_path, ranks):
    run = run_with_muscle(rod(tmp_path / "spec", ranks), tmp_path / "run", TIME_LIMIT)
    # the rod records of how many ranks it was
    assert differences(alone, run) == (["rod: done.ranks"] if ranks > 1 else [])


def overlay(path, **sections):
    path.write_text(yaml.safe_dump({"ymmsl_version": "v0.2", **sections}, sort_keys=False))
    return path


def crystal(folder, ranks):
    """Files of the small pipe diffusion with the crystal on so many ranks, with snapshots."""
    return [
        *(SPEC / f"{part}.ymmsl" for part in ("model", "settings", "mpi")),
        overlay(
            folder / f"small_{ranks}.ymmsl",
            settings=SMALL,
            resources={"pipe_diffusion.bulk": {"mpi_processes": ranks}},
            checkpoints={"at_end": True, "simulation_time": [{"every": 5.0e3}]},
        ),
    ]


@pytest.fixture(scope="module")
def crystals(tmp_path_factory):
    """A folder, with the small pipe diffusion run in this process and on two ranks."""
    folder = tmp_path_factory.mktemp("crystal")
    run_here(SPEC, SMALL, folder=folder / "here")
    (folder / "two").mkdir()
    launch(crystal(folder, 2), folder / "two", time_limit=TIME_LIMIT)
    return folder


def test_the_crystal_has_the_same_bits_on_two_ranks(crystals):
    assert differences(crystals / "here", crystals / "two") == []


@pytest.mark.nightly
@pytest.mark.parametrize("ranks", [1, 3, 4, 9])  # some of nine have none of eight modes
def test_the_crystal_has_the_same_bits_on_any_number_of_ranks(crystals, tmp_path, ranks):
    launch(crystal(tmp_path, ranks), tmp_path, time_limit=TIME_LIMIT)
    assert differences(crystals / "here", tmp_path) == []


def test_a_resumed_run_on_two_ranks_has_the_same_bits(crystals, tmp_path):
    early = snapshots.sets(crystals / "two")[0]
    launch([*crystal(tmp_path, 2), early], tmp_path, time_limit=TIME_LIMIT)
    assert differences(crystals / "two", tmp_path) == []


def test_another_number_of_ranks_cannot_resume(crystals, tmp_path):
    early = snapshots.sets(crystals / "two")[0]
    with pytest.raises(ms.Refused, match="made on 2 MPI ranks, this run has 3; resume with 2"):
        launch([*crystal(tmp_path, 3), early], tmp_path, time_limit=TIME_LIMIT)


def failing(folder, **settings):
    with pytest.raises(ms.Refused) as caught:
        run_with_muscle(rod(folder / "spec", 2, **settings), folder / "run", TIME_LIMIT)
    return str(caught.value)


def test_the_exception_of_a_rank_is_the_root_cause(tmp_path):
    said = failing(tmp_path, rod_trouble="raise", rod_trouble_rank=1, heater_fault_at=3.0)
    assert 'raise KeyError("the furnace door")' in said
    assert said.splitlines()[-1].endswith(
        "rod (s at t = 3 s, rank 1): KeyError: 'the furnace door'"
    )


def test_ranks_that_wait_for_the_root_are_not_blamed(tmp_path):
    spec = rod(tmp_path / "spec", 2, heater_hang_at=3.0)
    with pytest.raises(ms.Refused, match=r"was ended: .* heater is in f_init [^;]*\.$"):
        run_with_muscle(spec, tmp_path / "run", 12.0)
    waiting = telemetry.read_ranks(tmp_path / "run/instances/rod/workdir")
    assert [waiting[rank].doing for rank in (0, 1)] == ["receiving heated"] * 2


def test_what_the_root_refuses_ends_the_ranks_that_wait(tmp_path):
    said = failing(tmp_path, furnace_cells=31)
    assert said.splitlines()[-1].endswith("T has 31 along x, expected 30 (the setting cells).")


@pytest.mark.nightly
def test_what_all_ranks_refuse_is_said_by_the_root(tmp_path):
    files = crystal(tmp_path, 2)
    late = overlay(tmp_path / "late.ymmsl", settings={"bulk.t_end": 1.25e4})
    with pytest.raises(ms.Refused, match=r"\(f_init at t = 0 s, rank 0\).* not a whole number"):
        launch([*files, late], tmp_path, time_limit=TIME_LIMIT)


def test_a_world_of_another_size_is_refused():
    command = [sys.executable, "-m", "manyscale.hosting.muscle", "toys.ranks:Rod", "mpi"]
    wanted = os.environ | {"MUSCLE_MPI_PROCESSES": "2"}
    done = subprocess.run(command, env=wanted, capture_output=True, text=True, timeout=TIME_LIMIT)
    assert done.returncode == 1
    assert done.stderr.startswith("2 MPI processes were asked for and 1 found one another; start")


def told(mpirun, ranks, **variables):
    """What failed when the cases ran on so many ranks, by name."""
    command = [*mpirun, "-n", str(ranks), sys.executable, "-m", "toys.mpi_cases"]
    done = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, timeout=TIME_LIMIT
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def failed():
    return told([MPIRUN], 3)


@pytest.mark.parametrize("case", mpi_cases.CASES)
def test_ranks(failed, case):
    assert case not in failed, failed[case]


@pytest.mark.nightly
@pytest.mark.parametrize("ranks", [2, 4])
def test_other_numbers_of_ranks(ranks):
    assert told([MPIRUN], ranks) == {}


@pytest.mark.skipif(OPENMPI is None, reason="there is no mpirun.openmpi: apt install openmpi-bin")
def test_openmpi():
    asked = ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")
    variables = dict.fromkeys(asked, "1") | {"MPI4PY_MPIABI": "openmpi"}
    assert told([OPENMPI, "--oversubscribe"], 3, **variables) == {}


def test_a_field_in_blocks_along_no_axis_of_its_own_cannot_be_declared():
    with pytest.raises(TypeError, match="blocks along 'y' has no such axis in 'x z'"):
        ms.Field("number", "1", "x z", held=ms.block("y"))
