"""Farms: members are what they would be alone, on any workers, through windows and restarts."""

import numpy as np
import pytest

import manyscale as ms
from manyscale import testing
from manyscale.bridges.farm import farm
from manyscale_plugins.heat_slab import HeatSlabNeumann
from toys import farmed
from toys.called import call
from toys.ranks import Rod

TABLE = {"at": np.linspace(0.0, 1.0, 5), "value": np.linspace(0.0, 1.0, 5) ** 2}
MEMBERS = np.array([7, 3, 11, 5])
POOLS = [
    {"workers": 1},
    {"workers": 2},
    {"workers": 4, "schedule": "queue"},
    {"workers": 4, "schedule": "equal_count"},
    {"workers": 2, "pool": "processes"},
    {"workers": 1, "pool": "processes", "schedule": "queue"},
]


def strains(seed, calls, members=MEMBERS, **envelope):
    """Jobs in changing order, now and then without some members."""
    rng = np.random.default_rng(seed)
    feed = []
    for k in range(calls):
        ids = rng.permutation(members)[: len(members) - (k % 3 == 2)]
        jobs = {"member": ids, "increment": 1e-3 * np.sin(ids + k)}
        feed.append(({"jobs_in": jobs}, float(k), *(() if not envelope else (k, 0))))
    return feed


def alone(model, feed, member):
    """What one member answers when it has the model for itself."""
    mine = []
    for ports, time, *rest in feed:
        jobs = ports["jobs_in"]
        if member in jobs["member"]:
            row = [*jobs["member"]].index(member)
            one = {name: value[row].item() for name, value in jobs.items() if name != "member"}
            mine.append(({"strain_in": one}, time, *rest))
    sent, _ = call(model, mine)
    return [one["stress_out"] for one in sent]


def in_farm(sent, member):
    found = []
    for one in sent:
        results = one["results_out"]
        if member in results["member"]:
            row = [*results["member"]].index(member)
            found.append({"stress": results["stress"][row], "calls": results["calls"][row]})
    return found


@pytest.mark.parametrize("settings", POOLS)
@pytest.mark.parametrize("model", [farmed.Creep, farmed.Creeps])
def test_members_answer_as_they_would_alone(model, settings):
    feed = strains(0, 8)
    sent, _ = call(farm(model)(tau=3.0, **settings), feed)
    for member in MEMBERS:
        assert in_farm(sent, member) == alone(farmed.Creep(tau=3.0), feed, member)


@pytest.mark.parametrize("model", [farmed.Creep, farmed.Creeps])
def test_a_repeated_window_begins_from_its_committed_states(model):
    once = strains(1, 5)
    iterated = []
    for k, (ports, time) in enumerate(once):
        wrong = {"jobs_in": ports["jobs_in"] | {"increment": ports["jobs_in"]["increment"] + 1.0}}
        iterated += [(wrong, time, k, 0), (wrong, time, k, 1), (ports, time, k, 2)]
    plain, _ = call(farm(model)(), once)
    windows, _ = call(farm(model)(), iterated)
    for one, other in zip(plain, windows[2::3], strict=True):
        assert one["results_out"]["stress"].tobytes() == other["results_out"]["stress"].tobytes()


def test_a_member_left_out_of_an_iteration_keeps_its_last_trial():
    both = {"member": np.array([1, 2]), "increment": np.array([1e-3, 2e-3])}
    second = {"member": np.array([2]), "increment": np.array([5e-3])}
    feed = [({"jobs_in": both}, 0.0, 0, 0), ({"jobs_in": second}, 0.0, 0, 1),
            ({"jobs_in": both}, 1.0, 1, 0)]  # fmt: skip
    sent, _ = call(farm(farmed.Creep)(), feed)
    plain = [({"jobs_in": {"member": np.array([1, 2]), "increment": np.array([1e-3, 5e-3])}}, 0.0),
             ({"jobs_in": both}, 1.0)]  # fmt: skip
    wanted, _ = call(farm(farmed.Creep)(), plain)
    assert np.array_equal(sent[-1]["results_out"]["stress"], wanted[-1]["results_out"]["stress"])
    assert [*sent[-1]["results_out"]["calls"]] == [2, 2]


