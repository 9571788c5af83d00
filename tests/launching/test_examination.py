"""The examination of a machine: each line says what was found and what to do."""

import json
import os
import subprocess
import sys

from manyscale.launching import examination


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
