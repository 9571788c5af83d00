"""Eigenbases, time schemes, conservation and refusals of the bulk alone."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import special

import manyscale as ms
from manyscale_plugins.mass_diffusion import MassDiffusion, kernel, lines, modes

BOUNDARIES = ("periodic", "no_flux", "fixed_left", "fixed_both")
SCHEMES = ("implicit_euler", "crank_nicolson", "bdf2", "explicit")
ALONE = ms.Received({"properties_in": None, "line_in": None})


def dense_operator(boundary, cells):
    """Minus second derivative on unit cells, ghost cells written out."""
    matrix = 2.0 * np.eye(cells) - np.eye(cells, k=1) - np.eye(cells, k=-1)
    if boundary == "periodic":
        matrix[0, -1] = matrix[-1, 0] = -1.0
        return matrix
    matrix[0, 0] = 1.0 if boundary == "no_flux" else 3.0
    matrix[-1, -1] = 3.0 if boundary == "fixed_both" else 1.0
    return matrix


def finish(model, properties=None):
    """Run the bulk alone to its end; the last State."""
    state = model.f_init(ms.Start(0.0), ms.Received({"properties_in": properties}))
    while model.clock(state).to is not None:
        state = model.s(state, ALONE)
    return state


def field(model):
    return model.o_f(finish(model))["field_out"]


def slab(**settings):
    """A bulk that varies along z only, in units of nm and s: D = 1 nm2/s."""
    given = {"nx": 4, "ny": 4, "lx": 4e-9, "ly": 4e-9, "diffusivity": 1e-18}
    return MassDiffusion(**(given | settings))


@pytest.mark.parametrize("cells", [4, 7, 16])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_basis_is_orthonormal_and_diagonalises(boundary, cells):
    axis = modes.Axis(boundary, cells, float(cells))
    basis = modes.forward(np.eye(cells), boundary, 0)
    np.testing.assert_allclose(basis @ basis.T, np.eye(cells), atol=1e-14)
    diagonal = basis @ dense_operator(boundary, cells) @ basis.T
    np.testing.assert_allclose(diagonal, np.diag(modes.eigenvalues(axis)), atol=1e-13)
    np.testing.assert_allclose(modes.backward(basis, boundary, 0), np.eye(cells), atol=1e-14)
    np.testing.assert_allclose(modes.totals(axis), basis.sum(axis=1), atol=1e-13)
    for cell in (0, cells - 1):
        np.testing.assert_allclose(modes.row(axis, cell), basis[:, cell], atol=1e-14)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_gradient_at_fixed_faces_balances_the_operator(boundary):
    axis = modes.Axis(boundary, 9, 9.0)
    lost = dense_operator(boundary, 9).sum(axis=0)
    slope = modes.backward(modes.inward_gradient(axis), boundary)
    np.testing.assert_allclose(slope, lost, atol=1e-13)


@pytest.mark.parametrize(
    ("scheme", "order"),
    [("implicit_euler", 1), ("crank_nicolson", 2), ("bdf2", 2), ("explicit", 1)],
)
def test_order_in_time_from_exact_decay(scheme, order):
    errors = []
    for steps in (40, 80):
        model = slab(
            nz=8,
            lz=8e-9,
            bc_z="no_flux",
            initial="cosine",
            c_initial=1.0,
            scheme=scheme,
            dt=6.0 / steps,
            t_end=6.0,
        )
        rate = 1e-18 * modes.eigenvalues(modes.Axis("no_flux", 8, 8e-9))[1]
        c, z = (field(model)[key] for key in ("c", "z"))
        exact = 1.0 + np.cos(np.pi * z / 8e-9) * math.exp(-rate * 6.0)
        errors.append(np.abs(c - exact).max())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)


def test_bulk_alone_follows_erfc():
    model = slab(nz=512, lz=2e-6, scheme="bdf2", dt=25.0, t_end=1e4, c_left=1.0, c_initial=0.0)
    reached = field(model)
    found = np.interp(400e-9, reached["z"], reached["c"][0, 0])
    assert found == pytest.approx(0.00468, abs=1e-5)
    np.testing.assert_allclose(
        reached["c"][0, 0], special.erfc(reached["z"] / 200e-9), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "faces", [("periodic", "no_flux", "fixed_left"), ("fixed_both", "fixed_left", "no_flux")]
)
def test_mass_equals_influx_through_the_faces(faces, scheme):
    x, y, z = faces
    model = MassDiffusion(
        nx=5, ny=6, nz=7, lx=5e-9, ly=6e-9, lz=7e-9, bc_x=x, bc_y=y, bc_z=z,
        scheme=scheme, dt=0.15, t_end=3.0, c_initial=0.25,
    )  # fmt: skip
    sent = field(model)
    begun = 0.25 * 5e-9 * 6e-9 * 7e-9
    assert sent["influx"] > 0.1 * begun
    assert sent["mass"] - begun - sent["influx"] == pytest.approx(0.0, abs=1e-12 * sent["mass"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_line_source_raises_the_mass_and_the_line_cell_by_its_response(scheme):
    model = MassDiffusion(
        nx=6, ny=6, nz=5, lx=6e-9, ly=6e-9, lz=5e-9, bc_z="no_flux",
        scheme=scheme, dt=0.15, t_end=0.6, line_xy=[[1.5e-9, 4.5e-9]],
    )  # fmt: skip
    axis = modes.Axis("no_flux", 5, 5e-9)
    state = model.f_init(
        ms.Start(0.0, slots={"sample_out": 1}), ms.Received({"properties_in": None})
    )
    added = 0.0
    for step in range(4):
        sample = model.o_i(state)["sample_out"][0]
        q = 1e-18 * (1.0 + step + np.arange(5.0))
        given = ms.Contact(0.0, None, {"q_line": q, "s": axis.centres})
        state = model.s(state, ms.Received({"line_in": [given]}))
        expected = sample["c_pred"] + modes.backward(
            sample["response"] * modes.forward(q, "no_flux"), "no_flux"
        )
        now = model.o_f(state)["field_out"]["c"][1, 4]
        np.testing.assert_allclose(now, expected, rtol=1e-12, atol=1e-12 * now.max())
        seen = model.o_i(state)["sample_out"][0]["c_now"]
        np.testing.assert_allclose(seen, now, rtol=1e-12, atol=1e-12 * now.max())
        added += 0.15 * q.sum() * axis.size
    assert model.o_f(state)["field_out"]["mass"] == pytest.approx(added, rel=1e-13)


@pytest.mark.parametrize("processes", [2, 3, 7])  # of seven, two hold none of the five modes
@pytest.mark.parametrize("bc_x", BOUNDARIES)
def test_blocks_of_modes_add_up_to_the_same_bits(bc_x, processes):
    faces = ((bc_x, 5), ("fixed_both", 6), ("fixed_left", 7))
    box = tuple(modes.Axis(boundary, cells, cells * 1e-9) for boundary, cells in faces)
    threads = lines.place(np.array([[1, 2], [3, 4]]), box)
    rng = np.random.default_rng(5)
    amounts, before = rng.random((2, 5, 6, 7))
    sources = tuple(rng.random((2, 2, 7)))
    scheme = (kernel.BDF2, kernel.BDF2)

    def step(held):
        args = (amounts[held], before[held], sources, threads, box, scheme, 1e-18, 0.1, held)
        new, rows = kernel.advance(*args)
        faces = kernel.inflow_rows(new, box, held)
        answer = kernel.response_rows(threads, box, kernel.BDF2, 1e-18, 0.1, held)
        return new, rows, faces, answer, kernel.start(box, np.ones(7), held)

    edges = [round(5 * n / processes) for n in range(processes + 1)]
    blocks = [step(slice(*edge)) for edge in pairwise(edges)]
    whole = step(kernel.ALL)
    for part, alone in zip(zip(*blocks, strict=True), whole, strict=True):
        np.testing.assert_array_equal(np.concatenate(part), alone)
    assert kernel.inflow(whole[2], box, 1e-18) != 0.0


def test_diffusivity_received_goes_before_the_setting():
    settings = {"nz": 8, "lz": 8e-9, "dt": 0.5, "t_end": 5.0}
    brought = ms.Contact(0.0, None, {"diffusivity": 3e-18})
    received = finish(slab(**settings), brought)
    np.testing.assert_array_equal(
        received.amounts, finish(slab(**settings, diffusivity=3e-18)).amounts
    )


def test_default_line_runs_through_the_cell_nearest_the_centre():
    even, odd = modes.Axis("periodic", 6, 6.0), modes.Axis("periodic", 7, 6.0)
    assert lines.cells_of([[]], (even, even, even)).tolist() == [[2, 2]]
    assert lines.cells_of([[]], (odd, odd, even)).tolist() == [[3, 3]]


def started(slots=1, **settings):
    model = MassDiffusion(**({"nx": 10, "ny": 10, "nz": 4, "lx": 1e-8, "ly": 1e-8} | settings))
    return model, model.f_init(
        ms.Start(0.0, slots={"sample_out": slots}), ms.Received({"properties_in": None})
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"t_end": 1.5}, r"whole number of steps .* nearest is t_end = 2 s"),
        ({"scheme": "explicit", "dt": 2.0}, r"largest stable step of this grid is 0\.249\d* s"),
        ({"initial": "cosine"}, "no-flux ends in z, but bc_z = fixed_left"),
        ({"line_xy": [[2.1e-9, 2.5e-9]]}, r"nearest is \(2\.5e-09, 2\.5e-09\) m"),
        ({"line_xy": [[2.5e-9, 11e-9]]}, r"nearest is \(2\.5e-09, 9\.5e-09\) m"),
        ({"line_xy": [[2.5e-9]]}, "1 numbers, expected x and y"),
        ({"ly": 2e-8}, "square cells"),
        ({"line_xy": [[2.5e-9, 2.5e-9], [8.5e-9, 2.5e-9]]}, "2 lines, but 1 are connected"),
    ],
)
def test_refusals(settings, sentence):
    with pytest.raises((ValueError, ms.Refused), match=sentence):
        started(**settings)


def test_close_lines_are_refused_across_the_periodic_face():
    rows = [[0.5e-9, 2.5e-9], [8.5e-9, 2.5e-9]]
    sentence = (
        r"lines 0 and 1 .* 2e-09 m apart, less than .* 4e-09 m: shorten dt to at most 0\.25 s"
    )
    with pytest.raises(ValueError, match=sentence):
        started(slots=2, line_xy=rows)
    started(slots=2, line_xy=rows, dt=0.25)
    started(slots=2, line_xy=rows, bc_x="no_flux")


def test_a_line_of_another_length_is_refused():
    model, state = started(lz=1e-6)
    other = {"q_line": np.zeros(4), "s": modes.Axis("no_flux", 4, 2e-6).centres}
    with pytest.raises(ValueError, match=r"2e-06 m long .* bulk is 1e-06 m"):
        model.s(state, ms.Received({"line_in": [ms.Contact(0.0, None, other)]}))


@pytest.mark.parametrize("setting", [{"diffusivity": -1e-18}, {"dt": 0.0}, {"nx": 2}])
def test_settings_out_of_bounds_are_refused(setting):
    with pytest.raises(ms.Refused, match=next(iter(setting))):
        MassDiffusion(**setting)


def test_received_diffusivity_must_be_positive():
    brought = ms.Contact(0.0, None, {"diffusivity": -1e-18})
    with pytest.raises(ms.Refused, match="must be positive"):
        finish(MassDiffusion(), brought)


def test_explicit_is_stable_at_its_bound():
    assert kernel.weights("explicit", 0) is kernel.EXPLICIT
    model = slab(nz=4, lz=4e-9, scheme="explicit", dt=1.0 / 6.0, t_end=50.0)
    c = field(model)["c"]
    assert np.all(c <= 1.0 + 1e-9)
