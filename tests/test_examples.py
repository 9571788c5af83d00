"""Every example of the gallery runs and draws."""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("plot_*.py"))


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path):
    plt.switch_backend("Agg")
    try:
        runpy.run_path(str(path))
        assert plt.get_fignums(), f"{path.name} draws nothing"
    finally:
        plt.close("all")
