"""A fresh virtual environment, for tests of what users install beside the framework."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

CODE = "from manyscale.cli import main; main()"
PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index")


@dataclass(frozen=True)
class Environment:
    """Runs programs in a virtual environment, each under a hard time-out."""

    python: Path

    def run(self, *arguments, cwd, path=None, time_limit=60.0):
        """Run Python with `arguments`; `path` is a folder of importable modules."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MANYSCALE"))}
        if path is not None:
            clean["PYTHONPATH"] = str(path)
        command = [str(self.python), *map(str, arguments)]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, cwd=cwd, env=clean, stdout=pipe, stderr=pipe, text=True
        ) as process:
            try:
                out, err = process.communicate(timeout=time_limit)
            except BaseException:
                _end_tree(process.pid)
                raise
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def succeed(self, *arguments, **options):
        """Run Python with `arguments`, demand success, and return what it printed."""
        done = self.run(*arguments, **options)
        assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def manyscale(self, *arguments, **options):
        """Run the command `manyscale`, demand success, and return what it printed."""
        return self.succeed("-c", CODE, *arguments, **options)

    def refusal(self, *arguments, **options):
        """Run the command `manyscale`, demand exit code 1, and return its one sentence."""
        done = self.run("-c", CODE, *arguments, **options)
        assert done.returncode == 1, f"{done.args}\n{done.stdout}\n{done.stderr}"
        (sentence,) = done.stderr.splitlines()
        return sentence

    def muscle_manager(self, *files, folder):
        """Run a spec with plain MUSCLE3 in the new directory `folder`."""
        folder.mkdir()
        plain = ("-m", "muscle3.muscle_manager", "--start-all", "--run-dir", folder)
        self.succeed(*plain, *files, cwd=folder)

    def install(self, project):
        """Install a distribution from its folder."""
        # what it depends on is borrowed, and nothing is fetched
        self.succeed(*PIP, "--no-deps", "--no-build-isolation", project, cwd=project)


def _end_tree(pid):
    top = psutil.Process(pid)
    for member in [*top.children(recursive=True), top]:
        member.kill()


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """A virtual environment of its own that borrows what this interpreter has installed."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    borrowed = [p for p in sys.path if p.endswith("-packages")]
    (own,) = folder.glob("lib/python*/site-packages")
    # addsitedir, not plain lines: editable installs are .pth files themselves
    lines = [f"import site; site.addsitedir({place!r})\n" for place in borrowed]
    (own / "borrowed.pth").write_text("".join(lines))
    return Environment(folder / "bin/python")
