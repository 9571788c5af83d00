# ruff: noqa: E501
"""`manyscale uq`: studies that are right, that go on after a kill, and that say what is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import xarray as xr

import manyscale as ms
from manyscale.bridges.sampler.distributions import restored
from manyscale.studies import study as studies
from manyscale.studies.begin import Asked, study_of
from manyscale.studies.carry_out import carry_out
from manyscale.studies.dataset import dataset
from manyscale.studies.ensemble import COPY, FOLDER, Ensembles
from manyscale.studies.hosts import Farm, Here
from manyscale.studies.study import Sizes

LIMIT = 240.0  # s
SPEC = """
ymmsl_version: v0.2
models:
  mixing:
    description: Two numbers mixed
    components:
      source:
        description: Gives a number
        implementation: source
        ports: {o_f: x_out}
      mixer:
        description: Mixes it
        implementation: mixer
        multiplicity: 2
        ports: {f_init: x_in, o_f: found}
    conduits:
      source.x_out: repeated.x_in
      repeated.found: mixer.x_in
programs:
  source:
    description: source
    ports: {o_f: x_out}
    executable: python
    args: -m manyscale.hosting.muscle toys.uncertain:Source
  mixer:
    description: mixer
    ports: {f_init: x_in, o_f: found}
    executable: python
    args: -m manyscale.hosting.muscle toys.uncertain:Mixer
settings:
  muscle_local_log_level: WARNING
  source.x: 1.0
  mixer.record: found
"""
SPEC = SPEC.replace("executable: python", f"executable: {sys.executable}")
ONE = SPEC.replace("        multiplicity: 2\n", "").replace(
    "      source.x_out: repeated.x_in\n      repeated.found: mixer.x_in\n",
    "      source.x_out: mixer.x_in\n",
)
LEVELS = """
ymmsl_version: v0.2
models:
  finding:
    description: A number on levels
    components:
      grid:
        description: Finds it
        implementation: grid
        ports: {o_f: found}
programs:
  grid:
    description: grid
    ports: {o_f: found}
    executable: python
    args: -m manyscale.hosting.muscle toys.uncertain:Grid
settings:
  grid.record: found
