"""Conduction against closed forms, orders, the account of its heat, and micro models."""

import math
from itertools import pairwise

import numpy as np
import pytest

import manyscale as ms
from manyscale.testing import Component, run_in_process, write_spec
from manyscale_plugins.heat_diffusion import (
    HeatDiffusion,
    HeatDiffusionInterface,
    InterfaceTemperature,
    kernel,
)
from manyscale_plugins.heat_slab import exact
from manyscale_plugins.heat_slab.kernel import Slab
from manyscale_plugins.mass_diffusion.kernel import IMPLICIT_EULER

ALONE = ms.Received({"flux_in": None})
BEGIN = ms.Received({"kappa_in": None})
SCHEMES = {"implicit_euler": 1, "crank_nicolson": 2, "bdf2": 2}
# rho c = 1e6 J/(m3 K), k = 1: one second is long for a millimetre
PLAIN = {"density": 1e3, "heat_capacity": 1e3, "conductivity": 1.0, "lz": 1e-3}


def finish(model, received=BEGIN):
    state = model.f_init(ms.Start(0.0), received)
    while model.clock(state).to is not None:
        state = model.s(state, ALONE)
    return state


def field(model, received=BEGIN):
    return model.o_f(finish(model, received))["field_out"]


def table(temperatures, values):
    fields = {"temperature": np.array(temperatures), "conductivity": np.array(values)}
    return ms.Received({"kappa_in": ms.Contact(0.0, None, fields)})


def box(cells, held=(400.0, 200.0), boundary="fixed_both", length=1.0):
    flat = kernel.side("periodic", 1, 1e-6, (0.0, 0.0))
    return flat, flat, kernel.side(boundary, cells, length, held)


def steady(conductivity, one):
    T = np.full((1, 1, one[2].axis.cells), 300.0)
    step = kernel.Step(1.0, 1e20, IMPLICIT_EULER, np.zeros_like(T))
    return kernel.advanced(T, T, step, conductivity, one)[0]


def test_a_conductivity_that_falls_with_temperature_gives_the_closed_form():
    errors = []
    for cells in (50, 100, 200):
        one = box(cells)
        T = steady(lambda T: 100.0 * 300.0 / T, one)
        flux = kernel.fluxes(T, 100.0 * 300.0 / T, one, 2)[0, 0]
        known = 100.0 * 300.0 * math.log(2.0)  # k0 T0 ln(T1/T2)/L
        np.testing.assert_allclose(flux, flux[0], rtol=1e-7)
        profile = 400.0 * 0.5 ** one[2].axis.centres  # T1 (T2/T1)^(x/L)
        errors.append(np.abs(T[0, 0] / profile - 1.0).max())
        assert flux[0] == pytest.approx(known, rel=1e-4)
    assert errors[-1] < 1e-4
    assert [math.log2(a / b) for a, b in pairwise(errors)] == pytest.approx([2.0, 2.0], abs=0.1)


def test_layers_in_series_add_their_resistances():
    one = box(40)
    k = np.where(np.arange(40) < 10, 0.1, 100.0)[None, None, :]
    T = steady(lambda T: k, one)
    flux = kernel.fluxes(T, k, one, 2)[0, 0]
    np.testing.assert_allclose(flux, 200.0 / (0.25 / 0.1 + 0.75 / 100.0), rtol=1e-9)


