"""The bridge `regrid` between models: what arrives, on every host, and what is refused."""

import numpy as np
import pytest

import manyscale as ms
from manyscale import testing
from manyscale.bridges.regrid import Regrid
from manyscale.hosting.in_process import run
from manyscale.testing import Component
from toys import gridded
from toys.cells import put, volumes
from toys.interrupted import resumed

FINE = [[0.0, 0.03, 0.11, 0.2, 0.33, 0.41, 0.6], [0.0, 0.05, 0.17, 0.31, 0.4]]


def coupled(folder, plate="Plate", choices=None, **more):
    parts = {
        "plate": Component(f"toys.gridded:{plate}"),
        "regrid": Component("manyscale.bridges.regrid:Regrid"),
    }
    wires = {"plate.out": "regrid.field_in", "regrid.field_out": "plate.back"}
    values = {"plate.record": "out", "regrid.record": "field_out", "regrid.target_edges": FINE}
    values |= {f"regrid.{n}": v for n, v in (choices or {}).items()}
    return testing.write_spec(folder, parts, wires, values | more)


def test_a_plate_hears_its_fields_on_the_other_grid(tmp_path):
    plate = run(coupled(tmp_path)).states["plate"]
    assert plate.seen.shape == (6, 4)
    assert np.allclose(plate.seen_x, 0.5 * (np.array(FINE[0])[1:] + FINE[0][:-1]))
    before = plate.T - 1e-3 * (plate.seen.mean() - 273.15)
    assert plate.told == pytest.approx(2e3 * before.sum(), rel=1e-13)  # kJ in J
    expected, _ = put(before, gridded.EDGES, [np.array(e) for e in FINE])
    assert np.allclose(plate.seen, expected + 273.15, rtol=1e-13)


def test_a_declared_mesh_is_read_and_sent(tmp_path):
    plate = run(coupled(tmp_path, "Meshed")).states["plate"]
    other = run(coupled(tmp_path / "other")).states["plate"]
    assert np.array_equal(plate.seen_x, FINE[0])
    assert np.allclose(plate.seen, other.seen, rtol=1e-14)


def test_an_empty_list_keeps_an_axis(tmp_path):
    plate = run(coupled(tmp_path, choices={"target_edges": [FINE[0], []]})).states["plate"]
    assert plate.seen.shape == (6, 10)


@pytest.mark.coupled
def test_both_hosts_record_the_same(tmp_path):
    spec = coupled(tmp_path, "Meshed", {"method": "conservative2"})
    testing.run_in_process(spec, tmp_path / "here")
    testing.run_with_muscle(spec, tmp_path / "muscle")
    assert not testing.differences(tmp_path / "here", tmp_path / "muscle")


@pytest.mark.coupled
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    spec = coupled(tmp_path, "Meshed", **{"plate.steps": 40})
    testing.run_in_process(spec, tmp_path / "whole")
    again = resumed(spec, tmp_path, every=3.0)
    assert not testing.differences(tmp_path / "whole", again)


def test_a_masked_field_arrives_with_its_mask(tmp_path):
    choices = {"target_edges": [gridded.EDGES[0].tolist(), gridded.EDGES[1].tolist()]}
    spec = coupled(tmp_path, "Holed", choices, **{"plate.wrong": "masked"})
    plate = run(spec).states["plate"]
    assert plate.seen_mask.sum() == 1
    assert plate.seen_mask[3, 4]
    assert np.isfinite(plate.seen).all()