"""
VARY = ("source.x=uniform(1, 2)", "mixer.b=uniform(0, 1)")
# y = x (1 + b): E = 2.25; Var = E x2 E (1+b)2 - E2 with E x2 = E (1+b)2 = 7/3
MEAN, VARIANCE = 2.25, (7 / 3) ** 2 - 2.25**2
ALONE = 1.5**2 / 12 / VARIANCE
Y = "mixer.found.y"


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "model.ymmsl"
    path.write_text(ONE)
    return path


def asked(spec, *vary, given=None, sizes=None, **others):
    values = Asked(vary or VARY, sizes=sizes or Sizes(16, 8, 4, 4), **others)
    return study_of([spec], "laptop", given or {}, values)


def done(study, folder, workers=0, **options):
    folder.mkdir(exist_ok=True)
    study.write(folder)
    host = Farm(study, folder, workers) if workers else Here(study)
    return carry_out(study, folder, host, **options)


def command(*words, cwd, **options):
    words = [sys.executable, "-m", "manyscale.cli", "uq", *map(str, words)]
    return subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, cwd=cwd, **options)


def same(one, other):
    assert set(one.data_vars) == set(other.data_vars)
    return all(one[name].identical(other[name]) for name in one.data_vars)


# ---- what a study says


def test_the_command_finds_indices_and_leaves_dataset_table_and_figure(spec, tmp_path):
    words = [spec, "--vary", VARY[0], "--vary", VARY[1], "--method", "saltelli", "-n", "64"]
    run = command(*words, "--study-dir", tmp_path / "s", "--workers", "2", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "saltelli study of mixing" in run.stdout
    assert (tmp_path / "s/study.png").stat().st_size > 10_000
    assert "Sobol indices" in (tmp_path / "s/study.txt").read_text()
    data = xr.open_dataset(tmp_path / "s/study.nc")
    assert data.sizes == {"sample": 256, "parameter": 2, "qoi": 2, "probability": 5}
    assert data.qoi.values.tolist() == [Y, "mixer.found.squared"]
    assert data.qoi_unit.values.tolist() == ["m", "m2"]
    assert data.parameter_unit.values.tolist() == ["m", "1"]
    y = data.sel(qoi=Y)
    np.testing.assert_allclose(y.y, y.theta[:, 0] * (1.0 + y.theta[:, 1]), rtol=1e-15)
    assert float(y["mean"]) == pytest.approx(MEAN, rel=0.02)
    assert (abs(y.S1 - ALONE) <= 3 * y.S1_se).all()
    assert (y.S1_low < y.S1).all()
    assert (y.ST >= y.S1 - 0.05).all()
    origin = json.loads(data.attrs["provenance"])
    assert origin["command"][:2] == ["manyscale", "uq"]
    assert len(origin["spec_sha256"]) == 1
    assert [restored(one).kind for one in json.loads(data.attrs["distributions"])] == [
        "uniform"
    ] * 2


def test_every_method_finds_what_is_known(spec, tmp_path):
    sizes = Sizes(128, 120, 3, 3)
    known = {}
    for method in ("mc", "lhs", "sobol", "pce", "nested"):
        vary = [
            f"{one} {label}" for one, label in zip(VARY, ("epistemic", "aleatory"), strict=True)
        ]
        study = asked(spec, *vary, method=method, sizes=sizes, qoi=["y=mixer.found: y"])
        data = dataset(study, done(study, tmp_path / method), [])
        error = 0.01 if method == "pce" else 4 * float(data["mean_se"][0])
        assert float(data["mean"][0]) == pytest.approx(MEAN, abs=error), method
        known[method] = data
    for method in ("mc", "lhs", "sobol", "pce"):
        np.testing.assert_allclose(known[method].S1[0], ALONE, atol=0.02)
    split = known["nested"]
    # epistemic x: Var(x E(1+b)) = 1.5**2/12; aleatory b: E(x2) Var(b) = 7/36
    assert float(split.var_epistemic[0]) == pytest.approx(
        0.1875, abs=4 * float(split.var_epistemic_se[0])
    )
    assert float(split.var_aleatory[0]) == pytest.approx(
        7 / 36, abs=4 * float(split.var_aleatory_se[0])
    )


def test_what_a_model_draws_is_another_draw_in_every_sample(spec, tmp_path):
    study = asked(
        spec, method="mc", sizes=Sizes(64), given={"mixer.noise": 0.5}, qoi=["mixer.found: y"]
    )
    data = dataset(study, done(study, tmp_path / "s"), [])
    drawn = (data.y[:, 0] - data.theta[:, 0] * (1 + data.theta[:, 1])).values / 0.5
    assert np.unique(drawn).size == 64
    assert abs(drawn.mean()) < 0.4
    assert drawn.std() == pytest.approx(1.0, abs=0.3)


def test_levels_of_a_setting(tmp_path):
    path = tmp_path / "model.ymmsl"
    path.write_text(LEVELS)
    words = [path, "--workers", "1", "--vary", "grid.a=normal(1, 0.2)", "--method", "mlmc", "-n", "10", "--eps", "0.04",
             "--level", "grid.level=0,1,2,3,4,5,6", "--study-dir", tmp_path / "s"]  # fmt: skip
    run = command(*words, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    data = xr.open_dataset(tmp_path / "s/study.nc")
    assert float(data["mean"][0]) == pytest.approx(1.0, abs=0.12)
    pairs = data.level_pairs.values
    assert (np.diff(pairs) <= 0).all()
    assert pairs[0] > 5 * pairs[-1]
    again = command("--resume", tmp_path / "s", "--workers", "1", cwd=tmp_path)
    assert f"{data.sizes['sample']} runs were there already" in again.stdout
    assert same(data, xr.open_dataset(tmp_path / "s/study.nc"))


# ---- the same result, however it is come by


def test_any_number_of_workers_gives_the_same_bits(spec, tmp_path):
    found = []
    for workers in (0, 1, 4):
        study = asked(spec, given={"mixer.noise": 0.1})
        found.append(dataset(study, done(study, tmp_path / str(workers), workers), []))
    assert same(found[0], found[1])
    assert same(found[0], found[2])


def killed(words, book, after, cwd):
    """Start a study, kill it when so many runs were begun, with all it started."""
    process = subprocess.Popen(
        [sys.executable, "-m", "manyscale.cli", "uq", *map(str, words)], cwd=cwd,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + LIMIT
    while not book.is_file() or book.read_text().count("\n") < after:
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=20.0)
    assert not alive, "workers outlive their study"


def test_a_killed_study_neither_loses_nor_repeats_a_sample(spec, tmp_path):
    book, folder = tmp_path / "book", tmp_path / "s"
    study = asked(spec, sizes=Sizes(64))
    whole = dataset(study, done(study, tmp_path / "whole"), [])
    words = [spec, "--vary", VARY[0], "--vary", VARY[1], "-n", "64", "--workers", "2",
             "--set", f"mixer.book={book}", "--set", "mixer.pause=0.05", "--study-dir", folder]  # fmt: skip
    killed(words, book, 20, tmp_path)
    killed(["--resume", folder, "--workers", "2"], book, 40, tmp_path)
    finished = (folder / "samples.journal").read_bytes().count(b"\n") - 1
    assert 0 < finished < 64
    begun = book.read_text().splitlines()
    last = command("--resume", folder, "--workers", "2", cwd=tmp_path)
    assert last.returncode == 0, last.stderr
    assert f"{finished} runs were there already" in last.stdout
    runs = book.read_text().splitlines()
    # only what was on its way when it was killed is begun a second time
    assert len(runs) - len(begun) == 64 - finished
    assert len(runs) - len(set(runs)) <= 4
    assert len(set(runs)) == 64
    data = xr.open_dataset(folder / "study.nc")
    assert data.y.identical(whole.y)
    assert same(data, whole)


@pytest.mark.coupled
def test_muscle_ensembles_give_the_bits_of_the_farm(spec, tmp_path):
    study = asked(spec, sizes=Sizes(4), given={"mixer.noise": 0.1})
    farm = done(study, tmp_path / "farm")
    folder = tmp_path / "muscle"
    folder.mkdir()
    host = Ensembles(study, folder, 3, time_limit=LIMIT)
    found = carry_out(study, folder, host)
    assert np.array_equal(found.table.y, farm.table.y)
    assert not list((folder / FOLDER).iterdir())


@pytest.mark.coupled
def test_an_ensemble_left_behind_is_not_run_again(spec, tmp_path, monkeypatch):
    from manyscale.launching import local

    study, folder = asked(spec, sizes=Sizes(2)), tmp_path / "s"
    farm = done(study, tmp_path / "farm")
    folder.mkdir()
    host = Ensembles(study, folder, 2, time_limit=LIMIT)
    plan = study.plan({})
    run = host._prepared(plan, {0: 0, 1: 1})
    local.launch([run / "ensemble.ymmsl"], run, time_limit=LIMIT)
    (run / f"instances/{COPY}1.mixer/workdir/clock.bin").unlink()  # as if it had not ended
    monkeypatch.setattr(local, "launch", lambda *some, **more: pytest.fail("it is run again"))
    member, answer = next(host.answers(plan, [0, 1]))
    assert (member, answer.y) == (0, tuple(farm.table.y[0]))


@pytest.mark.coupled
@pytest.mark.nightly
def test_one_bad_sample_does_not_take_its_ensemble_along(spec, tmp_path):
    study = asked(spec, sizes=Sizes(4), given={"mixer.fails_above": 0.6})
    bad = {m for m, b in enumerate(study.plan({}).theta[:, 1]) if b > 0.6}
    assert len(bad) in (1, 2)
    folder = tmp_path / "s"
    folder.mkdir()
    found = carry_out(study, folder, Ensembles(study, folder, 4, time_limit=LIMIT))
    assert set(found.failures) == bad
    assert all("does not mix" in why for why in found.failures.values())


# ---- what can go wrong with a sample


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("fails_above", r"b = 0.9\d* does not mix"),
        ("dies_above", r"killed by SIGKILL"),
        ("overflows_above", r"is too large|no finite number|1e\+?200"),
    ],
)
def test_a_sample_that_fails_is_named_and_hides_no_other(spec, tmp_path, setting, says):
    given = {f"mixer.{setting}": 0.9}
    qoi = ["y=mixer.found: y * y" if setting == "overflows_above" else "y=mixer.found: y"]
    study = asked(spec, given=given, qoi=qoi)
    found = done(study, tmp_path / "s", workers=2 if setting == "dies_above" else 0)
    bad = [m for m, b in enumerate(study.plan({}).theta[:, 1]) if b > 0.9]
    assert bad
    assert sorted(found.failures) == bad
    assert np.isnan(found.table.y[bad]).all()
    assert np.isfinite(np.delete(found.table.y, bad, axis=0)).all()
    if setting == "fails_above":
        assert "does not mix" in found.failures[bad[0]]


def test_failures_end_the_command_until_they_are_dropped(spec, tmp_path):
    words = [spec, "--vary", VARY[0], "--vary", VARY[1], "-n", "16", "--set", "mixer.fails_above=0.9",
             "--study-dir", tmp_path / "s"]  # fmt: skip
    run = command(*words, cwd=tmp_path)
    assert run.returncode == 1
    (sentence,) = run.stderr.strip().splitlines()
    assert "of 16 runs failed" in sentence
    assert "does not mix" in sentence
    dropped = command("--resume", tmp_path / "s", "--drop-failed", cwd=tmp_path)
    assert dropped.returncode == 0, dropped.stderr
    data = xr.open_dataset(tmp_path / "s/study.nc")
    assert 0 < int(data.failed.sum()) < 8
    assert np.isfinite(data["mean"]).all()


def test_a_worker_that_takes_too_long_is_a_failure(spec, tmp_path):
    study = asked(spec, method="mc", sizes=Sizes(2), given={"mixer.pause": 30.0})
    folder = tmp_path / "s"
    folder.mkdir()
    study.write(folder)
    found = carry_out(study, folder, Farm(study, folder, 2, time_limit=0.5))
    assert sorted(found.failures) == [0, 1]
    assert "took longer than 0.5 s" in found.failures[0]


# ---- mistakes


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"vary": ["mixer.bb=normal(0, 1)"]}, "no component has this setting. Did you mean 'mixer.b'"),
        ({"vary": ["mixer.b"]}, "--vary mixer.b: expected NAME=KIND(NUMBERS)"),
        ({"vary": ["mixer.b=gauss(0, 1)"]}, "there is no distribution 'gauss'"),
        ({"vary": ["mixer.b=normal(0, -1)"]}, "standard deviation of -1"),
        ({"vary": ["mixer.b=uniform(0, 20)"]},
         "samples are out of bounds, 19"),
        ({"vary": ["source.x=normal(1, 1)"]}, "expected > 0 m. Choose a distribution that stays"),
        ({"vary": ["mixer.c=uniform(0, 3)"]}, "mixer.c: it is a whole number; give it discrete"),
        ({"vary": ["mixer.words=discrete(1, 2)"]}, "it is str, and only single numbers are varied"),
        ({"vary": ["x=uniform(1, 2)"]}, "the spec sets source.x, which hides it; vary that instead"),
        ({"vary": ["source.x=uniform(1, 2) kg"]}, "kg"),
        ({"vary": ["mixer.b=uniform(0, 1)"] * 2}, "mixer.b is given twice"),
        ({"vary": ["mixer.run_seed=discrete(1, 2)"]}, "no component has this setting"),
        ({"given": {"mixer.b": 0.1}}, "mixer.b stands in --set and in --vary"),
        ({"method": "saltelly"}, "no method 'saltelly'. Did you mean 'saltelli'?"),
        ({"sizes": Sizes(100)}, "Sobol points are balanced only in powers of 2"),
        ({"method": "nested"}, "source.x has no label; in a nested design"),
        ({"method": "mlmc"}, "The method mlmc needs --level"),
        ({"level": ["mixer.c=1,2"]}, "The method mlmc needs --level"),
        ({"method": "mlmc", "level": ["mixer.c=1,2", "mixer.noise=0.1"]}, "mixer.c has 2 values, mixer.noise has 1"),
        ({"method": "mlmc", "level": ["mixer.c=1,fine"]}, "expected int values"),
        ({"method": "mlmc", "level": ["mixer.b=0.1,0.2"]}, "mixer.b stands in --level and in --vary"),
        ({"qoi": ["mixer.found"]}, "--qoi mixer.found: expected COMPONENT.PORT: EXPRESSION"),
        ({"qoi": ["mixr.found: y"]}, "has no component 'mixr'. Did you mean 'mixer'?"),
        ({"qoi": ["mixer.fond: y"]}, "no sending port 'fond'. Did you mean 'found'?"),
        ({"qoi": ["mixer.found: z"]}, "sends no 'z'"),
        ({"qoi": ["mixer.found: y +"]}, "expected a number, a field"),
        ({"qoi": ["mixer.found: y"] * 2}, "is asked for twice"),
    ],
)  # fmt: skip
def test_what_is_no_study_is_refused_before_anything_runs(spec, change, says):
    values = {"vary": VARY, "sizes": Sizes(16, 8, 4, 4), **change}
    given = values.pop("given", {})
    with pytest.raises(ms.Refused) as found:
        study_of([spec], "laptop", given, Asked(**values))
    assert says in str(found.value)
    assert "\n" not in str(found.value)


def test_mistakes_on_the_command_line_are_one_sentence(spec, tmp_path):
    one = ["--vary", VARY[0], "-n", "4", "--study-dir", tmp_path / "s"]
    (tmp_path / "s").mkdir()
    run = command(spec, *one, cwd=tmp_path)
    assert run.returncode == 1
    assert "exists; studies are not overwritten" in run.stderr
    run = command("--resume", tmp_path / "s", cwd=tmp_path)
    assert "holds no study: No such file" in run.stderr
    words, wrong = [*one[:-1], tmp_path / "t", "--host", "muscle"], {"MANYSCALE_MESSAGES": "fats"}
    run = command(spec, *words, cwd=tmp_path, env={**os.environ, **wrong})
    assert "'fats' is no layer of messages. Did you mean 'fast'?" in run.stderr
    assert not (tmp_path / "t").exists()
    study = asked(spec)
    study.write(tmp_path / "s")
    spec.write_text(ONE.replace("x: 1.0", "x: 1.5"))
    run = command("--resume", tmp_path / "s", cwd=tmp_path)
    assert "has changed since the study was begun" in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def test_a_study_is_read_as_it_was_written(spec, tmp_path):
    study = asked(spec, "source.x=normal(150, 1) cm epistemic", "mixer.c=discrete(1:0.25, 3:0.75)")
    assert study.parameters[0].numbers == (1.5, 0.01)
    assert study.parameters[0].unit == "m"
    study.write(tmp_path)
    again = studies.read(tmp_path)
    assert again == study
    assert again.identity == study.identity
    assert asked(spec, "source.x=normal(1.5, 0.02)").identity != study.identity
    settings = again.settings_of(*[(one[0]) for one in (study.plan({}).theta, study.plan({}).seed)])
    assert type(settings["mixer.c"]) is int


def test_a_number_for_every_instance(tmp_path):
    path = tmp_path / "model.ymmsl"
    many = SPEC.replace("      source.x_out: repeated.x_in\n      repeated.found: mixer.x_in\n",
                        "      source.x_out: mixer.x_in\n")  # fmt: skip
    many = many.replace("{o_f: x_out}", "{o_f: xs_out}").replace("source.x_out", "source.xs_out")
    many = many.replace("toys.uncertain:Source", "toys.uncertain:Sources")
    path.write_text(many)
    study = study_of([path], "laptop", {"mixer[1].c": 5}, Asked(VARY, sizes=Sizes(4)))
    names = [one.name for one in study.interests]
    assert names == [f"mixer[{k}].found.{what}" for k in (0, 1) for what in ("y", "squared")]
    found = done(study, tmp_path / "s").table
    np.testing.assert_allclose(found.y[:, 2] - found.y[:, 0], 5.0, rtol=1e-14)
    text = study_of(
        [path], "laptop", {}, Asked(VARY, sizes=Sizes(4), qoi=["m=mixer[1].found: max(some)"])
    )
    assert [one.name for one in text.interests] == ["m"]
    folder = Path(tmp_path / "t")
    assert (done(text, folder).table.y[:, 0] > 0).all()
    assert os.path.isfile(folder / "study.json")


def test_pipe_diffusion_as_it_is_shipped_but_smaller(tmp_path):
    spec = Path(__file__).parents[2] / "coupling_specs/pipe_diffusion"
    places = [[x, y] for x in (1.875e-8, 8.125e-8) for y in (1.875e-8, 8.125e-8)]
    sizes = {"nz": 16, "lz": 2.0e-7, "bulk.nx": 8, "bulk.ny": 8, "bulk.lx": 1.0e-7,
             "bulk.ly": 1.0e-7, "bulk.dt": 1.0e3, "bulk.t_end": 4.0e3, "pipe.cell_size": 1.25e-8,
             "bulk.line_xy": places}  # fmt: skip
    small = [f"--set={name}={value}" for name, value in sizes.items()]
    run = command(spec, "--vary", "properties.temperature=normal(402, 1) K",
                  "--vary", "properties.Q_bulk=uniform(141, 143) kJ/mol", "--method", "sobol",
                  "-n", "16", *small, "--study-dir", tmp_path / "s", cwd=tmp_path)  # fmt: skip
    assert run.returncode == 0, run.stderr
    data = xr.open_dataset(tmp_path / "s/study.nc")
    assert data.qoi.values.tolist()[:3] == [
        "bulk.field_out.mass", "bulk.field_out.influx", "pipe[0].line_out.influx"
    ]  # fmt: skip
    assert set(data.qoi_unit.values) == {"mol"}
    # what is in the crystal and the lines came in
    assert (data.y[:, 0] > 0).all()
    assert (data.S1_low <= data.S1).all()
    assert (data.explained > 0.9).all()
    assert (abs(data.S1.sum("parameter") - 1.0) < 0.05).all()  # both act on D alone
    assert (tmp_path / "s/study.png").is_file()
