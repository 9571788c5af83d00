"""Kernels of `regrid` on rectilinear grids: what is conserved, how accurate, what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyscale.bridges.regrid import constraints, grids, overlaps, slopes
from toys.cells import even, pairs, put, random_edges, volumes

EVERY = settings(derandomize=True, deadline=None, max_examples=40, database=None)


@pytest.fixture(scope="module")
def square():
    """300 x 200 cells and 97 x 61 cells with random edges, and a random field."""
    rng = np.random.default_rng(7)
    grids_ = [[random_edges(n, rng) for n in shape] for shape in ((300, 200), (97, 61))]
    return *grids_, rng.random((300, 200))


@pytest.mark.parametrize("rule", [{}, {"order": 2}, {"order": 2, "limited": True}])
def test_integral_and_total_are_kept(square, rule):
    source, target, f = square
    g, _ = put(f, source, target, **rule)
    amount = (f * volumes(source)).sum()
    assert (g * volumes(target)).sum() == pytest.approx(amount, rel=1e-13)
    total, _ = put(f * volumes(source), source, target, extensive=True, **rule)
    assert total.sum() == pytest.approx(amount, rel=1e-13)
    assert np.allclose(total, g * volumes(target), rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("order", [1, 2])
def test_a_constant_stays(square, order):
    source, target, f = square
    g, bare = put(np.ones_like(f), source, target, order=order)
    assert np.abs(g - 1.0).max() < 1e-13
    assert not bare.any()


def sine_means(edges):
    return -np.diff(np.cos(2.0 * np.pi * edges)) / (2.0 * np.pi * np.diff(edges))


def sine_error(m, order):
    source, target = [even(3 * m)], [even(2 * m)]
    g, _ = put(sine_means(source[0]), source, target, order=order)
    return float(np.sqrt(np.mean((g - sine_means(target[0])) ** 2)))


def test_first_order_on_a_sine():
    # rms from an independent script: cell means of sin(2 pi x), 3m cells onto 2m
    expected = {16: 7.71e-3, 32: 3.86e-3, 64: 1.93e-3, 128: 9.64e-4}
    found = {m: sine_error(m, 1) for m in expected}
    assert found == pytest.approx(expected, rel=0.005)
    assert np.log2(found[64] / found[128]) == pytest.approx(1.0, abs=0.05)


def test_second_order_on_a_sine():
    # the same script with slopes; 3.0 is a superconvergence of even grids, 2.0 is promised
    expected = {16: 2.47e-5, 32: 3.10e-6, 64: 3.87e-7, 128: 4.84e-8}
    found = {m: sine_error(m, 2) for m in expected}
    assert found == pytest.approx(expected, rel=0.005)
    assert np.log2(found[64] / found[128]) >= 2.0


def test_second_order_in_two_dimensions_on_uneven_grids():
    def error(m):
        bend = [even(k * m) + 0.08 * np.sin(2.0 * np.pi * even(k * m)) for k in (3, 2)]
        source, target = [bend[0], even(3 * m)], [even(2 * m), bend[1]]
        field = np.multiply.outer(*map(sine_means, source))
        g, _ = put(field, source, target, order=2)
        return np.sqrt(np.mean((g - np.multiply.outer(*map(sine_means, target))) ** 2))

    assert np.log2(error(32) / error(64)) >= 1.9


def test_slopes_are_exact_for_a_parabola():
    edges = random_edges(9, np.random.default_rng(3))
    primitive = edges**3 / 3.0 - edges**2
    found = slopes.gradient(edges) @ (np.diff(primitive) / np.diff(edges))
    assert np.allclose(found, (edges[1:] + edges[:-1]) - 2.0, rtol=0.0, atol=1e-10)


@pytest.mark.parametrize("cells", [1, 2])
def test_few_cells_have_slopes_too(cells):
    edges = even(cells)
    f = 0.5 * (edges[1:] + edges[:-1])
    g, _ = put(f, [edges], [even(5)], order=2)
    expected = f[0] if cells == 1 else (np.arange(5) + 0.5) / 5
    assert np.allclose(g, expected, rtol=0.0, atol=1e-15)


def test_limited_slopes_keep_the_range():
    rng = np.random.default_rng(4)
    source, target = [even(30), even(20)], [even(47), even(53)]
    f = (rng.random((30, 20)) > 0.8).astype(float)
    free, _ = put(f, source, target, order=2)
    limited, _ = put(f, source, target, order=2, limited=True)
    assert free.min() < -0.01
    assert limited.min() >= -1e-15
    assert limited.max() <= 1.0 + 1e-15


@EVERY
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.integers(1, 3))
def test_any_grids_keep_integrals(seed, cells, others, dimension):
    rng = np.random.default_rng(seed)
    source = [random_edges(cells, rng) for _ in range(dimension)]
    target = [random_edges(others, rng) for _ in range(dimension)]
    f = rng.standard_normal([cells] * dimension)
    size = (np.abs(f) * volumes(source)).sum()
    for rule in ({}, {"order": 2}, {"order": 2, "limited": True}):
        g, _ = put(f, source, target, **rule)
        slack = 1e-13 * max(size, np.abs(g).max())
        assert abs((g * volumes(target)).sum() - (f * volumes(source)).sum()) <= slack
        total, _ = put(f, source, target, extensive=True, **rule)
        assert abs(total.sum() - f.sum()) <= 1e-12 * max(np.abs(f).sum(), np.abs(total).max())


@EVERY
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.95))
def test_masked_cells_do_not_contribute(seed, part):
    rng = np.random.default_rng(seed)
    source, target = [[random_edges(n, rng) for n in shape] for shape in ((9, 8), (5, 4))]
    mask = rng.random((9, 8)) < part
    mask[0, 0] = False
    f = np.where(mask, np.nan, 3.0)
    for order in (1, 2):
        g, bare = put(f, source, target, mask, order=order, fill_value=-1.0)
        assert np.allclose(g[~bare], 3.0, rtol=1e-12)
        assert (g[bare] == -1.0).all()
    heat = np.where(mask, np.nan, rng.random((9, 8)))
    total, _ = put(heat, source, target, mask, extensive=True)
    assert total.sum() == pytest.approx(np.nansum(heat), rel=1e-12)


def test_overlaps_are_those_of_a_dense_sum():
    rng = np.random.default_rng(5)
    source, target = [[random_edges(n, rng) for n in (4, 3, 5)] for _ in range(2)]
    f = rng.random((4, 3, 5, 2))
    length = [
        np.clip(np.minimum.outer(t[1:], s[1:]) - np.maximum.outer(t[:-1], s[:-1]), 0.0, None)
        for s, t in zip(source, target, strict=True)
    ]
    dense = np.einsum("ai,bj,ck,ijkn->abcn", *length, f) / volumes(target)[..., None]
    assert np.allclose(put(f, source, target)[0], dense, rtol=1e-13, atol=1e-16)


def test_nested_means_of_a_prolonged_field_are_the_field():
    rng = np.random.default_rng(6)
    coarse, fine = [even(8), even(4)], [even(32), even(16)]
    c = rng.random((8, 4))
    assert np.array_equal(put(put(c, coarse, fine)[0], fine, coarse)[0], c)
    uneven = [np.union1d(e, rng.random(20)) for e in coarse]
    back = put(put(c, coarse, uneven)[0], uneven, coarse)[0]
    assert np.abs(back - c).max() < 1e-15


PARTIAL = [  # normalise, kind, value of the target cell [0.5, 1.5] over the source [0, 1] of 2.0
    ("fracarea", False, 2.0),
    ("dstarea", False, 1.0),
    ("fracarea", True, 1.0),
    ("dstarea", True, 1.0),
]


@pytest.mark.parametrize(("normalise", "extensive", "value"), PARTIAL)
def test_a_partly_covered_cell(normalise, extensive, value):
    f = np.full(4, 0.5 if extensive else 2.0)
    rule = {"normalise": normalise, "extensive": extensive}
    g, _ = put(f, [even(4)], [np.array([0.0, 0.5, 1.5])], **rule)
    assert g[1] == pytest.approx(value, rel=1e-15)


def test_cells_outside():
    source, target = [even(4)], [np.array([-2.0, -1.0, 0.0, 1.0, 3.0])]
    f = np.array([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match=r"cell \[-2, -1\] m along x lies outside the source, \[0"):
        put(f, source, target)
    filled, bare = put(f, source, target, outside="fill", fill_value=9.0)
    assert filled.tolist() == [9.0, 9.0, 2.5, 9.0]
    assert bare.tolist() == [True, True, False, True]
    for order in (1, 2):
        nearest, _ = put(f, source, target, outside="nearest", order=order)
        assert nearest.tolist() == [1.0, 1.0, 2.5, 4.0]
    with pytest.raises(ValueError, match="nearest would make totals out of nothing"):
        put(f, source, target, outside="nearest", extensive=True)


def test_edges_that_differ_by_rounding_are_one():
    edges = 1e-7 * np.arange(4) / 3.0
    shaken = edges + np.array([3e-24, -1e-23, 1e-23, -2e-23])
    one = overlaps.overlap(edges, shaken)
    assert np.array_equal(one.target, edges)
    assert len(one.rows) == 3


def test_edges_of_centres():
    assert np.allclose(overlaps.edges_of_centres(np.array([0.5, 1.5, 2.5]), "x"), [0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"along x are not evenly spaced.*send edges_x"):
        overlaps.edges_of_centres(np.array([0.5, 1.5, 3.5]), "x")
    for centres in ([1.5, 0.5], [0.5], []):
        with pytest.raises(ValueError, match=r"along x are not two or more .*edges_x for a single"):
            overlaps.edges_of_centres(np.array(centres), "x")


@pytest.mark.parametrize("edges", [[1.0, 0.0], [0.0], [0.0, 0.0], [0.0, np.nan], [0.0, np.inf]])
def test_edges_are_finite_and_ascend(edges):
    with pytest.raises(ValueError, match="along x are not two or more ascending numbers; give"):
        overlaps.checked_edges(np.array(edges), "x")


def test_edges_win_over_centres_and_follow_the_order_of_the_setting():
    fields = {"edges_b": np.array([0.0, 1.0, 3.0]), "a": np.array([0.5, 1.5]), "b": np.ones(2)}
    grid = grids.grid_of(fields, fields.get, None, ["b", "a"])
    assert grid.axes == ("b", "a")
    assert [e.tolist() for e in grid.edges] == [[0.0, 1.0, 3.0], [0.0, 1.0, 2.0]]
    with pytest.raises(ValueError, match="edges_b came, and b is none of the axes x, y"):
        grids.grid_of(fields, fields.get, None, ["x", "y"])


def constrained(seed, nested, how, weight=1.0):
    rng = np.random.default_rng(seed)
    coarse = [random_edges(9, rng), random_edges(7, rng)] if nested else [even(9), even(7)]
    fine = [random_edges(40, rng), random_edges(29, rng)]
    fine = [np.union1d(a, b) for a, b in zip(coarse, fine, strict=True)] if nested else fine
    m, c = rng.random([len(e) - 1 for e in fine]) + 0.1, rng.random((9, 7))
    f = constraints.constrain(m, c, pairs(coarse, fine), how, weight)
    return f, m, c, coarse, fine


@pytest.mark.parametrize("how", ["additive", "multiplicative"])
def test_a_nested_constraint_is_met(how):
    f, _, c, coarse, fine = constrained(1, True, how)
    assert np.abs(put(f, fine, coarse)[0] - c).max() < 1e-14


@EVERY
@given(st.integers(0, 2**32 - 1), st.integers(20, 60), st.floats(0.0, 0.4))
def test_a_straddling_constraint_is_met(seed, cells, shake):
    rng = np.random.default_rng(seed)
    fine = [even(n) + np.pad(shake / n * (rng.random(n - 1) - 0.5), 1) for n in (cells, 23)]
    coarse, c = [even(9), even(7)], rng.random((9, 7))
    f = constraints.constrain(rng.random((cells, 23)), c, pairs(coarse, fine))
    assert np.abs(put(f, fine, coarse)[0] - c).max() < 1e-12


def dense(coarse, fine):
    """R (coarse, fine) of whole grids, and their volumes."""
    back = pairs(fine, coarse)
    R = np.kron(*[o.matrix(o.lengths / o.sizes[1][o.rows]).toarray() for o in back])
    return R, volumes(coarse).ravel(), volumes(fine).ravel()


def test_the_additive_constraint_is_the_least_change():
    f, m, c, coarse, fine = constrained(2, False, "additive")
    R, _, small = dense(coarse, fine)
    left = np.linalg.solve(R @ (R / small).T, c.ravel() - R @ m.ravel())
    assert np.allclose(f.ravel(), m.ravel() + (R / small).T @ left, rtol=0.0, atol=1e-10)


def test_on_even_fine_cells_it_is_the_plain_pseudo_inverse():
    coarse, fine = [even(3), even(4)], [even(8), even(9)]
    rng = np.random.default_rng(8)
    m, c = rng.random((8, 9)), rng.random((3, 4))
    R, _, _ = dense(coarse, fine)
    plain = m.ravel() + R.T @ np.linalg.solve(R @ R.T, c.ravel() - R @ m.ravel())
    f = constraints.constrain(m, c, pairs(coarse, fine))
    assert np.allclose(f.ravel(), plain, rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("nested", [True, False])
def test_tikhonov_is_the_minimum(nested):
    weight = 3.0
    f, m, c, coarse, fine = constrained(3, nested, "tikhonov", weight)
    R, large, small = dense(coarse, fine)
    gradient = small * (f - m).ravel() + weight * R.T @ (large * (R @ f.ravel() - c.ravel()))
    assert np.abs(gradient).max() < 1e-14


def test_a_constraint_that_cannot_be_met():
    with pytest.raises(ValueError, match="cannot be met: some coarse cells share all their fine"):
        constraints.constrain(np.ones(3), np.arange(6.0), pairs([even(6)], [even(3)]))
    with pytest.raises(ValueError, match="begin and end together"):
        constraints.constrain(np.ones(3), np.ones(2), pairs([even(2)], [2.0 * even(3)]))
    with pytest.raises(ValueError, match="needs fine cells that lie within one coarse cell"):
        constraints.constrain(np.ones(5), np.ones(2), pairs([even(2)], [even(5)]), "multiplicative")
    with pytest.raises(ValueError, match="cannot change a guess whose mean is 0"):
        constraints.constrain(
            np.zeros(4), np.ones(2), pairs([even(2)], [even(4)]), "multiplicative"
        )


def test_totals_are_constrained_as_totals():
    coarse, fine = [even(3)], [np.array([0.0, 0.1, 0.4, 0.5, 0.9, 1.0])]
    m, c = np.arange(1.0, 6.0), np.array([3.0, 1.0, 2.0])
    f = constraints.constrain_totals(m, c, pairs(coarse, fine))
    assert np.allclose(put(f, fine, coarse, extensive=True)[0], c, rtol=1e-12)
