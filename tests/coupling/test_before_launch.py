"""Nine mistakes that plain MUSCLE3 finds after minutes or never: refused before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOYS = Path(__file__).parents[1]

CRYSTAL = """\
ymmsl_version: v0.2
description: Diffusion in a crystal at one temperature
imports:
- from manyscale import implementation transport_properties
- from manyscale import implementation mass_diffusion
models:
  crystal:
    description: Diffusion in a crystal at one temperature
    components:
      properties:
        description: Diffusivity at the temperature
        implementation: transport_properties
        ports: {o_f: bulk_out}
      bulk:
        description: The crystal
        implementation: mass_diffusion
        ports: {f_init: properties_in, o_f: field_out}
    conduits:
      properties.bulk_out: bulk.properties_in
settings:
  bulk.nx: 16
"""
ENDS = """\
ymmsl_version: v0.2
description: What is sent and what is taken
models:
  ends:
    description: What is sent and what is taken
    components:
      source:
        description: Sends
        implementation: source
        ports: {o_f: line}
      drain:
        description: Takes
        implementation: drain
        ports: {f_init: line}
    conduits:
      source.line: drain.line
programs:
  source:
    description: Sends whatever is asked for
    executable: PYTHON
    args: -m manyscale.hosting.muscle toys.ends:Source
  drain:
    description: Takes one of many
    executable: PYTHON
    args: -m manyscale.hosting.muscle toys.ends:Drain
""".replace("PYTHON", sys.executable)
ROD = f"""\
ymmsl_version: v0.2
description: A rod
models:
  alone:
    description: A rod
    components:
      rod:
        description: A rod
        implementation: rod
        ports: {{o_f: out}}
programs:
  rod:
    description: A rod
    ports: {{o_f: out}}
    executable: {sys.executable}
    args: -m manyscale.hosting.muscle toys.ends:Rod
settings:
  rod.end: 2.0
  rod.length: 1.0
"""
TAKEN = "implementation: drain\n"
NINE = {
    "misspelt setting": (CRYSTAL, "bulk.nx:", "bulk.nxx:", "MS401"),
    "setting of a missing component": (CRYSTAL, "bulk.nx:", "bluk.nx:", "MS402"),
    "wrong unit": (ENDS, "line", "weight", "MS303"),
    "wrong dtype": (ENDS, "line", "single", "MS308"),
    "ports in code differ": (ROD, "ports: {o_f: out}\n    exec", "ports: {o_f: result}\n    exec",
                             "MS223"),
    "scalar port to an ensemble": (ENDS, TAKEN, f"{TAKEN}        multiplicity: 3\n", "MS211"),
    "required setting missing": (ROD, "  rod.length: 1.0\n", "", "MS406"),
    "executable missing": (ROD, sys.executable, "/opt/no/such/place/python", "MS604"),
    "module missing": (ROD, "toys.ends:Rod", "toys.edns:Rod", "MS605"),
}  # fmt: skip


def run(folder, text):
    (folder / "model.ymmsl").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "manyscale.cli", "run", "model.ymmsl", "--time-limit", "60"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TOYS)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def mistaken(text, old, new):
    assert old in text
    if old == "line":  # the sender's end only
        return text.replace("{o_f: line}", f"{{o_f: {new}}}").replace(
            "source.line", f"source.{new}"
        )
    return text.replace(old, new)


@pytest.mark.parametrize("name", NINE)
def test_it_is_refused_before_launch(name, tmp_path):
    text, old, new, code = NINE[name]
    done = run(tmp_path, mistaken(text, old, new))
    assert done.returncode == 1, done.stderr
    assert f"{code} error" in done.stderr
    assert done.stderr.count(" error:") == 1, done.stderr
    assert "nothing was launched" in done.stderr
    assert "Traceback" not in done.stderr + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["model.ymmsl"]


@pytest.mark.parametrize("text", [CRYSTAL, ENDS, ROD], ids=["crystal", "ends", "rod"])
def test_without_the_mistake_nothing_is_said(text, tmp_path):
    (tmp_path / "model.ymmsl").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "manyscale.cli", "check", "--probe", "model.ymmsl"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TOYS)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "No problems."
