"""Cell fields between unstructured meshes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import manyscale as ms
from manyscale import testing
from manyscale.bridges.remesh import fields, kernel
from manyscale.hosting.in_process import run
from manyscale.testing import Component
from toys import meshed
from toys.interrupted import resumed
from toys.meshed import random_triangles

STEADY = settings(derandomize=True, deadline=None, max_examples=40, database=None)
SEEDS = st.integers(0, 10**6)
RULE = fields.Rule("fracarea", "error", 0.0)
WIRES = {"plate.out": "remesh.field_in", "remesh.field_out": "plate.back"}


def spec_of(folder, plate="Plate", **given):
    folder.mkdir(parents=True, exist_ok=True)
    points, cells = random_triangles(25, 2)
    target = folder / "target.npz"
    np.savez(target, points=points, cells=cells)
    parts = {
        "plate": Component(f"toys.meshed:{plate}"),
        "remesh": Component("manyscale.bridges.remesh:Remesh"),
    }
    values = {"remesh.record": "field_out", "plate.record": "out", "remesh.target": str(target)}
    named = {name.replace("__", "."): value for name, value in given.items()}
    return testing.write_spec(folder, parts, WIRES, {**values, **named})


def areas_of(mesh):
    from manyscale.bridges.regrid import polygons

    return polygons.areas(*mesh)


@STEADY
@given(seed=SEEDS, one=st.integers(0, 60), other=st.integers(0, 60))
def test_integrals_totals_and_bounds_are_kept(seed, one, other):
    source, target = random_triangles(one, seed), random_triangles(other, seed + 1)
    weights = kernel.weigh(source, target)
    values = np.random.default_rng(seed).standard_normal((len(source[1]), 2))
    none = np.zeros(len(values), dtype=bool)
    means = kernel.remap(weights, values, none, False, "fracarea")
    size = abs(values).sum()
    assert abs(areas_of(target) @ means - areas_of(source) @ values).max() <= 1e-13 * size
    totals = kernel.remap(weights, values, none, True, "fracarea")
    assert abs(totals.sum(axis=0) - values.sum(axis=0)).max() <= 1e-13 * size
    assert means.max() <= values.max() + 1e-12
    assert means.min() >= values.min() - 1e-12
    constant = kernel.remap(weights, np.full(len(values), 7.0), none, False, "fracarea")
    assert abs(constant - 7.0).max() <= 1e-12


def test_first_order():
    errors = []
    for count in (400, 1600, 6400):
        source, target = random_triangles(count, 1), random_triangles(count, 2)
        weights = kernel.weigh(source, target)
        none = np.zeros(len(weights.source), dtype=bool)
        error = kernel.remap(weights, means(source), none, False, "fracarea") - means(target)
        errors.append(np.sqrt(weights.target @ error**2))
    # random meshes do not refine each other: the rate of one step scatters
    assert 0.5 * np.log2(errors[0] / errors[2]) == pytest.approx(1.0, abs=0.1)


def means(mesh):
    """Cell means of sin(2 pi x) by the midpoints of the sides."""
    x = mesh[0][mesh[1], 0]
    return np.sin(np.pi * (x + np.roll(x, -1, axis=1))).mean(axis=1)


@STEADY
@given(seed=SEEDS, holes=st.integers(0, 20))
def test_masked_cells_do_not_count(seed, holes):
    source, target = random_triangles(20, seed), random_triangles(30, seed + 1)
    weights = kernel.weigh(source, target)
    rng = np.random.default_rng(seed)
    mask = np.zeros(len(source[1]), dtype=bool)
    mask[rng.permutation(len(mask))[:holes]] = True
    values = rng.random(len(mask)) + 1.0
    values[mask] = np.nan
    rule = fields.Rule("fracarea", "error", -1.0)
    came = {"T": values, "T_mask": mask}
    means = fields.carried(weights, came, (), rule)
    kept = kernel.covered(weights, mask)
    assert kept @ means["T"] == pytest.approx(areas_of(source)[~mask] @ values[~mask], rel=1e-12)
    assert (means["T_mask"] == (kept == 0.0)).all()
    assert (means["T"][means["T_mask"]] == -1.0).all()
    totals = fields.carried(weights, came, ("T",), fields.Rule("fracarea", "error", 0.0))
    assert totals["T"].sum() == pytest.approx(values[~mask].sum(), rel=1e-12)


def test_partly_covered_cells():
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    cell = np.array([[0, 1, 2, 3]])
    weights = kernel.weigh((corners, cell), (corners + np.array([0.75, 0.0]), cell))
    none, value = np.zeros(1, dtype=bool), np.array([8.0])
    assert kernel.remap(weights, value, none, False, "fracarea") == pytest.approx(8.0)
    assert kernel.remap(weights, value, none, False, "dstarea") == pytest.approx(2.0)
    assert kernel.remap(weights, value, none, True, "fracarea") == pytest.approx(2.0)


def test_cells_outside_are_refused_or_filled():
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [2.0, 0.0], [2.0, 1.0]])
    source, target = np.array([[0, 1, 2, 3]]), np.array([[0, 1, 2, 3], [1, 4, 5, 2]])
    weights = kernel.weigh((corners, source), (corners, target))
    came = {"T": np.array([8.0])}
    with pytest.raises(ValueError, match=r"field T has no source for 1 of 2 target cells.* is 1: "):
        fields.carried(weights, came, (), RULE)
    filled = fields.carried(weights, came, (), fields.Rule("fracarea", "fill", -5.0))
    assert filled["T"].tolist() == [8.0, -5.0]


@pytest.mark.parametrize(
    ("came", "sentence"),
    [
        (
            {"T": np.array([1.0, np.nan])},
            r"T is not finite in 1 cells, the first is 1: send a bool",
        ),
        ({"T": np.zeros(4)}, r"T has 4 values along its first axis, but its mesh 2 cells"),
        ({"T": np.zeros(2, dtype=np.int64)}, r"T is int64: only real numbers"),
        ({"T": np.zeros(2), "T_mask": np.zeros(2)}, r"T_mask is float64 \(2,\), expected bool"),
    ],
)
def test_fields_that_cannot_be_mapped(came, sentence):
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    mesh = corners, np.array([[0, 1, 2], [0, 2, 3]])
    with pytest.raises(ValueError, match=sentence):
        fields.carried(kernel.weigh(mesh, mesh), came, (), RULE)


def test_types_and_further_axes_are_carried():
    mesh = random_triangles(10, 1)
    weights = kernel.weigh(mesh, random_triangles(5, 2))
    stress = np.ones((len(mesh[1]), 3, 2), dtype=np.float32)
    mapped = fields.carried(weights, {"stress": stress, "name": "s", "n": 3}, (), RULE)
    assert mapped["stress"].dtype == np.float32
    assert mapped["stress"].shape == (len(weights.target), 3, 2)
    assert abs(mapped["stress"] - 1.0).max() < 1e-6
    assert (mapped["name"], mapped["n"]) == ("s", 3)


def test_cells_on_top_of_each_other_are_refused():
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    one, twice = np.array([[0, 1, 2, 3]]), np.array([[0, 1, 2, 3], [0, 1, 2, 2]])
    with pytest.raises(
        ValueError, match=r"cells of the source mesh overlap each other: .* 1.5 tim"
    ):
        kernel.weigh((corners, twice), (corners, one))
    with pytest.raises(ValueError, match="cells of the target mesh overlap"):
        kernel.weigh((corners, one), (corners, twice))


def test_files_that_hold_no_mesh(tmp_path):
    with pytest.raises(ValueError, match="is no full path"):
        kernel.read_mesh("mesh.npz")
    with pytest.raises(ValueError, match=r"missing.npz is not there"):
        kernel.read_mesh(str(tmp_path / "missing.npz"))
    np.savez(tmp_path / "other.npz", points=np.zeros((3, 2)))
    (tmp_path / "text.npz").write_text("points")
    for name in ("other.npz", "text.npz"):
        with pytest.raises(ValueError, match=f"{name} is no .npz with `points` and `cells`"):
            kernel.read_mesh(str(tmp_path / name))
    np.savez(tmp_path / "floats.npz", points=np.zeros((3, 2)), cells=np.zeros((1, 3)))
    with pytest.raises(ValueError, match="cells of float64"):
        kernel.read_mesh(str(tmp_path / "floats.npz"))


def test_coupled_fields_keep_their_integrals(tmp_path):
    out = run(spec_of(tmp_path), record=["plate.out", "remesh.field_out"])
    sent = out.recorded["plate.out"][0].messages[0]
    came = out.recorded["remesh.field_out"][0].messages[0]
    source, target = areas_of(random_triangles(40, 1)), areas_of(random_triangles(25, 2))
    assert target @ came["T"] == pytest.approx(source @ sent["T"], rel=1e-13)
    assert came["heat"].sum() == pytest.approx(sent["heat"].sum(), rel=1e-13)
    assert came["label"] == "plate"
    plate, bridge = out.states["plate"], out.states["remesh"]
    assert plate.seen == pytest.approx(bridge.fields["T"].value + 273.15, rel=1e-15)  # degC in K
    assert plate.seen_heat == pytest.approx(1e3 * bridge.fields["heat"].value, rel=1e-15)


def test_masked_input_comes_through(tmp_path):
    out = run(spec_of(tmp_path, "Holed", plate__wrong="masked"))
    plate = out.states["plate"]
    assert np.isfinite(plate.seen).all()
    assert plate.seen_mask.dtype == bool


@pytest.mark.parametrize(
    ("plate", "wrong", "sentence"),
    [
        ("Holed", "nan", r"field T is not finite in 1 cells, the first is 3: send a bool field"),
        ("Plate", "nan", r"plate.out at t = 0 s: T has 1 values that are not finite"),
        ("Plate", "grid", r"the mesh plate is rectilinear, expected unstructured"),
        ("Meshless", "", r"fields on one mesh are expected, found none"),
    ],
)
def test_what_arrives_wrongly_is_one_sentence(tmp_path, plate, wrong, sentence):
    with pytest.raises((ms.Refused, ValueError), match=sentence) as caught:
        run(spec_of(tmp_path, plate, plate__wrong=wrong))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("plate", "code"),
    [("Pressed", "MS30"), ("Square", "MS30"), ("Gridded", "MS311"), ("Mean", "MS")],
)
def test_what_does_not_fit_is_found_before_launch(tmp_path, plate, code):
    with pytest.raises(ms.Refused, match=code):
        run(spec_of(tmp_path, plate))


def test_weights_are_kept_while_the_meshes_are_the_same(tmp_path, monkeypatch):
    calls = []
    found = kernel.weigh
    monkeypatch.setattr(kernel, "weigh", lambda *meshes: calls.append(1) or found(*meshes))
    run(spec_of(tmp_path, plate__steps=4))
    assert len(calls) == 1


@pytest.mark.coupled
def test_a_killed_and_resumed_run_records_what_this_process_does(tmp_path):
    spec = spec_of(tmp_path, plate__steps=60)
    testing.run_in_process(spec, tmp_path / "here")
    assert not testing.differences(tmp_path / "here", resumed(spec, tmp_path, 2.0))


def test_a_plate_is_whole():
    assert areas_of(random_triangles(40, 1)).sum() == pytest.approx(1.0, rel=1e-14)
    assert meshed.Plate().steps == 3
