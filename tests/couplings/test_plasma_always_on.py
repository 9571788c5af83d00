"""Electrons in every exchange: what the switch is measured against."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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
@pytest.mark.nightly
def test_manyscale_run_and_this_process_give_the_same_bits(tmp_path):
    words = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", tmp_path / "run"]
    words += [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OFF" not in done.stdout
    assert (tmp_path / "run/figure.png").stat().st_size > 10_000
    run(SPEC, SMALL, folder=tmp_path / "here")
    assert differences(tmp_path / "run", tmp_path / "here") == []


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


@pytest.fixture(scope="module")
def study():
    """The program that writes the table of plasma_cross_scale."""
    place = ROOT / "benchmarks/plasma_study.py"
    spec = importlib.util.spec_from_file_location("plasma_study", place)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.mark.nightly
def test_the_study_in_a_reduced_form(study):
    cells = {way: study.studied(way, 2.0, exchanges=16) for way in study.WAYS}
    found = {way: study.line(cell, 4) for way, cell in cells.items()}
    # far from the index at which electrons are needed the switch leaves them out
    assert found["alone"].runs == 0
    assert found["coupled"].runs == 16
    assert all(found[way].runs < 4 for way in found if way.startswith("switched"))
    # a viscosity that is held acts on the ions, one that is not does not for long
    assert found["switched_run"].q_i[0] > 1.5 * found["switched_run_none"].q_i[0]
    assert all(one.q_i[0] > one.q_i[1] > 0.0 for one in found.values())
    assert found["alone"].q_e == (0.0, 0.0)


def test_what_is_called_a_right_decision(study):
    def said(q_i, on):
        return study.Found((q_i, 1.0), (0.0, 0.0), 1.0, on, 0, 0.0, 10.0)

    def judged(on, **fluxes):
        found = {"direct": said(10.0, on)} | {way: said(q, on) for way, q in fluxes.items()}
        return study.verdict(found, "switched")

    assert judged(0.0, alone=12.0, coupled=30.0, switched=12.0) == (False, True)
    assert judged(0.0, alone=13.0, coupled=10.0, switched=13.0) == (False, False)  # 2 sqrt(2) away
    assert judged(1.0, alone=13.0, coupled=11.0, switched=11.0) == (True, True)
    assert judged(1.0, alone=13.0, coupled=11.0, switched=14.0) == (True, False)
    assert judged(1.0, alone=10.5, coupled=11.0, switched=11.0) == (True, False)


@pytest.mark.parametrize("machine", ["laptop", "slurm"])
def test_the_spec_is_clean(machine):
    diagnosis = diagnose([SPEC], machine=machine)
    assert not diagnosis.problems, "\n".join(map(str, diagnosis.problems))