def test_a_window_that_falls_is_refused():
    jobs = {"jobs_in": {"member": np.array([1]), "increment": np.array([0.0])}}
    with pytest.raises(ms.Refused, match="window 1 was asked for after window 2"):
        call(farm(farmed.Creep)(), [(jobs, 0.0, 2, 0), (jobs, 1.0, 1, 0)])


def test_random_numbers_depend_on_the_member_alone():
    ids = np.arange(20)
    jobs = {"jobs_in": {"member": ids, "mean": np.zeros(20)}}
    turned = {"jobs_in": {"member": ids[::-1], "mean": np.zeros(20)}}
    one, _ = call(farm(farmed.Dice)(workers=1), [(jobs, 0.0)])
    other, _ = call(farm(farmed.Dice)(workers=4, schedule="queue"), [(turned, 0.0)])
    values, back = one[0]["results_out"], other[0]["results_out"]
    assert np.array_equal(values["profile"], back["profile"][::-1])
    assert len(np.unique(values["value"])) == 20


def test_a_batch_is_the_same_as_its_members():
    T = np.linspace(300.0, 400.0, 7)
    sent, _ = call(
        farm(farmed.radiation)(workers=3),
        [({"jobs_in": {"member": np.arange(7), "temperature": T}}, 0.0)],
    )
    assert np.array_equal(sent[0]["results_out"]["flux"], 0.8 * 5.670374419e-8 * T**4)


def test_one_message_is_held_for_all_members():
    jobs = {"member": np.array([1, 2]), "x": np.array([0.25, 0.75])}
    sent, _ = call(farm(farmed.Sheet)(), [({"jobs_in": jobs, "table_in": TABLE}, 0.0)])
    assert [*sent[0]["results_out"]["y"]] == [0.0625, 0.5625]
    assert sent[0]["more_out"]["table"].shape == (2, 5)
    only = {"member": np.array([1, 2])}
    sent, _ = call(farm(farmed.Sheet)(default=0.5), [({"jobs_in": only, "table_in": TABLE}, 0.0)])
    assert [*sent[0]["results_out"]["y"]] == [0.25, 0.25]


ONE = {"member": np.array([4])}
X = {"x": np.zeros(1)}


@pytest.mark.parametrize(
    ("ports", "sentence"),
    [
        ({"jobs_in": {"member": np.array([4, 4]), "x": np.zeros(2)}}, "4 stands in it twice"),
        ({"jobs_in": ONE | X}, "its members need table_in; connect sheet_farm.table_in"),
        (
            {"jobs_in": ONE | X | {"at": np.zeros((1, 2))}},
            "value is missing beside the other fields of table_in",
        ),
        (
            {"jobs_in": ONE | X, "place_in": {"x": 0.0}, "table_in": TABLE},
            "place_in is held for all members, and x came for each",
        ),
        ({"jobs_in": ONE | {"x": np.zeros(2)}}, "x has 2 along member, expected 1"),
    ],
)
def test_jobs_that_do_not_fit_are_refused(ports, sentence):
    with pytest.raises(ms.Refused, match=sentence):
        call(farm(farmed.Sheet)(), [(ports, 0.0)])


def test_nobody_is_a_batch_too():
    nobody = {"member": np.zeros(0, np.int64), "increment": np.zeros(0)}
    for model in (farmed.Creep, farmed.Creeps):
        sent, _ = call(farm(model)(), [({"jobs_in": nobody}, 0.0), *strains(2, 2)])
        assert sent[0]["results_out"]["stress"].shape == (0,)
        assert sent[2]["results_out"]["stress"].shape == (4,)


def test_a_model_that_needs_a_peer_is_no_member():
    with pytest.raises(ms.Refused, match="rod cannot be a member of a farm: it needs a peer on"):
        farm(Rod)


CHECKS = [
    *testing.battery(farm(farmed.Creeps)),
    *(
        pytest.param(check, marks=pytest.mark.nightly)
        for model in (farmed.Dice, HeatSlabNeumann)
        for check in testing.battery(farm(model))
    ),
]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_a_farm_passes_the_battery(check, tmp_path):
    check(tmp_path)
