"""The command line: what it prints, and one sentence for every bad input."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from manyscale import cli

ROOT = Path(__file__).parents[2]
SPEC = str(ROOT / "coupling_specs/pipe_diffusion")


def manyscale(monkeypatch, capsys, *args):
    """Run the command in this process; return exit code, output and errors."""
    monkeypatch.setattr(sys, "argv", ["manyscale", *map(str, args)])
    try:
        cli.main()
    except SystemExit as exc:
        code = exc.code
    else:
        code = 0
    out, err = capsys.readouterr()
    return code, out, err


def test_list_names_every_built_in_model(monkeypatch, capsys):
    code, out, _ = manyscale(monkeypatch, capsys, "list")
    assert code == 0
    for name in ("mass_diffusion", "line_diffusion", "transport_properties", "effective_medium"):
        assert name in out


def test_show_prints_the_contract(monkeypatch, capsys):
    code, out, _ = manyscale(monkeypatch, capsys, "show", "line_diffusion")
    assert code == 0
    for word in ("bulk_in", "c_pred", "mol/m3", "radius", "Scale of length", "Cite"):
        assert word in out


def test_show_json_is_the_serialised_contract(monkeypatch, capsys):
    code, out, _ = manyscale(monkeypatch, capsys, "show", "line_diffusion", "--json")
    assert code == 0
    assert json.loads(out)["name"] == "line_diffusion"


def test_cite_names_the_base_and_the_models(monkeypatch, capsys):
    code, out, _ = manyscale(monkeypatch, capsys, "cite", SPEC)
    assert code == 0
    assert "MUSCLE" in out
    assert "Peaceman" in out


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["shwo"], "No command is called 'shwo'. Did you mean 'show'"),
        (["show", "mass_diffusoin"], "Did you mean 'mass_diffusion'"),
        (["run", "no/such/spec"], "There is no spec at no/such/spec"),
        (["run", str(ROOT / "coupling_specs")], "has no model.ymmsl"),
        (["run", SPEC, "--machine", "slrum"], "has no slrum.ymmsl. Did you mean 'slurm'"),
        (["run", SPEC, "--set", "bulk.dt"], "expected COMPONENT.SETTING=VALUE"),
        (["run", SPEC, "--set", ".=3"], "'.' is no name of a setting"),
        (["run", SPEC, "--set", "bulk.dt={"], "no value of a setting"),
        (["test-plugin", "nope"], "No plugin is called 'nope'"),
        (["new-plugin", "Not-A-Name!"], "cannot name a plugin"),
    ],
)
def test_bad_input_gets_one_sentence(monkeypatch, capsys, tmp_path, args, says):
    monkeypatch.chdir(tmp_path)
    code, _, err = manyscale(monkeypatch, capsys, *args)
    assert code == 1
    assert says in " ".join(err.split())
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "code", "says"),
    [
        ("bulk.dt=-1", "MS405", "dt is -1 s, expected > 0 s"),
        ("bulk.dt=5 nm", "MS407", "nm"),
        ("bulk.dt=0", "MS405", "dt is 0 s"),
        ("bulk.dt=-1e5", "MS405", "dt is -100000 s, expected > 0 s"),
        ("blk.dt=1", "MS402", "'bulk'"),
        ("bulk.tend=1", "MS401", "'t_end'"),
        ("bulk.scheme=eulr", "MS405", "implicit_euler"),
        ("bulk.record=nothing", "MS409", "nothing"),
    ],
)
def test_a_bad_setting_is_refused_before_launch(monkeypatch, capsys, tmp_path, value, code, says):
    monkeypatch.chdir(tmp_path)
    exit_code, _, err = manyscale(monkeypatch, capsys, "run", SPEC, "--set", value)
    assert exit_code == 1
    assert re.search(rf"--set:3:\d+: {code} error: ", err)
    assert says in err
    assert err.count(" error: ") == 1
    assert err.endswith("manyscale: 1 error; nothing was launched.\n")
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_a_spec_with_an_unknown_model_is_refused(monkeypatch, capsys, tmp_path):
    spec = tmp_path / "model.ymmsl"
    shutil.copytree(SPEC, tmp_path, dirs_exist_ok=True)
    text = spec.read_text()
    spec.write_text(text.replace("implementation line_diffusion", "implementation line_difusion"))
    code, _, err = manyscale(monkeypatch, capsys, "run", tmp_path)
    assert code == 1
    assert "MS111 error" in err
    assert "line_difusion" in err
    assert "'line_diffusion'" in err
    assert err.count(" error: ") == 1


def test_a_file_that_is_no_ymmsl_is_refused(monkeypatch, capsys, tmp_path):
    spec = tmp_path / "model.ymmsl"
    spec.write_text("ymmsl_version: v0.2\nmodles: {}\n")
    code, _, err = manyscale(monkeypatch, capsys, "run", spec)
    assert code == 1
    assert ":2:1: MS105 error: " in err
    assert "'models'" in err


def test_an_existing_run_directory_is_left_alone(monkeypatch, capsys, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "precious.txt").write_text("mine")
    code, _, err = manyscale(monkeypatch, capsys, "run", SPEC, "--run-dir", run)
    assert code == 1
    assert "exists; runs are not overwritten" in err
    assert [p.name for p in run.iterdir()] == ["precious.txt"]


def test_a_run_directory_that_cannot_be_made_is_refused(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = manyscale(monkeypatch, capsys, "run", SPEC, "--run-dir", tmp_path / "file/run")
    assert code == 1
    assert "cannot be made: Not a directory" in err


@pytest.mark.parametrize(
    ("text", "says"), [("rows = (", "cannot be loaded: SyntaxError"), ("", "no function 'rows'")]
)
def test_a_broken_report_is_refused_before_the_launch(monkeypatch, capsys, tmp_path, text, says):
    for name in ("model", "settings"):
        source = (Path(SPEC) / f"{name}.ymmsl").read_text()
        (tmp_path / f"{name}.ymmsl").write_text(source)
    (tmp_path / "report.py").write_text(text)
    code, _, err = manyscale(monkeypatch, capsys, "run", tmp_path, "--run-dir", tmp_path / "run")
    assert code == 1
    assert says in err
    assert not (tmp_path / "run").exists()
