"""Maps between point sets and between meshes of the plane."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator

from manyscale.bridges.regrid import points, polygons
from toys.meshed import random_triangles

STEADY = settings(derandomize=True, deadline=None, max_examples=40, database=None)
SEEDS = st.integers(0, 10**6)


def wave(at):
    return np.sin(5.0 * at[:, 0]) * np.cos(4.0 * at[:, 1])


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def errors(make, count, sets):
    """Pooled rms error of a map on `sets` pairs of random point sets."""
    found = []
    for seed in range(sets):
        rng = np.random.default_rng(seed)
        source, target = rng.random((count, 2)), rng.random((2000, 2))
        found.append(make(source, target) @ wave(source) - wave(target))
    return rms(found)


# Reference: the verification table of the specification, computed there independently.
@pytest.mark.parametrize(
    ("count", "sets", "reference"), [(400, 12, 5.2e-3), (1600, 8, 3.6e-4), (6400, 4, 5.8e-5)]
)
def test_radial_basis_error(count, sets, reference):
    error = errors(points.rbf_map, count, sets)
    assert reference / 2.0 <= error <= 2.0 * reference


def test_nearest_error_falls_as_the_distance():
    found = [errors(points.nearest_map, count, 4) for count in (400, 1600, 6400)]
    for error, reference in zip(found, (6.5e-2, 3.3e-2, 1.6e-2), strict=True):
        assert reference / 1.5 <= error <= 1.5 * reference
    assert np.log2(np.divide(found[:-1], found[1:])) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("shift", [0.0, 5e5])
def test_linear_fields_are_exact(shift):
    rng = np.random.default_rng(2)
    source, target = rng.random((400, 2)) + shift, rng.random((300, 2)) + shift
    found = points.rbf_map(source, target) @ (1.0 + (source - shift) @ np.array([2.0, -3.0]))
    expected = 1.0 + (target - shift) @ np.array([2.0, -3.0])
    # coordinates near 5e5 have 6e-11 between neighbours, and so has the linear field
    assert abs(found - expected).max() <= (1e-12 if not shift else 1e-9)


@pytest.mark.parametrize(
    ("kernel", "degree"), [("linear", 0), ("thin_plate_spline", 1), ("cubic", 1), ("quintic", 2)]
)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_same_as_scipy(kernel, degree, dimension):
    rng = np.random.default_rng(dimension)
    source, target = rng.random((200, dimension)), rng.random((50, dimension))
    values = np.sin(5.0 * source[:, 0])
    peer = RBFInterpolator(source, values, neighbors=30, kernel=kernel, degree=degree)(target)
    found = points.rbf_map(source, target, 30, kernel, degree) @ values
    assert found == pytest.approx(peer, abs=1e-7 if dimension == 1 else 1e-10)


@STEADY
@given(seed=SEEDS, source=st.integers(12, 80), target=st.integers(12, 80))
def test_conservative_maps_keep_the_total(seed, source, target):
    rng = np.random.default_rng(seed)
    here, there = rng.random((source, 2)), rng.random((target, 2))
    forces = rng.random((source, 3))
    for make in (points.nearest_map, lambda a, b: points.rbf_map(a, b, 12)):
        there_to_here = make(there, here)
        shared = points.conservative(there_to_here)
        assert shared.shape == (target, source)
        assert abs(shared.sum(axis=0) - 1.0).max() <= 1e-13
        scale = abs(shared).sum(axis=0).max()
        assert abs((shared @ forces).sum(axis=0) - forces.sum(axis=0)).max() <= 1e-13 * (
            scale * source
        )
        assert abs(there_to_here.sum(axis=1) - 1.0).max() <= 1e-10


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kernel": "gauss"}, "no radial function is called 'gauss': use one of linear, thin"),
        ({"kernel": "quintic"}, "quintic needs polynomials of degree 2 or more, found 1"),
        ({"neighbours": 2}, "2 neighbours do not determine .* use 3 or more"),
        ({"source": np.zeros((2, 2))}, "2 source points are too few: 3 or more"),
        ({"source": np.c_[np.arange(60.0), np.zeros(60)]}, "all lie on one line"),
        ({"source": np.random.default_rng(0).random((40, 2)).repeat(2, 0)}, "two are equal"),
        ({"target": np.zeros((5, 3))}, "the same d on both sides"),
        ({"target": np.full((5, 2), np.nan)}, "target point 0 is not finite"),
    ],
)
def test_points_that_do_not_serve(change, sentence):
    given = {"source": np.random.default_rng(1).random((60, 2)), "target": np.full((5, 2), 0.4)}
    with pytest.raises(ValueError, match=sentence):
        points.rbf_map(**{**given, "neighbours": 12, **change})


def test_a_map_that_is_not_consistent_has_no_conservative_one():
    with pytest.raises(ValueError, match="a row of the reverse map sums to 2, expected 1"):
        points.conservative(2.0 * points.nearest_map(np.zeros((1, 2)), np.zeros((3, 2))))


@pytest.mark.parametrize("shift", [0.0, 5e5])
def test_two_random_triangulations_have_equal_integrals(shift):
    (p, cells), (q, other) = random_triangles(300, 1), random_triangles(200, 2)
    common = polygons.overlap(p + shift, cells, q + shift, other)
    target, source = polygons.areas(p + shift, cells), polygons.areas(q + shift, other)
    values = np.random.default_rng(3).random(len(source)) + 0.5
    means, totals = (common @ values) / target, common @ (values / source)
    assert target @ means == pytest.approx(source @ values, rel=1e-13)
    assert totals.sum() == pytest.approx(values.sum(), rel=1e-13)
    assert abs(common.sum(axis=1) - target).max() <= 1e-13 * target.max()


@STEADY
@given(seed=SEEDS, one=st.integers(0, 60), other=st.integers(0, 60))
def test_overlaps_add_up_to_the_cells(seed, one, other):
    a, b = random_triangles(one, seed), random_triangles(other, seed + 1)
    common = polygons.overlap(*a, *b)
    assert (common.data > 0.0).all()
    assert abs(common.sum(axis=1) - polygons.areas(*a)).max() <= 1e-13
    assert abs(common.sum(axis=0) - polygons.areas(*b)).max() <= 1e-13
    back = polygons.overlap(*b, *a)
    assert abs(common - back.T).max() <= 1e-14


def test_areas_are_those_of_every_pair():
    """Against counts of points of a fine grid that lie in both."""
    a, b = random_triangles(4, 5), random_triangles(3, 6)
    side = (np.arange(500) + 0.5) / 500
    at = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    counted = _inside(at, *a).T.astype(float) @ _inside(at, *b).astype(float) / len(at)
    assert abs(polygons.overlap(*a, *b).toarray() - counted).max() < 2e-3


def _inside(at, p, cells):
    corners = polygons.polygons(p, cells)
    found = []
    for polygon in corners:
        sides = np.roll(polygon, -1, axis=0) - polygon
        away = at[:, None] - polygon
        found.append((sides[:, 0] * away[..., 1] >= sides[:, 1] * away[..., 0]).all(axis=1))
    return np.stack(found, axis=1)


def test_areas_are_those_of_shapely():
    shapely = pytest.importorskip("shapely")
    a, b = random_triangles(60, 7), random_triangles(50, 8)
    one, other = (shapely.polygons(p[c]) for p, c in (a, b))
    peer = shapely.area(shapely.intersection(one[:, None], other[None]))
    assert abs(polygons.overlap(*a, *b).toarray() - peer).max() <= 1e-15


def test_squares_in_either_sense_and_with_repeated_corners():
    p = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    q = 0.5 + p
    for cell in ([0, 1, 2, 3], [3, 2, 1, 0]):
        found = polygons.overlap(p, np.array([cell]), q, np.array([[0, 1, 2, 3]]))
        assert found.toarray() == pytest.approx(np.array([[0.25]]), abs=1e-15)
    found = polygons.overlap(p, np.array([[0, 1, 2, 2], [0, 2, 3, 3]]), q, np.array([[3, 2, 1, 0]]))
    assert found.toarray() == pytest.approx(np.array([[0.125], [0.125]]), abs=1e-15)


def test_neighbours_that_only_touch_have_nothing_in_common():
    p = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    cell = np.array([[0, 1, 2, 3]])
    for shift in ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [3.0, 0.0]):
        assert polygons.overlap(p, cell, p + shift, cell).nnz == 0


def test_cells_of_very_different_size():
    p, cells = random_triangles(20, 3)
    q, small = random_triangles(2000, 4)
    common = polygons.overlap(p, cells, 1e-3 * q + 0.4, small)
    assert common.sum() == pytest.approx(1e-6, rel=1e-12)


STAR = np.array([[np.cos(t), np.sin(t)] for t in 0.8 * np.pi * np.arange(5)])
ARROW = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 0.2], [-1.0, 1.0]])


@pytest.mark.parametrize(
    ("p", "cells", "sentence"),
    [
        (ARROW, [[0, 1, 2, 3]], "cell 0 is not convex: cut it into triangles"),
        (STAR, [[0, 1, 2, 3, 4]], "cell 0 is not convex"),
        (ARROW, [[0, 1, 2], [1, 1, 1]], "cell 1 has no area"),
        (ARROW, [[0, 1, 2], [1, 2, 4]], "cell 1 has a corner that is none of the 4 points"),
        (ARROW[:, :1], [[0, 1, 2]], r"points \(p, 2\) and cells"),
        (ARROW * np.nan, [[0, 1, 2]], "point 0 is not finite"),
    ],
)
def test_cells_that_do_not_serve(p, cells, sentence):
    with pytest.raises(ValueError, match=sentence):
        polygons.areas(p, np.array(cells))


def test_the_same_bits_again():
    a, b = random_triangles(200, 1), random_triangles(150, 2)
    one, other = polygons.overlap(*a, *b), polygons.overlap(*a, *b)
    assert one.data.tobytes() == other.data.tobytes()
    rng = np.random.default_rng(1)
    source, target = rng.random((300, 2)), rng.random((200, 2))
    one, other = points.rbf_map(source, target), points.rbf_map(source, target)
    assert one.data.tobytes() == other.data.tobytes()