@pytest.mark.parametrize(("scheme", "order"), SCHEMES.items())
def test_order_in_time_from_the_decay_of_a_sine(scheme, order):
    one = box(50, (0.0, 0.0), length=1e-3)
    z = one[2].axis.centres
    rate = 1e-6 * (2.0 / 2e-5 * math.sin(math.pi / 100.0)) ** 2  # of the discrete operator
    errors = []
    for steps in (20, 40, 80):
        model = HeatDiffusion(**PLAIN, nz=50, scheme=scheme, dt=0.1 / steps, t_end=0.1)
        state = model.f_init(ms.Start(0.0), BEGIN)
        wave = np.sin(math.pi * z / 1e-3)[None, None, :]
        state = state.but(T=300.0 + wave, before=300.0 + wave)
        while model.clock(state).to is not None:
            state = model.s(state, ALONE)
        errors.append(
            abs(((state.T - 300.0) * wave).sum() / (wave**2).sum() - math.exp(-0.1 * rate))
        )
    assert [math.log2(a / b) for a, b in pairwise(errors)] == pytest.approx([order] * 2, abs=0.15)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    "faces", [("fixed_both", "no_flux", "periodic"), ("fixed_right", "fixed_left", "no_flux")]
)
def test_heat_is_accounted_for_whatever_the_faces(scheme, faces):
    x, y, z = faces
    model = HeatDiffusion(
        **{**PLAIN, "lz": 5e-4}, nx=4, ny=3, nz=5, lx=1e-3, ly=5e-4, bc_x=x, bc_y=y, bc_z=z,
        t_left=400.0, t_right=250.0, source=1e7, scheme=scheme, dt=0.01, t_end=0.1,
    )  # fmt: skip
    sent = field(model, table([200.0, 300.0, 500.0], [2.0, 1.0, 0.5]))
    assert abs(sent["heat"]) > 1e-6
    assert sent["heat"] == pytest.approx(sent["influx"], rel=1e-8)


def test_a_box_that_varies_along_one_axis_is_a_line_along_any():
    def profile(axis):
        sizes = {f"n{a}": 12 if a == axis else 2 for a in "xyz"}
        lengths = {f"l{a}": 1e-3 for a in "xyz"}
        faces = {f"bc_{a}": "fixed_right" if a == axis else "no_flux" for a in "xyz"}
        given = {**PLAIN, **sizes, **lengths, **faces, "t_right": 400.0, "dt": 0.02, "t_end": 0.2}
        T = field(HeatDiffusion(**given), table([250.0, 450.0], [1.0, 3.0]))["T"]
        return np.moveaxis(T, "xyz".index(axis), 0)[:, 0, 0]

    np.testing.assert_allclose(profile("x"), profile("z"), rtol=1e-10)
    np.testing.assert_allclose(profile("y"), profile("z"), rtol=1e-10)


def test_alone_it_is_a_slab_of_the_other_model():
    slab = Slab(1.0, 1e6, 1e-3, 100, "temperature", 300.0)
    model = HeatDiffusion(**PLAIN, nz=100, t_left=400.0, t_right=300.0, dt=0.001, t_end=0.01)
    T = np.full(100, 300.0)
    from manyscale_plugins.heat_slab import kernel as slabs

    for _ in range(10):
        T = slabs.advanced(slab, T, 0.001, 1.0, True, (400.0, 400.0))
    np.testing.assert_allclose(field(model)["T"][0, 0], T, rtol=1e-12)


def called(model, fluxes):
    state = None
    for n, flux in enumerate(fluxes):
        came = {"kappa_in": None, "interface_in": ms.Contact(0.0, None, {"q_interface": flux})}
        state = model.f_init(ms.Start(n * model.dt, kept=state), ms.Received(came))
    return state


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_half_space_under_a_constant_flux(scheme):
    q, t = 1e4, 0.02
    model = HeatDiffusionInterface(
        **PLAIN, nz=1000, bc_z="fixed_right", scheme=scheme, dt=t / 400, t_initial=300.0
    )
    state = called(model, [q] * 400)
    known = 300.0 + 2.0 * q * math.sqrt(t / (math.pi * 1e6))  # Carslaw and Jaeger, 2.9
    face = model.o_f(state)["interface_out"]["t_interface"]
    assert face - 300.0 == pytest.approx(known - 300.0, rel=2e-3)
    assert model.o_f(state)["field_out"]["influx"] == pytest.approx(q * t * 1e-12, rel=1e-9)
    assert model.o_f(state)["field_out"]["q"][0] == pytest.approx(q)


def test_a_step_of_an_interface_is_a_step_of_a_slab():
    from manyscale_plugins.heat_slab import kernel as slabs

    slab, T = Slab(1.0, 1e6, 1e-3, 50, "temperature", 300.0), np.full(50, 300.0)
    model = HeatDiffusionInterface(
        **PLAIN, nz=50, bc_z="fixed_right", dt=0.01, scheme="crank_nicolson"
    )
    state = called(model, [1e4, 2e4])
    T = slabs.advanced(slab, T, 0.01, 0.5, False, (1e4, 1e4))
    T = slabs.advanced(slab, T, 0.01, 0.5, False, (1e4, 2e4))
    first = slabs.advanced(slab, np.full(50, 300.0), 0.01, 0.5, False, (1e4, 1e4))
    np.testing.assert_allclose(called(model, [1e4]).T[0, 0], first, rtol=1e-11)
    np.testing.assert_allclose(state.T[0, 0], T, rtol=1e-11)
    assert exact.effusivity(slab) == pytest.approx(1e3)


