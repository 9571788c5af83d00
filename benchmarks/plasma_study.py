"""Are two scales of turbulence separable? Direct, coupled, switched and ions alone, by gradient.

    python benchmarks/plasma_study.py FOLDER [a_over_lt ...]
    python benchmarks/plasma_study.py FOLDER finer

Runs the three systems in this process and writes `FOLDER/<way>_<a_over_lt>.json`: fluxes in W/m2 of
every exchange and every sample, the index, the exchanges in which electrons were simulated, and
seconds. What exists is not run again, so it can be interrupted. Prints the table and whether the
index decided rightly, and writes `FOLDER/study.csv`. More than an hour on one core.

Errors are standard errors of a mean over time with samples that count as independent when they are
two integrated autocorrelation times apart (`measures.correlation_time`). Ion fluxes, and both of
the one box, are sampled 50 times an exchange; electron fluxes that are simulated once per exchange
make a series of exchanges.

`finer` runs the one box with 256 x 256 points at one gradient, for fewer exchanges, and compares it
with the same exchanges on 128 x 128.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from manyscale.hosting.in_process import run
from manyscale_plugins.drift_turbulence import measures

SPECS = Path(__file__).parents[1] / "coupling_specs"
GRADIENTS = (1.0, 1.25, 1.5, 2.0, 3.0)
EXCHANGES = 48
FIRST = 20  # exchanges that are left out: near and far from the threshold eddies settle slowly
SAMPLES = 50  # per exchange
AGREE = 2.0  # standard errors of a difference
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "direct": ("plasma_direct", {}),
    "coupled": ("plasma_always_on", {}),
    "switched": ("plasma_cross_scale", {}),
    "switched_none": ("plasma_cross_scale", {"electron_scale.idle": "none"}),
    "switched_run": ("plasma_cross_scale", {"index.first": "run"}),
    "switched_run_none": (
        "plasma_cross_scale",
        {"index.first": "run", "electron_scale.idle": "none"},
    ),
    "alone": ("plasma_cross_scale", {"index.mode": "off"}),
}
FINER, FINER_EXCHANGES, FINER_FIRST = 2.0, 16, 5
STEEP = {3.0: {"both_scales.dt": 6.25e-9}}  # the step of the spec is too long for its bursts


class Found(NamedTuple):
    """A line of the table: W/m2 with standard errors, means over the exchanges that count."""

    q_i: tuple[float, float]
    q_e: tuple[float, float]
    index: float
    on: float  # part of the exchanges with electrons, of those that count
    runs: int  # exchanges with electrons, of all
    seconds: float
    independent: float  # samples of the ion flux


def studied(way: str, gradient: float, exchanges: int = EXCHANGES, **settings: Any) -> Any:
    """Return what one run says, as it is written to its file."""
    spec, given = WAYS[way]
    files = [SPECS / spec / f"{part}.ymmsl" for part in ("model", "settings")]
    ions = "both_scales" if way.startswith("direct") else "ion_scale"
    record = [f"{ions}.flux_out", f"{ions}.history_out"]
    record += ["index.index_out"] if ions == "ion_scale" else []
    steep = STEEP.get(gradient, {}) if ions == "both_scales" else {}
    given = {"a_over_lt": gradient, f"{ions}.exchanges": exchanges, **given, **steep, **settings}
    begin = time.perf_counter()
    out = run(files, given, record=record)
    found: dict[str, Any] = {"seconds": time.perf_counter() - begin}
    for port in ("flux_out", "history_out"):
        said = out.recorded[f"{ions}.{port}"][-1].messages[0]
        found[port] = {name: np.asarray(said[name]).tolist() for name in said}
    decided = [shown.messages[0] for shown in out.recorded.get("index.index_out", [])]
    found["index"] = [one["i"] for one in decided]
    found["active"] = [bool(one["active"]) for one in decided]
    return found


def _mean_of_numbers(values: list[float]) -> float:
    """Return the mean of those that are numbers; there is none where nothing grows."""
    numbers = [value for value in values if np.isfinite(value)]
    return float(np.mean(numbers)) if numbers else np.nan


def line(cell: Any, first: int = FIRST) -> Found:
    """Return the means of one run over exchanges from `first` on."""
    history, by_exchange = cell["history_out"], cell["flux_out"]
    ions = np.asarray(history["q_i"])[first * SAMPLES :]
    if cell["active"]:
        electrons = measures.mean_and_error(by_exchange["q_e"], first)
    else:
        electrons = measures.mean_and_error(history["q_e"], first * SAMPLES)
    return Found(
        q_i=measures.mean_and_error(ions),
        q_e=electrons,
        index=_mean_of_numbers(cell["index"][first:]),
        on=float(np.mean(cell["active"][first:])) if cell["active"] else np.nan,
        runs=sum(cell["active"]),
        seconds=cell["seconds"],
        independent=len(ions) / (2.0 * measures.correlation_time(ions)),
    )


def verdict(found: dict[str, Found], way: str) -> tuple[bool, bool]:
    """Return whether the index said on, and whether that was right, in one way of coupling.

    On was right if the coupling is nearer to the ion flux of the one box than ions alone are; off
    was right if ions alone agree with the one box within two standard errors of the difference.
    """
    off = {name: abs(one.q_i[0] - found["direct"].q_i[0]) for name, one in found.items()}
    if found[way].on > 0.5:
        return True, off["coupled"] < off["alone"] and off[way] < off["alone"]
    errors = np.hypot(found["direct"].q_i[1], found["alone"].q_i[1])
    return False, bool(off["alone"] <= AGREE * errors)


def shown(gradient: float, way: str, found: Found) -> str:
    """Return a line of the table."""
    fluxes = [
        f"{1e-3 * mean:8.1f} +- {1e-3 * error:5.1f}" for mean, error in (found.q_i, found.q_e)
    ]
    return (
        f"{gradient:6.2f} {way:18} {' '.join(fluxes)} {found.index:6.2f} {found.runs:4d}"
        f" {found.independent:8.0f} {found.seconds:8.1f}"
    )


def write(path: Path, lines: dict[tuple[float, str], Found]) -> None:
    """Write the table as it stands in the reference of plasma_cross_scale."""
    with path.open("w", newline="") as file:
        file.write(
            f"# heat fluxes in W/m2 with standard errors (autocorrelation), means over exchanges"
            f" {FIRST + 1} to {EXCHANGES}; computed with benchmarks/plasma_study.py\n"
        )
        out = csv.writer(file, lineterminator="\n")
        out.writerow(
            ["a_over_lt", "way", "q_i", "q_i_error", "q_e", "q_e_error", "index", "runs", "seconds"]
        )
        for (gradient, way), one in lines.items():
            numbers = [f"{value:.4g}" for value in (*one.q_i, *one.q_e)]
            index = "" if np.isnan(one.index) else f"{one.index:.2f}"
            row = [f"{gradient:g}", way, *numbers, index, one.runs, f"{one.seconds:.0f}"]
            out.writerow(row)


def main(folder: Path, gradients: list[float]) -> None:
    """Run what is missing, print the table and what it says of the index."""
    folder.mkdir(parents=True, exist_ok=True)
    print("  a/LT way                 q_i [kW/m2]       q_e [kW/m2]   index runs  indep.  seconds")
    lines: dict[tuple[float, str], Found] = {}
    for gradient in gradients:
        for way in WAYS:
            path = folder / f"{way}_{gradient:g}.json"
            if not path.is_file():
                path.write_text(json.dumps(studied(way, gradient)))
            lines[gradient, way] = line(json.loads(path.read_text()))
            print(shown(gradient, way, lines[gradient, way]), flush=True)
    write(folder / "study.csv", lines)
    print("  a/LT way                the index said   rightly?")
    for gradient in gradients:
        found = {way: one for (at, way), one in lines.items() if at == gradient}
        for way in found:
            if way.startswith("switched"):
                on, right = verdict(found, way)
                print(
                    f"{gradient:6.2f} {way:18} {'on' if on else 'off':>16}"
                    f" {'yes' if right else 'no':>10}"
                )


def finer(folder: Path) -> None:
    """Compare the one box with a finer one."""
    path = folder / f"finer_{FINER:g}.json"
    if not path.is_file():
        fine = {"both_scales.n": 256, "both_scales.dt": 5e-9}
        path.write_text(json.dumps(studied("direct", FINER, FINER_EXCHANGES, **fine)))
    coarse = json.loads((folder / f"direct_{FINER:g}.json").read_text())
    for port in ("flux_out", "history_out"):
        count = FINER_EXCHANGES * (SAMPLES if port == "history_out" else 1)
        coarse[port] = {name: values[:count] for name, values in coarse[port].items()}
    for name, cell in (("128 x 128", coarse), ("256 x 256", json.loads(path.read_text()))):
        print(shown(FINER, name, line(cell, FINER_FIRST)))


if __name__ == "__main__":
    if sys.argv[2:] == ["finer"]:
        finer(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]), [float(word) for word in sys.argv[2:]] or list(GRADIENTS))
