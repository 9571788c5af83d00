"""Aleatory and epistemic variance through two farms: closed forms, one loop, interrupted."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import manyscale as ms
from manyscale.coupling.prove import diagnose
from manyscale.hosting.in_process import run
from manyscale.results import report
from manyscale.results.run import Run
from manyscale.testing import differences
from manyscale_plugins.random_conductivity_rve import exact, kernel
from toys.interrupted import resumed

SPEC = Path(__file__).parents[2] / "coupling_specs/total_variance"
FILES = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
LIMIT = 300.0  # s
LINEAR = {
    "distributions": "theta normal 1 0.3 W/(m K) epistemic",
    "rve_farm.mode": "linear",
    "device_farm.mode": "linear",
}
SMALL = {"n_outer": 40, "n_inner": 3}


def told(**settings):
    """What the split tells of a run in this process, and its table of members."""
    given = {name.replace("__", "."): value for name, value in settings.items()}
    out = run(SPEC, given)
    (stats,) = out.recorded["variance_split.stats_out"]
    (table,) = out.recorded["sampler.table_out"]
    return stats.messages[0], table.messages[0]


def close(stats, name, value):
    assert abs(stats[f"var_{name}"][0] - value) <= 4 * stats[f"var_{name}_se"][0], name


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """The shipped spec under `manyscale run`."""
    place = tmp_path_factory.mktemp("launched")
    words = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", place / "run"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, cwd=place)
    assert done.returncode == 0, done.stderr
    return place / "run", done.stdout


@pytest.mark.coupled
def test_manyscale_run_agrees_with_closed_forms_and_one_loop(launched):
    folder, out = launched
    assert "OFF" not in out
    assert out.count(" ok ") == 7
    assert "members against one loop without coupling" in out
    assert (folder / "figure.png").stat().st_size > 10_000


@pytest.mark.coupled
def test_plain_muscle_manager_and_this_process_give_the_same_bits(launched, tmp_path):
    manager = shutil.which("muscle_manager", path=str(Path(sys.executable).parent))
    plain = tmp_path / "plain"
    plain.mkdir()
    words = [manager, "--start-all", "--run-dir", plain, *FILES]
    subprocess.run(words, check=True, capture_output=True, timeout=LIMIT, cwd=tmp_path)
    run(SPEC, folder=tmp_path / "here")
    assert differences(launched[0], plain) == []
    assert differences(launched[0], tmp_path / "here") == []


# origin: closed form
def test_the_linear_chain():
    stats, _ = told(**LINEAR, n_outer=600, n_inner=4)
    close(stats, "epistemic", 0.36)
    close(stats, "aleatory", 0.2225)
    assert abs(stats["variance"][0] - 0.5825) <= 4 * stats["variance_se"][0]
    parts = stats["squares_between"][0] + stats["squares_within"][0]
    assert parts == pytest.approx(stats["squares_total"][0], rel=1e-12)
    assert abs(stats["var_pick_freeze"][0] - 0.36) <= 6 * stats["var_epistemic_se"][0]


@pytest.mark.parametrize("n", [4, 64])
def test_more_grains_scatter_less_and_know_no_more(n):
    stats, _ = told(rve_farm__n=n, n_outer=600, n_inner=4)
    slow, fast = exact.lognormal(0.2, 0.8, n)
    close(stats, "epistemic", slow)
    close(stats, "aleatory", fast)


def test_what_does_not_scatter_is_not_random():
    stats, _ = told(rve_farm__s_a=0.0, **SMALL)
    assert stats["var_aleatory"][0] == 0.0
    stats, _ = told(distributions="theta normal 0 1e-9 1 epistemic", n_outer=300, n_inner=3)
    close(stats, "epistemic", 0.0)


def test_an_aleatory_parameter_counts_as_random():
    stats, table = told(distributions="theta normal 0 0.2 1 aleatory", n_outer=300, n_inner=3)
    close(stats, "epistemic", 0.0)
    assert np.unique(table["theta"]).size == 900


def test_members_are_those_of_one_loop():
    _, table = told(rve_farm__mode="field", rve_farm__n=9, device_farm__mode="identity", **SMALL)
    z = [np.random.Generator(np.random.Philox(key=k)).standard_normal(9) for k in _seeds()]
    alone = [
        kernel.field(t, one, 0.8, 1.0, 4) for t, one in zip(table["theta"][:, 0], z, strict=True)
    ]
    assert table["y"].tolist() == alone


def _seeds():
    from manyscale.bridges.sampler.streams import seeds

    outer, inner = np.divmod(np.arange(120), 3)
    return seeds(2, outer, inner).tolist()


@pytest.mark.parametrize("mode", ["slab", "battery"])
def test_devices_with_a_temperature(mode):
    _, table = told(device_farm__mode=mode, device_farm__s_m=0.0, **SMALL)
    _, k = told(**SMALL)
    if mode == "slab":
        np.testing.assert_allclose(table["y"], 1e4 * 0.01 / k["y"], rtol=1e-14)
    else:
        assert (np.argsort(table["y"]) == np.argsort(-k["y"])).all()


ALTERNATIVES = [
    {"sampler.batch": 7},
    {"workers": 1},
    {"workers": 4},
    {"workers": 2, "pool": "processes"},
]


@pytest.mark.parametrize("given", ALTERNATIVES, ids=str)
def test_workers_and_batches_do_not_matter(given):
    one, table = told(**LINEAR, **SMALL)
    other, same = told(**LINEAR, **SMALL, **given)
    for name, value in table.items():
        assert np.array_equal(value, same[name]), name
    for name, value in one.items():
        assert np.array_equal(value, other[name]), name


@pytest.mark.coupled
@pytest.mark.nightly
def test_a_killed_run_goes_on_to_the_same_split(tmp_path):
    spec = tmp_path / "small.ymmsl"
    text = FILES[1].read_text().replace("n_outer: 1000", "n_outer: 400\n  sampler.batch: 20")
    text = text.replace("rve_farm.mode: lognormal", "rve_farm.mode: field")
    spec.write_text(f"{FILES[0].read_text()}{text[text.index('settings:') :]}")
    run([spec], folder=tmp_path / "here")
    again = resumed(spec, tmp_path, every=0.5, clock="wallclock_time")
    assert not (found := differences(tmp_path / "here", again)), found


@pytest.mark.parametrize("machine", ["laptop", "slurm"])
def test_the_spec_is_clean_on_every_machine(machine):
    diagnosis = diagnose([SPEC], machine=machine)
    problems = [p for p in diagnosis.problems if p.code not in ("MS603",) or machine == "laptop"]
    assert not problems, "\n".join(map(str, problems))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"n_inner": 1}, "n_inner is 1, expected >= 2"),
        ({"n_outer": 1}, "n_outer is 1, expected >= 2"),
        ({"distributions": "theta normal 0 0.2"}, "theta has no label; in a nested design"),
        ({"distributions": "theta normal 0 -0.2 1 epistemic"}, "standard deviation of -0.2"),
        ({"device_farm.s_m": -1.0}, "s_m is -1, expected >= 0"),
        ({"rve_farm.s_a": -0.8}, "s_a is -0.8, expected >= 0, <= 3"),
        ({"rve_farm.mode": "field", "rve_farm.n": 12}, "a square of grains; take 9 or 16"),
        ({"distributions": "theta normal 0 0.2 1 epistemic; x uniform 0 1 1 aleatory", **SMALL},
         "theta has 2 parameters, expected one"),
        ({**LINEAR, "device_farm.mode": "slab", "distributions": "theta normal 0 1 1 epistemic",
          **SMALL}, "a slab needs a positive conductivity"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(settings, says):
    with pytest.raises(ms.Refused) as found:
        run(SPEC, settings)
    assert says in str(found.value)
    assert "Traceback" not in str(found.value)


def test_a_report_without_closed_forms_still_shows_what_was_found(tmp_path):
    out = run(SPEC, {"device_farm.mode": "slab", **SMALL}, folder=tmp_path)
    assert out.turns["sampler"] == 1
    models = diagnose([SPEC], {"device_farm.mode": "slab", **SMALL}, trusted=True).proven().models
    stores = {path.parent.name: path for path in tmp_path.glob("*/record.nc")}
    rows, figure = report.write(
        Run("total_variance", stores, models), report.system_report(FILES), tmp_path
    )
    assert [row.reference for row in rows].count(None) == 5
    assert {row.unit for row in rows} == {"(K)2", "1"}
    assert figure.is_file()
