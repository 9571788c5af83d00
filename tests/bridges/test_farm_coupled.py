"""Farms in couplings: threads, processes, ranks and worker components give the same bits."""

import sys

import numpy as np
import pytest

import manyscale as ms
from manyscale import cli, testing
from manyscale.hosting.in_process import run
from manyscale.results import members
from manyscale.testing import Component
from toys.interrupted import resumed

FARM = "manyscale.bridges.farm:farm@toys.farmed:"
WORKER = "manyscale.bridges.farm:worker@toys.farmed:"
WIRES = {"macro.jobs_out": "farm.jobs_in", "farm.results_out": "macro.results_in"}
OUTSIDE = {"farm.work_out": "worker.jobs_in", "worker.results_out": "farm.work_in"}
RECORD = {"macro.record": "final;jobs_out", "farm.record": "results_out"}
TIME_LIMIT = 90.0


def spec_of(folder, model="Creep", workers=None, ranks=None, **settings):
    parts = {
        "macro": Component("toys.farmed:Strainer"),
        "farm": Component(FARM + model, ranks=ranks),
    }
    wires = WIRES
    if workers:
        parts["worker"] = Component(WORKER + model, workers)
        wires = WIRES | OUTSIDE
    settings = {k.replace("_", ".", 1): v for k, v in settings.items()}
    return testing.write_spec(folder, parts, wires, {**RECORD, **settings})


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The members one after the other in this process."""
    folder = tmp_path_factory.mktemp("farm")
    testing.run_in_process(spec_of(folder / "spec", farm_workers=1), folder / "here")
    return folder / "here"


@pytest.mark.parametrize("model", ["Creep", "Creeps"])
@pytest.mark.parametrize(
    "way",
    [
        {"farm_workers": 2},
        {"farm_workers": 4, "farm_schedule": "queue"},
        {"farm_workers": 2, "farm_pool": "processes"},
        {"workers": 1},
        {"workers": 4},
        {"workers": 2, "farm_schedule": "equal_count"},
    ],
    ids=str,
)
def test_any_workers_give_the_same_bits(plain, tmp_path, model, way):
    testing.run_in_process(spec_of(tmp_path / "spec", model, **way), tmp_path / "here")
    assert not testing.differences(plain, tmp_path / "here")


@pytest.mark.coupled
@pytest.mark.parametrize(
    "way",
    [
        {"workers": 2},
        {"ranks": 2},
        pytest.param({"farm_workers": 2}, marks=pytest.mark.nightly),
        pytest.param({"farm_workers": 2, "farm_pool": "processes"}, marks=pytest.mark.nightly),
        pytest.param({"ranks": 3, "farm_schedule": "queue"}, marks=pytest.mark.nightly),
    ],
    ids=str,
)
def test_under_muscle3_too(plain, tmp_path, way):
    spec = spec_of(tmp_path / "spec", "Creep", **way)
    run = testing.run_with_muscle(spec, tmp_path / "run", TIME_LIMIT)
    assert not testing.differences(plain, run)


@pytest.mark.coupled
@pytest.mark.parametrize(
    "way",
    [
        {"farm_workers": 2, "farm_adaptivity": "vectors"},
        pytest.param({"workers": 2}, marks=pytest.mark.nightly),
        pytest.param({"ranks": 2}, marks=pytest.mark.nightly),
        pytest.param({"farm_workers": 2, "farm_pool": "processes"}, marks=pytest.mark.nightly),
    ],
    ids=str,
)
def test_a_killed_run_resumes_to_the_same_bits(tmp_path, way):
    long = {"macro_steps": 24, "macro_pause": 0.02}
    spec = spec_of(tmp_path / "spec", "Creep", **way, **long)
    testing.run_in_process(spec, tmp_path / "here")
    run = resumed(spec, tmp_path, every=2.0, after=4)
    assert not testing.differences(tmp_path / "here", run)


SHEETS = {
    "macro": Component("toys.farmed:Places"),
    "table": Component("toys.farmed:Table"),
    "farm": Component(FARM + "Sheet"),
}
ASK = {"macro.jobs_out": "farm.jobs_in", "farm.results_out": "macro.results_in"}
HELD = {"table.out": "repeat farm.table_in"}


def test_a_held_message_is_repeated_to_all_members(tmp_path):
    out = run(testing.write_spec(tmp_path, SHEETS, ASK | HELD), record=["farm.results_out"])
    found = [shown.messages[0]["y"] for shown in out.recorded["farm.results_out"]]
    assert np.array_equal(found, [[0.0625, 0.25]] * 2)


def test_what_members_lack_is_found_before_launch(tmp_path):
    parts = {name: SHEETS[name] for name in ("macro", "farm")}
    with pytest.raises(ms.Refused, match=r"FARM01.* need table_in \(at, value\), which neither"):
        run(testing.write_spec(tmp_path, parts, ASK))


def test_what_members_get_twice_is_found_before_launch(tmp_path):
    parts = SHEETS | {"place": Component("toys.farmed:Place")}
    wires = ASK | HELD | {"place.out": "repeat farm.place_in"}
    with pytest.raises(ms.Refused, match=r"FARM01.*place_in is held for all members, and x comes"):
        run(testing.write_spec(tmp_path, parts, wires))


@pytest.mark.coupled
def test_who_watches_sees_members_and_load(tmp_path, monkeypatch, capsys):
    way = {"farm_workers": 2, "farm_adaptivity": "vectors"}
    folder = testing.run_with_muscle(
        spec_of(tmp_path / "spec", **way), tmp_path / "run", TIME_LIMIT
    )
    (shown,) = members.farms(folder).values()
    rows = shown["rows"]
    assert shown["err_is"] == "an estimate"
    assert [row["calls"] for row in rows] == [1] * 5
    assert [row["computed"] + row["copied"] for row in rows] == [6, 6, 5, 6, 6]
    assert sum(row["copied"] for row in rows) > 0
    assert all(len(row["load"]) == 2 and min(row["load"]) >= 0.0 for row in rows)
    monkeypatch.setattr(sys, "argv", ["manyscale", "members", str(folder)])
    cli.main()
    out = capsys.readouterr().out
    assert "members on 2 threads" in out
    assert "largest err (an estimate)" in out
