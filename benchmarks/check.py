"""How long `manyscale check` takes for a spec of 100 components and 200 conduits, cold."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 5
CRYSTALS, SETS_OF_LINES = 5, 18

HEAD = """ymmsl_version: v0.2
description: many crystals with many sets of lines
imports:
- from manyscale import implementation transport_properties
- from manyscale import implementation mass_diffusion
- from manyscale import implementation line_diffusion
models:
  many:
    description: many
    components:"""
CRYSTAL = """
      properties{n}:
        description: diffusivities
        implementation: transport_properties
        ports: {{o_f: bulk_out lines_out}}
      bulk{n}:
        description: a crystal
        implementation: mass_diffusion
        ports: {{f_init: properties_in, o_i: sample_out, s: line_in, o_f: field_out}}"""
LINES = """
      lines{n}_{k}:
        description: lines that the crystal feeds
        implementation: line_diffusion
        multiplicity: 4
        ports: {{f_init: properties_in bulk_in, o_f: line_out}}"""
PLACES = "[[1.0e-8, 1.0e-8], [1.0e-8, 7.0e-8], [7.0e-8, 1.0e-8], [7.0e-8, 7.0e-8]]"


def spec():
    """Return the text of the spec."""
    parts, wires, settings = "", "", f"\n  line_xy: {PLACES}"
    for n in range(CRYSTALS):
        sets = range(SETS_OF_LINES)
        parts += CRYSTAL.format(n=n) + "".join(LINES.format(n=n, k=k) for k in sets)
        wires += f"\n      properties{n}.bulk_out: bulk{n}.properties_in"
        wires += f"\n      lines{n}_0.line_out: bulk{n}.line_in"
        for sender, front, port in (
            ("properties", "repeat ", "lines_out properties_in"),
            ("bulk", "", "sample_out bulk_in"),
        ):
            out, into = port.split()
            wires += f"\n      {sender}{n}.{out}:"
            wires += "".join(f"\n      - {front}lines{n}_{k}.{into}" for k in sets)
        settings += f"\n  bulk{n}.dt: 2.0"
    return f"{HEAD}{parts}\n    conduits:{wires}\nsettings:{settings}\n"


def timed(command):
    """Return the wall time of a command in s, and what it printed."""
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return time.perf_counter() - begun, done.stdout


def main():
    """Print the size of the spec and the median times of cold processes."""
    checks, bare, said = [], [], ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "many.ymmsl")
        path.write_text(spec())
        manyscale = str(Path(sys.executable).with_name("manyscale"))
        for _ in range(RUNS):
            seconds, said = timed([manyscale, "check", str(path)])
            checks.append(seconds)
            bare.append(timed([sys.executable, "-c", "import ymmsl"])[0])
    components, conduits = CRYSTALS * (2 + SETS_OF_LINES), CRYSTALS * (2 + 2 * SETS_OF_LINES)
    print(f"{components} components, {conduits} conduits: {said.strip().splitlines()[-1]}")
    check, ymmsl = statistics.median(checks), statistics.median(bare)
    print(f"manyscale check, cold: {check:.2f} s (median of {RUNS})")
    print(f"ratio to a cold `import ymmsl` ({ymmsl:.2f} s): {check / ymmsl:.1f}")


if __name__ == "__main__":
    main()