# --- over a micro model in every cell


class PowerLaw(ms.ScaleModel):
    """k = k0 T0/T in every cell: the closed form of a heterogeneous coupling."""

    jobs_in = ms.F_INIT(**HeatDiffusion.ports["gradient_out"].fields)
    results_out = ms.O_F(
        **{n: f for n, f in HeatDiffusion.ports["flux_in"].fields.items() if not f.optional}
    )

    class State(ms.State):
        time: float
        T: ms.Array
        dT: ms.Array
        thickness: ms.Array
        member: ms.Array

    def f_init(self, start, received):
        jobs = received.jobs_in
        asked = {"T": jobs.temperature, "dT": jobs.dT, "thickness": jobs.thickness}
        return self.State(time=start.time, member=jobs.member, **asked)

    def clock(self, state):
        return ms.Clock(state.time)

    def o_f(self, state):
        k = 100.0 * 300.0 / state.T
        q = np.repeat((k * state.dT / state.thickness)[:, None], 3, axis=1)
        T, one = np.repeat(state.T[:, None], 2, axis=1), np.ones(k.size)
        rest = {"residual": 0.0 * one, "sweeps": one.astype(np.int64)}
        return {
            "results_out": {
                "member": state.member,
                "q": q,
                "temperature": T,
                "kappa_eff": k,
                **rest,
            }
        }

    def scales(self):
        return ms.Scales(time=ms.Scale(0.0, 0.0))


def test_a_micro_model_in_every_cell_gives_the_closed_form(tmp_path):
    spec = write_spec(
        tmp_path,
        {
            "fourier": Component("manyscale_plugins.heat_diffusion:HeatDiffusion"),
            "micro": Component(f"{__name__}:PowerLaw"),
        },
        {"fourier.gradient_out": "micro.jobs_in", "micro.results_out": "fourier.flux_in"},
        {
            "fourier.lz": 1.0, "fourier.nz": 200, "fourier.t_left": 400.0, "fourier.t_right": 200.0,
            "fourier.dt": 1e9, "fourier.t_end": 2e10, "fourier.record": "field_out",
        },
    )  # fmt: skip
    out = run_in_process(spec, tmp_path / "run")
    state = out.states["fourier"]
    z = (np.arange(200) + 0.5) / 200.0
    np.testing.assert_allclose(state.T[0, 0], 400.0 * 0.5**z, rtol=1e-4)
    one = HeatDiffusion(lz=1.0, nz=200, t_left=400.0, t_right=200.0, dt=1e9, t_end=2e10)
    q = one.o_f(state)["field_out"]["q"]
    np.testing.assert_allclose(q, 100.0 * 300.0 * math.log(2.0), rtol=1e-4)


class Films(PowerLaw):
    """A film of silicon in every cell, solved one by one by the kinetic model as it is."""

    def o_f(self, state):
        from manyscale_plugins.phonon_bte import PhononBte
        from manyscale_plugins.phonon_modes import PhononModes

        model, found = PhononBte(ncell=20, n_mu=4, direction="in_plane"), []
        for T, dT, thickness in zip(state.T, state.dT, state.thickness, strict=True):
            modes = PhononModes(n_modes=16).modes(round(T, 1))._asdict()
            case = {"thickness": thickness, "temperature": T, "dT": dT}
            came = {"modes_in": {**modes, "t_ref": T}, "bc_in": case}
            ports = {name: ms.Contact(0.0, None, fields) for name, fields in came.items()}
            ports |= {"incoming_in": None, "interface_in": None}
            found.append(model.o_f(model.f_init(ms.Start(0.0), ms.Received(ports)))["flux_out"])
        names = ("q", "temperature", "kappa_eff", "residual", "sweeps")
        told = {name: np.array([one[name] for one in found]) for name in names}
        return {"results_out": {"member": state.member, **told}}


