"""Are two scales of turbulence separable? Direct, coupled, switched and ions alone, by gradient.

    python benchmarks/plasma_study.py FOLDER [a_over_lt ...]

Runs the three systems in this process and writes `FOLDER/<way>_<a_over_lt>.json`: fluxes of every
exchange in W/m2, the index, the exchanges in which electrons were simulated, and seconds. What
exists is not run again. With the settings of the specs about a minute per gradient and way.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from manyscale.hosting.in_process import run

SPECS = Path(__file__).parents[1] / "coupling_specs"
GRADIENTS = (1.0, 1.25, 1.5, 2.0, 3.0)
EXCHANGES = 48
FIRST = 12  # exchanges that are left out: the eddies still grow
Cell = dict[str, Any]
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "alone": ("plasma_cross_scale", {"index.mode": "off"}),
    "switched": ("plasma_cross_scale", {}),
    "switched_run": ("plasma_cross_scale", {"index.first": "run"}),
    "switched_none": ("plasma_cross_scale", {"electron_scale.idle": "none"}),
    "switched_run_none": (
        "plasma_cross_scale",
        {"index.first": "run", "electron_scale.idle": "none"},
    ),
    "coupled": ("plasma_always_on", {}),
    "direct": ("plasma_direct", {}),
}


def studied(way: str, gradient: float, exchanges: int = EXCHANGES, **settings: Any) -> Cell:
    """Return what one run says."""
    spec, given = WAYS[way]
    files = [SPECS / spec / f"{part}.ymmsl" for part in ("model", "settings")]
    ions = "both_scales" if "both_scales" in files[0].read_text() else "ion_scale"
    record = [f"{ions}.flux_out", f"{ions}.history_out"]
    record += [] if ions == "both_scales" else ["index.index_out", "electron_scale.eddy_out"]
    begin = time.perf_counter()
    settings = {"a_over_lt": gradient, f"{ions}.exchanges": exchanges, **given, **settings}
    out = run(files, settings, record=record)
    found: Cell = {"seconds": time.perf_counter() - begin}
    for port in ("flux_out", "history_out"):
        said = out.recorded[f"{ions}.{port}"][-1].messages[0]
        found[port] = {name: np.asarray(said[name]).tolist() for name in said}
    found["nu"] = [one.messages[0]["nu_turb"] for one in out.recorded.get("electron_scale.eddy_out", [])]
    said = [shown.messages[0] for shown in out.recorded.get("index.index_out", [])]
    found["index"] = [one["i"] for one in said]
    found["active"] = [bool(one["active"]) for one in said]
    return found


def mean(values: list[float]) -> tuple[float, float]:
    """Return mean and standard error over the exchanges that count."""
    kept = np.array(values[FIRST:])
    return float(kept.mean()), float(kept.std(ddof=1) / len(kept) ** 0.5)


def shown(gradient: float, way: str, found: dict[str, Any]) -> str:
    """Return a line of the table."""
    fluxes = [
        f"{m / 1e3:8.1f} +- {e / 1e3:5.1f}" for m, e in (mean(found[q]) for q in found_fluxes)
    ]
    index = f"{np.nanmean(found['index'][FIRST:]):6.2f}" if found["index"] else "      "
    runs = f"{sum(found['active']):3d}/{len(found['active'])}" if found["active"] else "      "
    return f"{gradient:6.2f} {way:9} {' '.join(fluxes)} {index} {runs} {found['seconds']:7.1f}"


found_fluxes = ("q_i", "q_e")


def main(folder: Path, gradients: list[float]) -> None:
    """Run what is missing and print the table."""
    folder.mkdir(parents=True, exist_ok=True)
    print("  a/LT way          q_i [kW/m2]       q_e [kW/m2]   index  runs  seconds")
    for gradient in gradients:
        for way in WAYS:
            path = folder / f"{way}_{gradient:g}.json"
            if not path.is_file():
                path.write_text(json.dumps(studied(way, gradient)))
            print(shown(gradient, way, json.loads(path.read_text())), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [float(word) for word in sys.argv[2:]] or list(GRADIENTS))
