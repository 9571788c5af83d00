"""The examination of a machine: each line says what was found and what to do."""

import json
import os
import subprocess
import sys

import pytest

from manyscale.hosting.transport import budget, layers, trial
from manyscale.launching import examination


@pytest.fixture
def unguarded(monkeypatch):
    """Other tests of this process may have brought in the guard; a doctor has none."""
    monkeypatch.setattr(trial.local_socket, "_secret", lambda: b"")


def doctor(*words, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-m", "manyscale.cli", "doctor", *words],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
        timeout=120.0,
    )


def test_this_machine_can_launch(tmp_path):
    done = doctor("--json", cwd=tmp_path)
    found = {row["what"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert found["muscle3"]["state"] == "ok"
    assert found["loopback"]["state"] == "ok"
    assert str(tmp_path) in found["run directory"]["found"]
    assert {"interpreter", "cores", "disk", "host name", "Slurm", "dead runs"} <= found.keys()


def test_an_mpirun_of_another_family_starts_worlds_of_one_and_is_found_out(tmp_path, monkeypatch):
    fake = tmp_path / "mpirun"
    fake.write_text(f'#!/bin/bash\nshift 2\nshift\nfor i in 1 2; do {sys.executable} "$@"; done\n')
    fake.chmod(0o755)
    monkeypatch.setattr(examination.mpi_family, "mpirun", lambda python: fake)
    found = {f.what: f for f in examination._mpi_with_ranks()}
    if "No module" in found["ranks"].found:
        return  # no MPI library at all
    assert found["ranks"].state == "error"
    assert "worlds of one rank" in found["ranks"].found
    assert found["ranks"].remedy


def test_an_mpirun_that_fails_is_quoted(tmp_path, monkeypatch):
    fake = tmp_path / "mpirun"
    fake.write_text("#!/bin/bash\necho no fabric >&2\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setattr(examination.mpi_family, "mpirun", lambda python: fake)
    found = {f.what: f for f in examination._mpi_with_ranks()}
    assert (found["ranks"].state, found["ranks"].found) == ("error", "no fabric")


def test_an_unknown_libmuscle_is_an_error_with_its_remedy(monkeypatch):
    monkeypatch.setattr(examination, "version", lambda name: "9.9")
    found = {f.what: f for f in examination._versions()}
    assert found["muscle3"].state == "error"
    assert "pip install 'muscle3" in found["muscle3"].remedy


def test_a_folder_that_cannot_be_written_is_an_error(monkeypatch):
    monkeypatch.setattr(examination.os, "access", lambda *words: False)
    assert [f.state for f in examination._disk()] == ["error"]


def test_messages_can_travel_over_memory_here(tmp_path):
    found = {
        row["what"]: row for row in json.loads(doctor("--json", "--quick", cwd=tmp_path).stdout)
    }
    assert found["messages"]["state"] == "ok", found["messages"]
    assert found["messages"]["found"] == "layers: payload, ring, spin, lean"
    assert "GB in each run" in found["memory of messages"]["found"]


def test_layers_that_are_not_possible_are_named_with_the_reason(unguarded, monkeypatch):
    monkeypatch.setattr(layers.platform, "machine", lambda: "riscv64")
    (found,) = examination._messages()
    assert (found.state, found.found) == ("note", "layers: payload, lean")
    assert "ring: the order of writes to memory on riscv64 is not provided for" in found.remedy


def test_memory_that_cannot_be_handed_over_is_a_warning(unguarded, monkeypatch):
    def forbidden(*words):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(trial.local_socket, "send_descriptor", forbidden)
    found = next(examination._messages())
    assert found.state == "warning"
    assert "Operation not permitted" in found.found
    assert "--messages stock" in found.remedy


def test_what_a_system_does_not_allow_leaves_the_lean_layer(unguarded, monkeypatch):
    monkeypatch.setattr(layers, "_lacking", lambda: "this system has no memory to seal")
    found = next(examination._messages())
    assert (found.state, found.found) == ("note", "layers: lean")
    assert "payload: this system has no memory to seal" in found.remedy


def test_a_wrong_word_in_the_environment_is_an_error(unguarded, monkeypatch):
    monkeypatch.setenv(layers.VARIABLE, "fats")
    found = {f.what: f for f in examination._messages()}
    assert found[layers.VARIABLE].state == "error"


@pytest.mark.parametrize(
    ("group", "file"),
    [("0::/job", "job/memory.max"), ("4:cpu,memory:/job", "memory/job/memory.limit_in_bytes")],
)
def test_the_memory_of_messages_is_a_part_of_what_the_control_group_has(
    group, file, tmp_path, monkeypatch
):
    own, told = tmp_path / "own", tmp_path / "groups" / file
    own.write_text(f"1:cpu:/\n{group}\n")
    told.parent.mkdir(parents=True)
    told.write_text("400000000\n")
    monkeypatch.setattr(budget, "_OWN_GROUPS", own)
    monkeypatch.setattr(budget, "_CGROUPS", tmp_path / "groups")
    assert budget.of_run() == 100_000_000
    (found,) = examination._memory_of_messages()
    assert (found.state, found.found) == ("note", "at most 0.1 GB of 0.4 GB in each run")
