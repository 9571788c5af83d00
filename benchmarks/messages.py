"""Round trips between two hosted models against bare libmuscle, alternating in one run.

Prints medians and the ratio hosted / bare for 8 B and 8 MB messages.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

import numpy as np
import ymmsl
from ymmsl import v0_2 as y

import echo
from manyscale.launching.local import launch
from manyscale.testing import Component, write_spec

PAIRS = 7
SIZES = ((1, 3000), (1_000_000, 60))  # numbers of 8 B per message, round trips
ROLES = {"asker": "asked", "echo": "answer"}


def main() -> None:
    """Measure and print."""
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    print(f"{'bytes':>10} {'bare ms':>9} {'hosted ms':>9} {'ratio':>7}  ratios of the pairs")
    for length, turns in SIZES:
        with tempfile.TemporaryDirectory() as place:
            hosted_spec = hosted(Path(place) / "hosted", length, turns)
            bare_spec = bare(Path(place) / "bare", hosted_spec)
            pairs = [
                (trip(bare_spec, f"bare{i}"), trip(hosted_spec, f"hosted{i}")) for i in range(PAIRS)
            ]
        ratios = sorted(h / b for b, h in pairs)
        bare_ms, hosted_ms = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
        print(
            f"{8 * length:>10} {bare_ms:>9.3f} {hosted_ms:>9.3f} {statistics.median(ratios):>7.3f}"
            f"  {' '.join(f'{r:.3f}' for r in ratios)}"
        )


def hosted(folder: Path, length: int, turns: int) -> Path:
    """Write the coupling of the hosted models."""
    return write_spec(
        folder,
        {"asker": Component("echo:Asker"), "echo": Component("echo:Echo")},
        {"asker.asked": "echo.asked", "echo.answer": "asker.answer"},
        {"asker.length": length, "asker.turns": turns},
    )


def bare(folder: Path, hosted_spec: Path) -> Path:
    """Write the same coupling with bare programs."""
    config = ymmsl.load_as(y.Configuration, hosted_spec)
    for role in ROLES:
        program = config.programs[y.Reference(f"program_of_{role}")]
        program.executable, program.args = echo.bare_program(f"bare_{role}")
    folder.mkdir()
    path = folder / "model.ymmsl"
    path.write_text(ymmsl.dump(config))
    return path


def trip(spec: Path, name: str) -> float:
    """Run a coupling and return its median round trip in s, the first tenth left out."""
    run = spec.parent / name
    run.mkdir()
    launch([spec], run, time_limit=120.0)
    times = np.load(run / "instances/asker/workdir" / echo.TIMES)
    return float(np.median(times[len(times) // 10 :]))


if __name__ == "__main__":
    main()