REFUSED = [
    (
        "Holed",
        {"plate.wrong": "nan"},
        {},
        r"T cannot be put .*first at index \[3, 4\]: send a mask",
    ),
    ("Plate", {"plate.wrong": "uneven"}, {}, "centres along x are not evenly spaced"),
    ("Loose", {"plate.wrong": "shape"}, {}, r"its shape is \(12, 10\), the cells .* are \(7, 10\)"),
    ("Timed", {}, {}, "the coordinate x is no length: Unit 's'"),
    ("Bare", {}, {}, "no grid came: its sender declares no mesh"),
    ("Pressed", {}, {}, "MS302"),
    ("Cubed", {}, {}, "MS30"),
    ("Mean", {}, {}, "as an amount"),
    ("Plate", {}, {"target_edges": [[]]}, "target_edges is missing"),
    ("Plate", {}, {"target_edges": FINE[:1]}, "has 1 lists, .* the axes x, y: give one list each"),
    ("Plate", {}, {"target_edges": [[0.0, 0.6, 0.5], []]}, "edges along x in target_edges are not"),
    (
        "Plate",
        {},
        {"target_edges": [[0.0, 0.6, 0.9], []]},
        "outside the source, .* fill or nearest",
    ),
    (
        "Plate",
        {},
        {"kind": "extensive"},
        "T cannot be .* kind = extensive, but its sender declares",
    ),
    ("Plate", {}, {"kind": "intensive"}, "heat cannot be .* declares it extensive"),
    ("Plate", {}, {"method": "prolong"}, "prolong to more; exchange the grids"),
    ("Plate", {}, {"method": "constrain"}, "guess_in is not connected"),
    (
        "Plate",
        {},
        {"method": "nearest"},
        "heat cannot .* it is extensive, and flavour = consistent",
    ),
]


@pytest.mark.parametrize(("plate", "more", "choices", "said"), REFUSED)
def test_what_is_refused(tmp_path, plate, more, choices, said):
    with pytest.raises(ms.Refused, match=said) as refused:
        run(coupled(tmp_path, plate, choices, **more))
    assert "\n" not in str(refused.value)


def test_diffusion_is_regridded_as_it_comes(tmp_path):
    parts = {
        "bulk": Component("manyscale_plugins.mass_diffusion:MassDiffusion"),
        "regrid": Component("manyscale.bridges.regrid:Regrid"),
    }
    sizes = {"nx": 6, "ny": 4, "nz": 8, "t_end": 2.0, "c_initial": 0.5}
    edges = [[0.0, 0.7e-7, 1.0e-7], [0.0, 1.0e-7], [0.0, 1e-7, 2.5e-7, 1.0e-6]]
    given_ = {f"bulk.{n}": v for n, v in sizes.items()} | {"regrid.target_edges": edges}
    spec = testing.write_spec(tmp_path, parts, {"bulk.field_out": "regrid.field_in"}, given_)
    sent = run(spec, record=["regrid.field_out"]).recorded["regrid.field_out"][-1].messages[0]
    assert sent["c"].shape == (2, 1, 3)
    assert (sent["c"] * volumes(edges)).sum() == pytest.approx(sent["mass"], rel=1e-13)
    assert np.allclose(sent["z"], [0.5e-7, 1.75e-7, 6.25e-7])


def contact(units=None, extensive=(), **fields):
    kinds = {n: (units or {}).get(n, "m" if n in "xy" else "1") for n in fields}
    return ms.Contact(2.0, None, fields, units=kinds, extensive=frozenset(extensive))


def passed(model, came, guess=None):
    ports = {"field_in": came, "guess_in": guess}
    return model.o_f(model.f_init(ms.Start(2.0), ms.Received(ports)))["field_out"]


def test_a_guess_is_constrained_in_the_units_of_the_data():
    came = contact({"c": "mol/m3"}, c=np.array([1.0, 3.0]), x=np.array([1.0, 3.0]))
    x = np.arange(8) * 50.0 + 25.0
    guess = contact({"c": "mmol/m3", "x": "cm"}, c=1e3 * np.arange(8.0), x=x)
    sent = passed(Regrid(method="constrain"), came, guess)
    assert np.allclose(sent["c"], [-0.5, 0.5, 1.5, 2.5, 1.5, 2.5, 3.5, 4.5], rtol=0.0, atol=1e-12)
    assert np.allclose(sent["x"], x / 100.0)
    with pytest.raises(ms.Refused, match="guess for c has another unit: Unit 'K'"):
        passed(Regrid(method="constrain"), came, contact({"c": "K"}, c=np.ones(8), x=x / 100.0))
    with pytest.raises(ms.Refused, match=r"guess_in brings no c of the shape \(8,\)"):
        passed(Regrid(method="constrain"), came, contact({}, d=np.ones(8), x=x / 100.0))
    other = Regrid(method="constrain", target_edges=[[0.0, 1.0, 4.0]])
    with pytest.raises(ms.Refused, match="is on another grid than target_edges"):
        passed(other, came, guess)