def test_a_kinetic_film_in_every_cell_gives_kirchhoff_of_its_own_conductivity(tmp_path):
    from manyscale_plugins.phonon_bte import in_plane
    from manyscale_plugins.phonon_bte.exact import kirchhoff
    from manyscale_plugins.phonon_bte.spectrum import spectrum
    from manyscale_plugins.phonon_modes import PhononModes

    spec = write_spec(
        tmp_path,
        {
            "fourier": Component("manyscale_plugins.heat_diffusion:HeatDiffusion"),
            "micro": Component(f"{__name__}:Films"),
        },
        {"fourier.gradient_out": "micro.jobs_in", "micro.results_out": "fourier.flux_in"},
        {
            "fourier.lz": 1e-5, "fourier.nz": 50, "fourier.t_left": 400.0, "fourier.t_right": 200.0,
            "fourier.dt": 1e3, "fourier.t_end": 1e4, "fourier.record": "field_out",
        },
    )  # fmt: skip
    state = run_in_process(spec, tmp_path / "run").states["fourier"]
    model = HeatDiffusion(lz=1e-5, nz=50, t_left=400.0, t_right=200.0, dt=1e3, t_end=1e4)
    q = model.o_f(state)["field_out"]["q"]
    T = np.linspace(200.0, 400.0, 41)
    k = [
        in_plane.conductivity(spectrum(*PhononModes(n_modes=16).modes(t)), 2e-7, 4, 0.0) for t in T
    ]
    known = kirchhoff(T, np.array(k), 200.0, 400.0) / 1e-5
    np.testing.assert_allclose(q, known, rtol=1e-3)


def answers(count, **changes):
    ones = np.ones(count)
    fields = {"member": np.arange(count), "kappa_eff": 100.0 * ones, "q": np.ones((count, 3))}
    return ms.Received({"flux_in": ms.Contact(0.0, None, {**fields, **changes})})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"member": np.array([1, 0, 2, 3])}, r"answers 4 members, expected 0\.\.3 in order"),
        ({"kappa_eff": np.array([1.0, -2.0, 1.0, 1.0])}, "kappa_eff of member 1 is -2 "),
    ],
)
def test_answers_that_fit_no_cells_are_refused(changes, says):
    model = HeatDiffusion(nz=4, dt=1e-6, t_end=1e-6)
    state = model.f_init(ms.Start(0.0), BEGIN)
    with pytest.raises(ms.Refused, match=says):
        model.s(state, answers(4, **changes))
    wide = HeatDiffusion(nx=2, nz=4, dt=1e-6, t_end=1e-6)
    with pytest.raises(ms.Refused, match="one line of cells, but nx = 2"):
        wide.s(wide.f_init(ms.Start(0.0), BEGIN), answers(4))


@pytest.mark.parametrize(
    ("temperatures", "values", "says"),
    [
        ([310.0, 400.0], [1.0, 1.0], r"a cell has 300 K, but kappa_in holds k for 310\.\.400 K"),
        ([300.0, 300.0], [1.0, 2.0], "brings 2 values, .* different temperatures"),
        ([200.0, 400.0], [1.0, -1.0], "expected a positive conductivity"),
        ([], [], "brings 0 values"),
    ],
)
def test_tables_that_are_none_are_refused(temperatures, values, says):
    with pytest.raises((ms.Refused, ValueError), match=says):
        finish(HeatDiffusion(nz=4, dt=1e-6, t_end=1e-6), table(temperatures, values))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="not a whole number of steps"):
        finish(HeatDiffusion(dt=1e-6, t_end=2.5e-6))
    held = HeatDiffusionInterface(bc_z="fixed_both", dt=1e-6)
    with pytest.raises(ms.Refused, match="bc_z is fixed_both, but interface_in brings the flux"):
        called(held, [1.0])
    late = HeatDiffusionInterface(bc_z="no_flux", dt=1e-6)
    came = {"kappa_in": None, "interface_in": ms.Contact(0.0, None, {"q_interface": 1.0})}
    with pytest.raises(ms.Refused, match=r"from t = 0 s to 1e-06 s, but was asked at t = 5e-06 s"):
        late.f_init(ms.Start(5e-6), ms.Received(came))
    with pytest.raises(ms.Refused, match="t_left is 0 K"):
        HeatDiffusion(t_left=0.0)
    assert InterfaceTemperature(temperature=310.0).o_f(None) == {
        "interface_out": {"t_interface": 310.0}
    }
