"""Electrons in every exchange: what the switch is measured against."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from manyscale.coupling.prove import diagnose
from manyscale.hosting.in_process import run
from manyscale.testing import differences

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "coupling_specs/plasma_always_on"
LIMIT = 280.0  # s
SMALL = {
    "dispersion.nk": 24, "ion_scale.n": 32, "ion_scale.box": 32.0, "ion_scale.run_length": 2e-6,
    "ion_scale.exchanges": 4, "electron_scale.run_length": 2e-7, "samples": 10,
}  # fmt: skip


def test_electrons_run_in_every_exchange_whatever_the_index_says():
    out = run(SPEC, SMALL, record=["index.index_out"])
    said = [one.messages[0] for one in out.recorded["index.index_out"]]
    assert all(one["active"] for one in said)
    assert min(one["i"] for one in said) < 0.8
    assert out.states["electron_scale"].step == 4 * 80


@pytest.mark.coupled
def test_manyscale_run_and_this_process_give_the_same_bits(tmp_path):
    words = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", tmp_path / "run"]
    words += [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OFF" not in done.stdout
    assert (tmp_path / "run/figure.png").stat().st_size > 10_000
    run(SPEC, SMALL, folder=tmp_path / "here")
    assert differences(tmp_path / "run", tmp_path / "here") == []


@pytest.mark.nightly
def test_the_study_in_a_reduced_form(tmp_path):
    place = ROOT / "benchmarks/plasma_study.py"
    spec = importlib.util.spec_from_file_location("plasma_study", place)
    study = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(study)
    found = {way: study.studied(way, 2.0) for way in study.WAYS}
    # far from the index at which electrons are needed the switch leaves them out
    assert sum(found["switched"]["active"]) < sum(found["coupled"]["active"]) == 10
    assert found["switched"]["seconds"] < found["coupled"]["seconds"]
    fluxes = {way: study.mean(one["q_i"])[0] for way, one in found.items()}
    assert all(flux > 0.0 for flux in fluxes.values())
    assert max(fluxes.values()) < 10.0 * min(fluxes.values())
    assert not np.any(found["alone"]["q_e"])


@pytest.mark.parametrize("machine", ["laptop", "slurm"])
def test_the_spec_is_clean(machine):
    diagnosis = diagnose([SPEC], machine=machine)
    assert not diagnosis.problems, "\n".join(map(str, diagnosis.problems))
