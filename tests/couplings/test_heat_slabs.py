"""Two slabs in contact: the coupled output against one body, closed forms and both hosts."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import manyscale as ms
from manyscale.hosting.in_process import run
from manyscale.testing import differences
from manyscale_plugins.heat_slab import HeatSlabDirichlet, HeatSlabNeumann, exact

SPEC = Path(__file__).parents[2] / "coupling_specs/heat_slabs"
FILES = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
LIMIT = 200.0  # s
FEW = {"interface.windows": 60}
RUBBER = {
    "conductivity": 0.13, "density": 1100.0, "heat_capacity": 2010.0, "length": 0.01,
    "initial_temperature": 300.0, "outer_temperature": 300.0,
}  # fmt: skip


def both(cells=200, **changes):
    """Return the slabs with some settings changed, `steel__length` and so on."""

    def own(name):
        return {k.split("__")[1]: v for k, v in changes.items() if k.startswith(name)}

    steel = HeatSlabDirichlet(**{"cells": cells, **own("steel")})
    rubber = HeatSlabNeumann(**{"cells": cells, **RUBBER, **own("rubber")})
    return steel.slab(), rubber.slab()


def coupled(changes, **settings):
    given = {name.replace("__", "."): value for name, value in changes.items()}
    return run(SPEC, {**FEW, **settings, **given}).states


# steel against rubber either way, equal slabs, a stiff thin one, short and long windows
CASES = [
    ({}, {}),
    ({}, {"dt": 0.05}),
    ({}, {"dt": 500.0}),
    ({"steel__conductivity": 0.13, "rubber__conductivity": 14.9}, {}),
    ({"rubber__conductivity": 400.0, "rubber__length": 1.0}, {}),
    (
        {"steel__conductivity": 400.0, "steel__length": 1e-3, "rubber__outer": "insulated"},
        {"interface.rtol": 1e-9},
    ),  # round-off of the flux through a half cell: 1e-10
]


@pytest.mark.parametrize(("changes", "settings"), CASES)
@pytest.mark.parametrize("scheme", ["implicit_euler", "crank_nicolson"])
def test_any_ratio_of_conductivities_gives_one_body(changes, settings, scheme):
    states = coupled(changes, **settings, **{"steel.scheme": scheme, "rubber.scheme": scheme})
    one, other = both(**changes)
    dt = settings.get("dt", 10.0)
    interface, body = exact.as_one(one, other, (400.0, 300.0), dt, 60, scheme)
    np.testing.assert_allclose(states["steel"].T[::-1], body[-1, :200], rtol=1e-8)
    np.testing.assert_allclose(states["rubber"].T, body[-1, 200:], rtol=1e-8)
    assert states["interface"].guess[0] == pytest.approx(interface[-1], rel=1e-8)
    assert states["interface"].iterations.max() <= 3


def test_the_contact_of_half_spaces_holds_for_short_times():
    out = run(SPEC, {**FEW, "dt": 0.4}, record=["steel.profile_out"])  # 24 s
    shown = out.recorded["steel.profile_out"][-1].messages[0]
    contact = exact.contact_temperature(*both(), 400.0, 300.0)
    assert shown["T_wall"] == pytest.approx(contact, rel=1e-6)
    steel = both()[0]
    expected = exact.half_space(steel, shown["s"], 24.0, 400.0, contact)
    np.testing.assert_allclose(shown["T"], expected, atol=0.01 * (400.0 - contact))


def test_the_coupled_step_of_crank_nicolson_is_of_second_order():
    smooth = {"steel.initial_temperature": 300.0, "steel.outer_temperature": 300.0,
              "rubber.outer_temperature": 400.0}  # fmt: skip

    def wall(steps):
        schemes = {f"{slab}.scheme": "crank_nicolson" for slab in ("steel", "rubber")}
        settings = {**smooth, **schemes, "dt": 800.0 / steps, "interface.windows": steps}
        return run(SPEC, {**settings, "cells": 20}).states["interface"].guess[0]

    coarse, middle, fine = (wall(steps) for steps in (50, 100, 200))
    assert np.log2((coarse - middle) / (middle - fine)) == pytest.approx(2.0, abs=0.1)


def test_a_plain_iteration_would_diverge():
    plain = {"interface.method": "fixed", "interface.omega0": 1.0}
    with pytest.raises(ms.Refused, match=r"relaxation diverges in window 0: the residual grew by"):
        coupled({}, **plain)
    assert exact.iteration_factor(*both()) == pytest.approx(-22.923, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"steel.dt": 5.0},
            r"heat_slab_neumann takes its step to t = 10 s, but was asked at t = 5 s",
        ),
        ({"interface.max_iter": 2}, r"no agreement in window 0: .* after 2 evaluations"),
        ({"rubber.conductivity": 0.0}, r"conductivity is 0 W/\(m K\), expected > 0"),
        ({"interface.method": "iqn"}, r"expected one of: iqn_ils, anderson, aitken, fixed"),
    ],
)
def test_what_cannot_be_coupled_is_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        run(SPEC, settings)


@pytest.mark.coupled
def test_manyscale_run_ends_with_table_and_figure(tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OFF" not in done.stdout
    assert done.stdout.count(" ok ") == 4
    assert (folder / "figure.png").stat().st_size > 10_000


@pytest.mark.coupled
def test_plain_muscle_manager_and_this_process_give_the_same_bits(tmp_path):
    few = tmp_path / "few.ymmsl"
    few.write_text("ymmsl_version: v0.2\nsettings: {interface.windows: 60}\n")
    manager = shutil.which("muscle_manager", path=str(Path(sys.executable).parent))
    plain = tmp_path / "plain"
    plain.mkdir()
    command = [manager, "--start-all", "--run-dir", plain, *FILES, few]
    subprocess.run(command, check=True, capture_output=True, timeout=LIMIT, cwd=tmp_path)
    run([*FILES, few], folder=tmp_path / "here")
    assert differences(plain, tmp_path / "here") == []
    assert len(list((tmp_path / "here").rglob("record.nc"))) == 3
