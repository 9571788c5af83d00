"""Writes true_day.csv: the day of the scene with its hidden moisture, air and ground as one."""

import csv
from pathlib import Path

import numpy as np

from manyscale_plugins.mixed_layer import MixedLayer, kernel, monolithic
from manyscale_plugins.surface_energy_balance.kernel import resistances
from manyscale_plugins.synthetic_scene import SyntheticScene

COLUMNS = ("time", "air_temperature", "vapour_pressure", "height", "shortwave", "longwave")
SCENE = SyntheticScene(n_fine=[150, 150])
AIR = MixedLayer(height=300.0, theta=290.0, vapour_pressure=1200.0, growth="encroachment")


def true_day(times: np.ndarray, rtol: float = 1e-9) -> np.ndarray:
    """Return the rows of the table (time, 6)."""
    made = SCENE.made()
    ra, rs = resistances(made.surface.ndvi)
    rs = rs * np.exp(SCENE.moisture * made.moisture)
    surface = (made.surface.albedo, made.surface.emissivity)
    ground = monolithic.Ground(*(x.astype(float) for x in surface), ra, rs, SCENE.ground_fraction)
    layer = kernel.Layer(AIR.theta, AIR.vapour_pressure, AIR.height)
    sky = AIR.sky(AIR.table()).at
    found = monolithic.resolved(ground, layer, AIR.above, sky, times, rtol)
    radiation = [sky(t, theta, e) for t, (theta, e, _) in zip(times, found, strict=True)]
    return np.column_stack([times, found, radiation])


if __name__ == "__main__":
    with (Path(__file__).parent / "true_day.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([f"{x:.8g}" for x in row] for row in true_day(np.arange(0, 86401, 600.0)))
