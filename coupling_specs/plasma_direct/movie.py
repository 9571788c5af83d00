"""Film both scales in one box: the potential while ion and electron eddies grow and break.

    python coupling_specs/plasma_direct/movie.py FILE.gif [frames]

Runs the system in this process, 0.64 us a frame, about 20 s for all of them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from manyscale.hosting.in_process import Shown, run

SPEC = Path(__file__).resolve().parent
FRAMES, LENGTH = 32, 6.4e-7  # s
SETTINGS = {"a_over_lt": 3.0, "both_scales.dt": 8e-9, "both_scales.run_length": LENGTH,
            "both_scales.samples": 1}  # fmt: skip


def maps(frames: int) -> list[Shown]:
    """Return the potential at the beginning of every frame."""
    files = [SPEC / f"{part}.ymmsl" for part in ("model", "settings")]
    out = run(files, {**SETTINGS, "both_scales.exchanges": frames}, record=["both_scales.map_out"])
    return out.recorded["both_scales.map_out"]


def film(shown: list[Shown], path: Path) -> None:
    """Write an animation; every frame has its own range of nine colours, which keeps it small."""
    import matplotlib.pyplot as plt
    from matplotlib.animation import FuncAnimation, PillowWriter

    figure, ax = plt.subplots(figsize=(2.9, 3.0), layout="constrained")
    edge = 1e3 * float(shown[0].messages[0]["x"][-1])
    image = ax.imshow(
        shown[0].messages[0]["phi"].T,
        origin="lower",
        extent=(0, edge, 0, edge),
        cmap=plt.get_cmap("RdBu_r", 9),
        interpolation="bicubic",
        interpolation_stage="data",
    )
    ax.set(xlabel="x [mm]", ylabel="y [mm]")

    def draw(number: int) -> list[Any]:
        phi = shown[number].messages[0]["phi"]
        size = float(np.abs(phi).max())
        image.set_data(phi.T)
        image.set_clim(-size, size)
        ax.set_title(f"{1e6 * shown[number].time:.1f} µs, up to {size:.0f} V", fontsize=9)
        return [image]

    FuncAnimation(figure, draw, frames=len(shown)).save(path, PillowWriter(fps=8), dpi=72)
    plt.close(figure)


if __name__ == "__main__":
    film(maps(int(sys.argv[2]) if sys.argv[2:] else FRAMES), Path(sys.argv[1]))
