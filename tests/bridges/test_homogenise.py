"""Scale averaging of a heterogeneous cell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import manyscale as ms
from manyscale import testing
from manyscale.bridges.homogenise import Homogenise, kernel
from manyscale.hosting.in_process import run
from manyscale.testing import Component
from toys.interrupted import resumed

STEADY = settings(derandomize=True, deadline=None, max_examples=25, database=None)
WIRES = {"press.out": "cell.cell_in", "cell.cell_out": "press.back"}


def cell_of(phases, young, poisson, seed=None):
    """A cell of these phases, on uneven edges if there is a seed."""
    edges = []
    for count in phases.shape:
        sizes = np.ones(count)
        if seed is not None:
            sizes = np.random.default_rng([seed, count]).random(count) + 0.2
        edges.append(np.concatenate([[0.0], np.cumsum(sizes)]))
    local = kernel.plane_strain(np.array(young), np.array(poisson))
    return kernel.Cell(*edges, local[phases])


@STEADY
@given(
    seed=st.integers(0, 10**6),
    nx=st.integers(1, 9),
    ny=st.integers(1, 9),
    contrast=st.floats(-3.0, 3.0),
)
def test_energy_identity_and_order_of_the_apparent_stiffness(seed, nx, ny, contrast):
    phases = np.random.default_rng(seed).integers(0, 3, (nx, ny))
    cell = cell_of(phases, [1e9, 1e9 * 10.0**contrast, 3e9], [0.3, 0.1, 0.45], seed)
    below, scale = kernel.reuss_bound(cell), abs(kernel.voigt_bound(cell)).max()
    for condition in ("uniform_traction", "periodic", "linear_displacement"):
        found = kernel.homogenise(cell, condition)
        assert abs(found.strain - np.eye(3)).max() <= 1e-10
        assert abs(found.energy - found.stiffness).max() <= 1e-10 * abs(found.stiffness).max()
        assert abs(found.stiffness - found.stiffness.T).max() <= 1e-10 * scale
        assert least(found.stiffness - below) >= -1e-10 * scale, condition
        below = found.stiffness
    assert least(kernel.voigt_bound(cell) - below) >= -1e-10 * scale


def least(matrix):
    return np.linalg.eigvalsh(0.5 * (matrix + matrix.T)).min()


@pytest.mark.parametrize("poisson", [0.0, 0.3])
@pytest.mark.parametrize("axis", [0, 1])
def test_laminate(poisson, axis):
    """Closed forms for layers of one Poisson ratio, fractions f of Young's moduli E.

    Along the layers sum f E in uniaxial stress. Across them 1/sum(f/E) holds for the modulus with
    the lateral strain held, and for shear; in uniaxial stress only without lateral contraction.
    """
    young, fraction = np.array([1.0, 10.0]), np.array([0.6, 0.4])
    phases = np.repeat((np.arange(20) < 8)[None].astype(int), 6, axis=0)
    cell = cell_of(phases if axis else phases.T.copy(), young, [poisson, poisson])
    stiffness = kernel.homogenise(cell, "periodic").stiffness
    compliance = np.linalg.inv(stiffness)
    along, across = 1 - axis, axis
    plane = 1.0 - poisson**2  # E/(1 - nu2) is the uniaxial modulus of plane strain
    parallel = plane / compliance[along, along]
    assert parallel == pytest.approx(fraction @ young, rel=1e-10)
    series = 1.0 / (fraction / young).sum()
    held = (1.0 - poisson) / ((1.0 + poisson) * (1.0 - 2.0 * poisson))
    assert stiffness[across, across] / held == pytest.approx(series, rel=1e-10)
    assert stiffness[2, 2] * 2.0 * (1.0 + poisson) == pytest.approx(series, rel=1e-10)
    nu = poisson / (1.0 - poisson)
    moduli = young / plane
    exact = 1.0 / ((1.0 - nu**2) * (fraction / moduli).sum() + nu**2 / (fraction @ moduli))
    assert 1.0 / compliance[across, across] == pytest.approx(exact, rel=1e-10)
    uniaxial = exact * plane
    assert uniaxial == pytest.approx(series if poisson == 0.0 else 1.7781634585, rel=1e-10)


@pytest.mark.parametrize("condition", kernel.CONDITIONS)
def test_one_phase_shows_its_own_stiffness(condition):
    cell = cell_of(np.zeros((4, 3), dtype=int), [2e9], [0.25], seed=1)
    found = kernel.homogenise(cell, condition).stiffness
    # E (1 - nu)/((1 + nu)(1 - 2 nu)) = 1.2 E, E nu/((1 + nu)(1 - 2 nu)) = 0.4 E, G = 0.4 E
    exact = 2e9 * np.array([[1.2, 0.4, 0.0], [0.4, 1.2, 0.0], [0.0, 0.0, 0.4]])
    assert found == pytest.approx(exact, rel=1e-12, abs=1e-3)


def test_a_shifted_periodic_cell_is_the_same_material():
    phases = np.zeros((12, 12), dtype=int)
    phases[2:7, 3:8] = 1
    first = kernel.homogenise(cell_of(phases, [1.0, 20.0], [0.3, 0.2]), "periodic").stiffness
    moved = np.roll(phases, (5, 7), axis=(0, 1))
    second = kernel.homogenise(cell_of(moved, [1.0, 20.0], [0.3, 0.2]), "periodic").stiffness
    assert second == pytest.approx(first, rel=1e-11, abs=1e-12)


def test_conditions_meet_in_large_cells():
    """Apparent stiffness of a periodic material: bounds close in on the periodic value."""
    unit = np.zeros((4, 4), dtype=int)
    unit[1:3, 1:3] = 1
    gaps = []
    for count in (1, 2, 4, 8):
        cell = cell_of(np.tile(unit, (count, count)).repeat(2, 0).repeat(2, 1), [1, 10], [0.3, 0.3])
        by = {c: kernel.homogenise(cell, c).stiffness[2, 2] for c in kernel.CONDITIONS}
        gaps.append(by["linear_displacement"] - by["uniform_traction"])
    assert (np.diff(gaps) < 0.0).all()
    assert gaps[-1] < 0.25 * gaps[0]


def test_second_order_in_the_size_of_elements():
    phases = np.zeros((4, 4), dtype=int)
    phases[1:3, 1:3] = 1
    values = []
    for refine in (1, 2, 4, 8, 16):
        fine = phases.repeat(refine, 0).repeat(refine, 1)
        cell = cell_of(fine, [1.0, 2.0], [0.3, 0.3])
        values.append(kernel.homogenise(cell, "periodic").stiffness[0, 0])
    steps = -np.diff(values)
    assert (steps > 0.0).all()  # displacement elements are too stiff
    # corners of the inclusion cost part of the second order of smooth solutions
    assert np.log2(steps[-2] / steps[-1]) > 1.5


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"layout": [[0, 2]]}, r"layout has a phase 2, expected whole numbers from 0 to 1"),
        ({"layout": [[0, 0.5]]}, r"layout has a phase 0.5"),
        ({"layout": [[0, 1], [0]]}, r"layout has rows of different lengths"),
        ({"poisson": [0.3, 0.3, 0.3]}, r"poisson has 3 values for 2 phases"),
        ({"edges_x": [0.0, 1.0, 2.0]}, r"edges_x has 3 edges for 4 cells: give 5, or the two"),
        ({"edges_y": [1.0, 0.0]}, r"edges_y does not ascend"),
    ],
)
def test_settings_that_do_not_fit(change, sentence):
    came = ms.Contact(0.0, None, {"strain": np.zeros(3)})
    with pytest.raises((ms.Refused, ValueError), match=sentence):
        Homogenise(**change).f_init(ms.Start(0.0), ms.Received({"cell_in": came}))


@pytest.mark.parametrize(
    "change", [{"young": [1e9, 0.0]}, {"poisson": [0.5]}, {"condition": "free"}, {"refine": 0}]
)
def test_settings_out_of_bounds(change):
    with pytest.raises(ms.Refused, match=next(iter(change))):
        Homogenise(**change)


def test_uneven_edges_are_refined_within_their_cells():
    found = kernel.edges(np.array([0.0, 1.0, 3.0]), 2, 2, "edges_x")
    assert found.tolist() == [0.0, 0.5, 1.0, 2.0, 3.0]
    assert kernel.edges(np.array([0.0, 3.0]), 3, 1, "edges_x").tolist() == [0.0, 1.0, 2.0, 3.0]
    given = {"layout": [[0, 1, 0], [0, 0, 0]], "refine": 2}
    uneven = Homogenise(edges_x=[0.0, 1.0, 3.0], edges_y=[0.0, 0.5, 1.0, 2.0], **given)
    assert uneven.scales().length == ms.Scale(0.25, 3.0)
    assert Homogenise(edges_x=[0.0, 1.0], edges_y=[0.0, 3.0], **given).scales().length.grain == 0.25


def spec_of(folder, press="Press", **given):
    parts = {
        "press": Component(f"toys.strained:{press}"),
        "cell": Component("manyscale.bridges.homogenise:Homogenise"),
    }
    named = {name.replace("__", "."): value for name, value in given.items()}
    return testing.write_spec(folder, parts, WIRES, {"cell.record": "cell_out", **named})


@pytest.mark.parametrize("condition", kernel.CONDITIONS)
def test_coupled_work_is_stress_times_strain(tmp_path, condition):
    out = run(spec_of(tmp_path, cell__condition=condition), record=["press.out", "cell.cell_out"])
    turns = zip(out.recorded["press.out"], out.recorded["cell.cell_out"], strict=False)
    for sent, answered in turns:
        strain, answer = 0.01 * sent.messages[0]["strain"], answered.messages[0]
        assert answer["work"] == pytest.approx(strain @ answer["stress"], rel=1e-10)
        assert answer["stress"] == pytest.approx(answer["stiffness"] @ strain, rel=1e-12)
    assert out.states["press"].stress == pytest.approx(1e-6 * answer["stress"], rel=1e-12)


def test_the_stiffness_is_found_once(tmp_path, monkeypatch):
    calls, found = [], kernel.homogenise
    monkeypatch.setattr(kernel, "homogenise", lambda *args: calls.append(1) or found(*args))
    run(spec_of(tmp_path, press__steps=5))
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("press", "code"), [("TensorPress", "MS"), ("Heater", "MS30"), ("SpacePress", "MS")]
)
def test_what_does_not_fit_is_found_before_launch(tmp_path, press, code):
    with pytest.raises(ms.Refused, match=code) as caught:
        run(spec_of(tmp_path, press))
    assert "strain" in str(caught.value)


def test_nan_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(ms.Refused, match=r"strain has 3 values that are not finite") as caught:
        run(spec_of(tmp_path, press__spoilt=True))
    assert "\n" not in str(caught.value)


@pytest.mark.coupled
def test_a_killed_and_resumed_run_records_what_this_process_does(tmp_path):
    spec = spec_of(tmp_path, press__steps=60)
    testing.run_in_process(spec, tmp_path / "here")
    assert not testing.differences(tmp_path / "here", resumed(spec, tmp_path, 2.0))