def test_a_masked_coarse_cell_keeps_the_mean_of_the_guess():
    mask = np.array([False, True])
    came = contact(c=np.array([1.0, np.nan]), c_mask=mask, x=np.array([1.0, 3.0]))
    guess = contact(c=np.arange(4.0), x=np.arange(4) + 0.5)
    sent = passed(Regrid(method="constrain"), came, guess)
    assert np.allclose(sent["c"], [0.5, 1.5, 2.0, 3.0])
    assert not sent["c_mask"].any()


def test_single_precision_and_vectors_pass():
    v = np.ones((4, 3), dtype=np.float32)
    came = contact(v=v, x=np.arange(4) + 0.5, n=np.int64(3))
    sent = passed(Regrid(target_edges=[[0.0, 1.5, 4.0]]), came)
    assert sent["v"].dtype == np.float32
    assert sent["v"].shape == (2, 3)
    assert sent["n"] == 3


def test_forces_at_points_keep_their_sum(tmp_path):
    parts = {
        "forces": Component("toys.gridded:Forces"),
        "regrid": Component("manyscale.bridges.regrid:Regrid"),
    }
    rows = [[0.1, 0.2], [0.9, 0.8], [0.5, 0.1], [0.3, 0.7], [0.6, 0.6]]
    for method, more in (("nearest", {}), ("rbf", {"rbf_neighbours": 4})):
        choices = {"method": method, "flavour": "conservative", "target_points": rows, **more}
        given_ = {f"regrid.{n}": v for n, v in choices.items()}
        spec = testing.write_spec(
            tmp_path / method, parts, {"forces.out": "regrid.field_in"}, given_
        )
        record = ["regrid.field_out", "forces.out"]
        found = run(spec, record=record).recorded
        sent, came = (found[name][-1].messages[0] for name in record)
        assert np.allclose(sent["force"].sum(axis=0), came["force"].sum(axis=0), rtol=1e-12)
        assert np.allclose(sent["points"], 1e3 * np.array(rows))


def test_a_grid_is_interpolated_at_the_centres_of_another():
    x = np.arange(20) + 0.5
    came = contact(c=3.0 + 2.0 * x, x=x)
    for method, off in (("rbf", 1e-11), ("nearest", 1.1)):
        model = Regrid(method=method, target_edges=[np.linspace(0.0, 20.0, 8).tolist()])
        sent = passed(model, came)
        assert np.abs(sent["c"] - 3.0 - 2.0 * sent["x"]).max() < off


def test_an_unstructured_mesh_gives_points_and_no_grid():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    cells = np.array([[0, 1, 2], [1, 3, 2]])
    mesh = ms.Geometry("unstructured", {"points": points, "cells": cells}, "triangle")
    came = ms.Contact(
        0.0, None, {"T": np.array([1.0, 2.0])}, meshes={"plate": mesh}, units={"T": "K"}
    )
    with pytest.raises(ms.Refused, match="on an unstructured mesh: method = nearest or rbf takes"):
        passed(Regrid(target_edges=[[0.0, 1.0]]), came)
    sent = passed(Regrid(method="nearest", target_points=[[0.9, 0.9], [0.1, 0.2]]), came)
    assert sent["T"].tolist() == [2.0, 1.0]
    with pytest.raises(ms.Refused, match="target_points has rows of 1 and of 2 numbers"):
        passed(Regrid(method="nearest", target_points=[[0.9, 0.9], [0.1]]), came)
    twice = ms.Contact(0.0, None, came.fields, meshes={"plate": mesh, "b": mesh}, units=came.units)
    with pytest.raises(ms.Refused, match="the fields are on 2 meshes, b, plate"):
        passed(Regrid(method="nearest"), twice)
