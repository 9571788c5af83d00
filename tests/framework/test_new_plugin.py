"""`manyscale new-plugin`: what it writes is tested, clean, and can be coupled at once."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from manyscale.cli import main

ROOT = Path(__file__).parents[2]
FILES = {
    "README.md",
    "pyproject.toml",
    "src/decay/__init__.py",
    "src/decay/kernel.py",
    "tests/test_decay.py",
    "coupling_specs/decay_chain/model.ymmsl",
    "coupling_specs/decay_chain/settings.ymmsl",
}


@pytest.fixture(scope="module")
def decay(environment, tmp_path_factory):
    """The folder of a new plugin `decay`, installed."""
    folder = tmp_path_factory.mktemp("new_plugin")
    environment.manyscale("new-plugin", "decay", cwd=folder)
    files = {str(p.relative_to(folder / "decay")) for p in folder.rglob("*") if p.is_file()}
    assert files == FILES
    environment.install(folder / "decay")
    return folder / "decay"


def new_plugin(monkeypatch, *arguments):
    """Run the command here; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["manyscale", "new-plugin", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return end.code
    return 0


def test_it_stands_in_the_list(environment, decay):
    assert "decay 0.1.0" in environment.manyscale("list", cwd=decay)


@pytest.mark.coupled
def test_it_passes_the_battery_untouched(environment, decay):
    lines = environment.manyscale("test-plugin", "decay", cwd=decay).splitlines()
    assert "passed decay-same" in lines
    assert all(line.startswith("passed decay-") for line in lines)


def test_its_own_tests_pass(environment, decay):
    # the one check that launches MUSCLE3 has its turn above
    tests = ("-m", "pytest", "-q", "-W", "error", "-c", "pyproject.toml", "-k", "not same")
    assert "5 passed, 1 deselected" in environment.succeed(*tests, cwd=decay)


@pytest.mark.coupled
def test_it_can_be_coupled_at_once(environment, decay, tmp_path):
    chain = decay / "coupling_specs/decay_chain"
    out = environment.manyscale("run", chain, "--time-limit", "50", cwd=tmp_path)
    (row,) = (line for line in out.splitlines() if "daughter.remaining.amount" in line)
    # 1/(0.25 - 1) (exp(-4) - exp(-1)) = 0.466 mol, Bateman (1910), less than 1 % off at dt = 0.05 s
    assert float(row.split()[3]) == pytest.approx(0.466, rel=0.01)


@pytest.mark.coupled
def test_plain_muscle_manager_runs_it(environment, decay, tmp_path):
    files = sorted((decay / "coupling_specs/decay_chain").glob("*.ymmsl"))
    environment.muscle_manager(*files, folder=tmp_path / "run")
    assert len(list(tmp_path.rglob("record.nc"))) == 2


@pytest.mark.parametrize("name", ["decay", "abcdefghij_klmnopqrst_uvwxyz_a"])
def test_what_it_writes_is_clean(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert new_plugin(monkeypatch, name) == 0
    rules = ["--config", str(ROOT / "pyproject.toml"), "--config", "src = ['src']", "--no-cache"]
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, *rules, "."]
        done = subprocess.run(ruff, cwd=name, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_its_types_hold(decay, tmp_path):
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), "src"]
    done = subprocess.run(mypy, cwd=decay, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("name", "model"), [("foo_2d", "foo_2d"), ("salt-melt", "salt_melt")])
def test_the_model_is_called_as_asked(name, model, monkeypatch, tmp_path):
    assert new_plugin(monkeypatch, name, "--into", tmp_path / "deep/er") == 0
    monkeypatch.syspath_prepend(tmp_path / "deep/er" / name / "src")
    (offered,) = importlib.import_module(model).manyscale_models()
    assert offered.name == model


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Decay", "cannot name a plugin"),
        ("2d", "cannot name a plugin"),
        ("_decay", "cannot name a plugin"),
        ("class", "cannot name a plugin"),
        ("zerfäll", "cannot name a plugin"),
        ("../decay", "cannot name a plugin"),
        ("", "cannot name a plugin"),
        ("a" * 31, "cannot name a plugin"),
        ("numpy", "is an installed Python module"),
        ("mass_diffusion", "manyscale already offers a model"),
    ],
)
def test_a_bad_name_is_refused(name, reason, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert new_plugin(monkeypatch, name) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert reason in sentence
    assert repr(name) in sentence
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "decay").mkdir()
    assert new_plugin(monkeypatch, "decay") == 1
    assert capsys.readouterr().err == (
        "manyscale: decay exists; nothing was written, name another.\n"
    )
    assert list((tmp_path / "decay").iterdir()) == []
