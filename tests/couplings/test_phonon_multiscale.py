"""A kinetic film in every cell of a conductor, many films a message, hosted by a farm."""

import numpy as np
import pytest

from manyscale.testing import Component, differences, run_in_process, write_spec
from manyscale.testing.couple import run_with_muscle
from manyscale_plugins.heat_diffusion import HeatDiffusion
from manyscale_plugins.phonon_bte import in_plane
from manyscale_plugins.phonon_bte.spectrum import spectrum
from manyscale_plugins.phonon_modes import PhononModes

LENGTH, CELLS, LEFT, RIGHT = 1e-5, 40, 310.0, 290.0  # m, 1, K, K
PARTS = {
    "modes": Component("manyscale_plugins.phonon_modes:PhononModes"),
    "fourier": Component("manyscale_plugins.heat_diffusion:HeatDiffusion"),
    "films": Component("manyscale.bridges.farm:farm@manyscale_plugins.phonon_bte:PhononBte"),
}
CONDUITS = {
    "modes.modes_out": "repeat films.modes_in",  # once, and held for every call
    "fourier.gradient_out": "films.jobs_in",
    "films.results_out": "fourier.flux_in",
}
SETTINGS = {
    "modes.n_modes": 16, "modes.temperature": 300.0, "films.ncell": 20, "films.n_mu": 4,
    "films.direction": "in_plane", "fourier.lz": LENGTH, "fourier.nz": CELLS,
    "fourier.t_left": LEFT, "fourier.t_right": RIGHT, "fourier.dt": 1e3, "fourier.t_end": 5e3,
    "fourier.record": "field_out;gradient_out",
}  # fmt: skip


def flux(state):
    """The heat flux of the finished conductor (W/m2)."""
    model = HeatDiffusion(lz=LENGTH, nz=CELLS, t_left=LEFT, t_right=RIGHT, dt=1e3, t_end=5e3)
    return model.o_f(state)["field_out"]["q"]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("multiscale")
    return folder, run_in_process(write_spec(folder, PARTS, CONDUITS, SETTINGS), folder / "run")


def test_heat_flows_as_the_films_conduct(here):
    """Modes of one temperature: one conductivity, that of a film as thick as a cell."""
    modes = spectrum(*PhononModes(n_modes=16).modes(300.0))
    k = in_plane.conductivity(modes, LENGTH / CELLS, 4, 0.0)
    known = k * (LEFT - RIGHT) / LENGTH
    np.testing.assert_allclose(flux(here[1].states["fourier"]), known, rtol=1e-3)


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_more_workers_give_the_same_bits(here, tmp_path, pool):
    folder, _ = here
    changed = {**SETTINGS, "films.workers": 2, "films.pool": pool}
    run_in_process(write_spec(tmp_path, PARTS, CONDUITS, changed), tmp_path / "run")
    assert not differences(folder / "run", tmp_path / "run")


@pytest.mark.coupled
def test_muscle_and_this_process_give_the_same_bits(here, tmp_path):
    folder, _ = here
    spec = write_spec(tmp_path / "spec", PARTS, CONDUITS, SETTINGS)
    assert not differences(folder / "run", run_with_muscle(spec, tmp_path / "run"))
