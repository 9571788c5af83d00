"""Checks of the machine that need a machine made for them; nothing a spec names is executed."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, ClassVar

import pytest

import manyscale as ms
from manyscale.contract.serialised import serialised
from manyscale.contract.sidecar import contract_of
from manyscale.coupling.checks import missing_extra
from manyscale.coupling.interpreter import Interpreter
from manyscale.coupling.prove import diagnose
from manyscale.registry import registry

MODEL = """\
ymmsl_version: v0.2
description: One component, started in a way of its own
models:
  alone:
    description: A crystal alone
    components:
      bulk:
        description: The crystal
        implementation: crystal
        ports:
          o_f: field_out
programs:
  crystal:
    description: The crystal
    keeps_state_for_next_use: no
"""
HOSTED = "args: -m manyscale.hosting.muscle manyscale_plugins.mass_diffusion:MassDiffusion"
MPI = "resources:\n  alone.bulk:\n    mpi_processes: 1\n"


@pytest.fixture(autouse=True)
def nothing_is_executed(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError(f"{args} is executed")

    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.fixture
def told(tmp_path):
    def tell(*lines, tail="", **options):
        spec = tmp_path / "model.ymmsl"
        spec.write_text(MODEL + "".join(f"    {line}\n" for line in lines) + tail)
        options = {"trusted": True, **options}
        return [(p.code, p.text) for p in diagnose([spec], **options).problems]

    return tell


def codes(found):
    return [code for code, _ in found]


def program(path, text="\x7fELF"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def venv(folder, **versions):
    """A virtual environment with distributions in it, as far as the files go."""
    program(folder / "bin/python")
    program(folder / "bin/activate")
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    site = folder / "lib/python3.11/site-packages"
    site.mkdir(parents=True)
    for name, version in versions.items():
        (site / f"{name}-{version}.dist-info").mkdir()
    for package in ("manyscale/hosting/muscle.py", "manyscale_plugins/mass_diffusion/__init__.py"):
        program(site / package, "")
    return folder


def test_the_spec_itself_is_clean(told):
    assert told(f"executable: {sys.executable}", HOSTED) == []


def test_another_machine_is_not_looked_at(told, tmp_path):
    found = told("executable: /opt/no/such/python", HOSTED, machine="slurm")
    assert codes(found) == []


def test_an_environment_without_muscle(told, tmp_path):
    ((code, text),) = told(f"virtual_env: {venv(tmp_path / 'v')}", "executable: python", HOSTED)
    assert code == "MS613"
    assert "no MUSCLE3" in text


def test_an_environment_with_another_muscle(told, tmp_path):
    folder = venv(tmp_path / "v", muscle3="0.9.1")
    ((code, text),) = told(f"executable: {folder}/bin/python", HOSTED)
    assert code == "MS613"
    assert "MUSCLE3 0.9.1" in text


def test_an_environment_with_our_muscle(told, tmp_path):
    from importlib.metadata import version

    folder = venv(tmp_path / "v", muscle3=version("muscle3"))
    assert told(f"executable: {folder}/bin/python", HOSTED) == []


def test_an_environment_without_the_model(told, tmp_path):
    folder = venv(tmp_path / "v", muscle3="0.11.0")
    shutil.rmtree(folder / "lib/python3.11/site-packages/manyscale_plugins")
    ((code, text),) = told(f"executable: {folder}/bin/python", HOSTED)
    assert code == "MS605"
    assert "manyscale_plugins.mass_diffusion" in text


def test_a_folder_of_pythonpath_is_searched(told, tmp_path):
    program(tmp_path / "mine/solver/run.py", "")
    args = ["executable: python", "args: -m solver.run"]
    assert "MS605" in codes(told(*args))
    assert codes(told(*args, f"env: {{PYTHONPATH: {tmp_path}/mine}}")) == ["MS701"]
    assert codes(told(*args, "env: {+PYTHONPATH: mine}")) == ["MS701", "MS605"]


def test_a_model_of_another_environment_is_unchecked(told, tmp_path):
    folder = venv(tmp_path / "v", muscle3="0.11.0")
    program(folder / "lib/python3.11/site-packages/acme.py", "")
    found = told(f"executable: {folder}/bin/python", "args: -m manyscale.hosting.muscle acme:Model")
    assert codes(found) == ["MS701"]
    assert "another interpreter" in found[0][1]


def test_an_untrusted_model_is_not_imported(told, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "dangerous.py").write_text("raise SystemError('imported')\n")
    lines = ["executable: python", "args: -m manyscale.hosting.muscle dangerous:Model"]
    ((code, text),) = told(*lines, trusted=False)
    assert code == "MS701"
    assert "--probe" in text
    ((code, text),) = told(*lines)
    assert code == "MS703"
    assert "imported" in text
    ((code, text),) = told(*lines, with_machine=False)
    assert code == "MS703"


def test_a_missing_module_is_refused_without_the_machine(told):
    lines = ["executable: python", "args: -m manyscale.hosting.muscle no_such_module:Model"]
    assert codes(told(*lines)) == ["MS605"]
    assert codes(told(*lines, with_machine=False)) == ["MS703"]
    assert codes(told(*lines, trusted=False)) == ["MS701", "MS605"]


@pytest.mark.parametrize(
    "lines",
    [
        ["modules: python/3.11", "executable: python", "args: -m no_such_module"],
        ["base_env: login", "executable: mysolver"],
        ["executable: $HOME/bin/solver"],
        ["executable: /bin/sh", "args: -c true"],
        ["executable: python", "args: -X dev -W ignore -m json.tool"],
        ["execution_model: manual", "executable: /opt/no/such/solver"],
        ["executable: /bin/cat", "args: '$HOME/notes > copy.txt 2>&1'"],
        ["executable: /bin/cat", "args: --colour=#ff0 <(date) $(date) 'a;b' \"(c)\""],
        ["executable: /bin/cat", "args: [--case wet, --size=3, -v]"],
        ["script: |", "  #!/bin/bash", "  exec no_such_program"],
    ],
    ids=lambda lines: lines[0],
)
def test_what_cannot_be_known_is_not_guessed(told, lines):
    assert codes(told(*lines)) == ["MS701"]


def test_a_wrapper_called_python_is_not_guessed(told, tmp_path):
    shim = program(tmp_path / "shims/python", "#!/bin/sh\n")
    assert codes(told(f"executable: {shim}", "args: -m no_such_module")) == ["MS701"]


def test_a_python_file_that_is_not_there(told, tmp_path):
    assert codes(told("executable: python", "args: solver.py")) == ["MS701", "MS604"]
    script = program(tmp_path / "solver.py", "")
    assert codes(told("executable: python", f"args: {script}")) == ["MS701"]


def test_an_executable_that_is_none(told, tmp_path):
    program(tmp_path / "solver").chmod(0o644)
    for path, why in ((tmp_path / "solver", "chmod"), (tmp_path, "folder")):
        found = told(f"executable: {path}")
        assert codes(found) == ["MS701", "MS604"]
        assert why in found[1][1]
    assert "Did you mean 'solver'?" in told(f"executable: {tmp_path}/solvre")[1][1]


@pytest.mark.parametrize(
    ("model", "target", "wanted"),
    [
        ("openmpi", "orterun", None),
        ("openmpi", "prterun", None),
        ("openmpi", "mpiexec.hydra", "intelmpi"),
        ("intelmpi", "mpirun.openmpi", "openmpi"),
        ("intelmpi", "mpirun.mpich", None),
        ("intelmpi", "something", None),
    ],
)
def test_the_flavour_of_mpi(told, tmp_path, model, target, wanted):
    program(tmp_path / "mpi" / target)
    (tmp_path / "alternatives").mkdir()
    (tmp_path / "alternatives/mpirun").symlink_to(f"../mpi/{target}")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/mpirun").symlink_to(tmp_path / "alternatives/mpirun")
    path = f"env: {{PATH: {tmp_path}/bin}}"
    found = told(path, f"execution_model: {model}", f"executable: {sys.executable}", HOSTED,
                 tail=MPI)  # fmt: skip
    assert codes(found) == ([] if wanted is None else ["MS607"])
    assert wanted is None or wanted in found[0][1]


def test_the_mpi_of_a_wheel_and_of_intel(told, tmp_path):
    bin = program(tmp_path / "bin/mpirun", "#!/bin/sh").parent
    lines = [f"env: {{PATH: {bin}}}", "execution_model: openmpi", f"executable: {sys.executable}"]
    program(bin / "mpiexec.hydra")
    assert codes(told(*lines, HOSTED, tail=MPI)) == ["MS607"]
    (bin / "mpiexec.hydra").unlink()
    record = tmp_path / "lib/python3.11/site-packages/mpich-4.2.dist-info/RECORD"
    program(record, "../../../bin/mpirun,sha256=x,1\n")
    assert codes(told(*lines, HOSTED, tail=MPI)) == ["MS607"]


def test_no_mpi_at_all(told, tmp_path):
    lines = [f"env: {{PATH: {tmp_path}}}", "execution_model: openmpi"]
    ((code, text),) = told(*lines, f"executable: {sys.executable}", HOSTED, tail=MPI)
    assert code == "MS607"
    assert "no mpirun" in text


def test_a_slurm_allocation_has_srun(told, tmp_path, monkeypatch):
    lines = ["execution_model: srunmpi", f"executable: {sys.executable}", HOSTED]
    assert codes(told(*lines, tail=MPI)) == ["MS607"]
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    program(tmp_path / "bin/srun")
    assert told(*lines, f"env: {{PATH: {tmp_path}/bin}}", tail=MPI) == []


def answer(monkeypatch, text, code=0):
    asked = []

    def run(words, **options):
        asked.append(words)
        assert options["timeout"] <= 10.0
        return SimpleNamespace(returncode=code, stdout=text, stderr="Traceback\nImportError: no")

    monkeypatch.setattr(subprocess, "run", run)
    return asked


def test_probing_asks_an_unknown_mpirun(told, tmp_path, monkeypatch):
    mpirun = program(tmp_path / "bin/mpirun")
    asked = answer(monkeypatch, "mpirun (Open MPI) 5.0.3\nReport bugs to x")
    lines = [f"env: {{PATH: {tmp_path}/bin}}", "execution_model: intelmpi"]
    found = told(*lines, f"executable: {sys.executable}", HOSTED, tail=MPI, probe=True)
    assert codes(found) == ["MS607"]
    assert asked == [[str(mpirun), "--version"]]


def test_probing_asks_another_interpreter(told, tmp_path, monkeypatch):
    folder = venv(tmp_path / "v", muscle3="0.11.0")
    line = f"executable: {folder}/bin/python"
    answer(monkeypatch, "0.10.0\n")
    assert "MUSCLE3 0.10.0" in told(line, HOSTED, probe=True)[0][1]
    answer(monkeypatch, "", code=1)
    assert "ImportError: no" in told(line, HOSTED, probe=True)[0][1]


@pytest.mark.parametrize(("free", "found"), [(2**31, []), (2**29, ["MS608"]), (2**20, ["MS609"])])
def test_free_disk(told, monkeypatch, free, found):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    assert codes(told("executable: python", HOSTED)) == found


def test_components_that_cannot_share_cores(told, monkeypatch):
    from manyscale.coupling.checks import too_many_cores

    tail = "resources:\n  alone.bulk:\n    threads: 3\n"
    for cores, expected in ((4, []), (2, ["MS603"])):
        monkeypatch.setattr(too_many_cores, "_cores", lambda cores=cores: cores)
        assert codes(told("executable: python", HOSTED, tail=tail)) == expected
    ensemble = MODEL.replace("implementation: crystal", "implementation: crystal\n"
                             "        multiplicity: 3")  # fmt: skip
    monkeypatch.setattr(sys.modules[__name__], "MODEL", ensemble)
    assert codes(told("executable: python", HOSTED)) == []
    assert codes(told("executable: python", HOSTED, "can_share_resources: false")) == ["MS603"]


class Solid(ms.ScaleModel):
    """Needs a solver library."""

    extra: ClassVar[str] = "solid"
    out = ms.O_F(x=ms.Field("number"))
    a: Annotated[float, "1", "a number"] = 1.0


def test_the_extra_of_a_model(told, monkeypatch):
    entry = registry.Entry(Solid, "solid", "acme", "1")
    node = SimpleNamespace(
        name="bulk", at=(), contract=Solid, hosted=True, program="acme", instances=["bulk"]
    )
    command = SimpleNamespace(interpreter=None)
    machine = SimpleNamespace(here=True, registry=[entry], graph=None)
    monkeypatch.setattr(missing_extra, "commands", lambda graph: [(node, command)])
    lines = {
        "no-such-solver>=2; extra == 'solid'": ["no-such-solver>=2"],
        "numpy>=900; extra == 'solid'": ["numpy>=900"],
        "numpy>=1; extra == 'solid'": [],
        "no-such-solver; extra == 'docs'": [],
        "no-such-solver; extra == 'solid' and python_version < '3'": [],
    }
    for line, missing in lines.items():
        monkeypatch.setattr(missing_extra.metadata, "requires", lambda name, line=line: [line])
        found = list(missing_extra.missing_extra.find(machine))
        assert len(found) == len(missing), line
        assert all(name in f.text for f in found for name in missing)
        assert all(f.write == "pip install 'acme[solid]'" for f in found)
    assert contract_of(serialised(Solid)).extra == "solid"


def test_modules_are_found_without_importing_them(tmp_path, monkeypatch):
    package = tmp_path / "site/fatal"
    program(package / "__init__.py", "raise SystemExit('imported')\n")
    program(package / "deep/inside.py", "raise SystemExit('imported')\n")
    program(tmp_path / "site/plain.py", "")
    program(tmp_path / "site/spread/__init__.py", "__path__ = ['elsewhere']\n")
    python = Interpreter.ours()
    before = [str(tmp_path / "site")]
    wanted = {
        "fatal": True, "fatal.deep": True, "fatal.deep.inside": True, "fatal.other": False,
        "fatal.deep.inside.further": False, "plain": True, "plain.inside": None,
        "spread.anything": None, "no_such_module_at_all": False, "os.path": True,
    }  # fmt: skip
    assert {name: python.finds(name, before) for name in wanted} == wanted


def test_pth_files_add_folders_or_doubt(tmp_path):
    folder = venv(tmp_path / "v")
    site = folder / "lib/python3.11/site-packages"
    program(tmp_path / "src/mine.py", "")
    python = Interpreter(folder / "bin/python")
    assert python.finds("mine") is False
    (site / "mine.pth").write_text(f"{tmp_path}/src\n")
    assert Interpreter(folder / "bin/python").finds("mine") is True
    (site / "mine.pth").write_text("import some_finder; some_finder.install()\n")
    assert Interpreter(folder / "bin/python").finds("mine") is None


def test_this_interpreter_knows_its_own():
    python = Interpreter.ours()
    assert python.is_ours
    assert python.version("Muscle3") is not None
    assert python.finds("manyscale.hosting.muscle")
    assert python.finds("manyscale_plugins.no_such_plugin") is False
    assert Interpreter.at(Path(sys.executable)) == python
    assert Interpreter.at(Path("/bin/sh")) is None
