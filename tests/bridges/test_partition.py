"""The partition: balance, cut edges and migrations, alone and coupled."""

import importlib.util
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import manyscale as ms
from manyscale import testing
from manyscale.bridges.partition import Partition, kernel
from manyscale.bridges.partition.items import Items, gathered
from manyscale.bridges.partition.order import hilbert_keys
from manyscale.hosting.in_process import run
from manyscale.testing import Component
from toys.interrupted import resumed

STEADY = settings(derandomize=True, deadline=None, max_examples=40, database=None)
OWN = ["rcb", "hilbert", "diffusive"]
needs_metis = pytest.mark.skipif(
    importlib.util.find_spec("pymetis") is None, reason="pip install manyscale[partition]"
)
ALL = [*OWN, pytest.param("metis", marks=needs_metis)]
PARTS = {
    "worker": Component("toys.workers:Worker", 4),
    "balance": Component("manyscale.bridges.partition:Partition"),
}
WIRES = {
    "worker.loads": "balance.loads_in",
    "balance.assignment_out": "worker.belongs",
    "balance.migrated_out": "worker.leaves",
}
SETTINGS = {
    **{f"worker[{n}].rank": n for n in range(4)},
    "balance.parts": 4,
    "balance.record": "assignment_out;migrated_out;balance_out",
    "worker.record": "final",
}


def spec_of(folder, parts=PARTS, **given):
    named = {name.replace("__", "."): value for name, value in given.items()}
    return testing.write_spec(folder, parts, WIRES, {**SETTINGS, **named})


def sheet(side):
    """Equal squares of unit cost, with an edge between those that share a side."""
    n = np.arange(side * side)
    places = np.stack(np.divmod(n, side), axis=1).astype(float)
    right, up = n[places[:, 1] < side - 1], n[places[:, 0] < side - 1]
    edges = np.concatenate([np.stack([right, right + 1], 1), np.stack([up, up + side], 1)])
    return Items(n, np.ones(side * side), places, edges)


def told(model, ids, cost, position, kept=None, at=0.0, **more):
    """State of a model that one sender tells its loads."""
    fields = {"ids": np.asarray(ids), "cost": cost, "position": position, **more}
    received = ms.Received({"loads_in": [ms.Contact(at, None, fields)]})
    return model.f_init(ms.Start(at, kept=kept), received)


def scattered(seed, n=200, d=2):
    random = np.random.default_rng(seed)
    return random.permutation(n) * 3, random.lognormal(0, 1, n), random.normal(size=(n, d))


def test_bisection_cuts_a_sheet_in_squares():
    items = sheet(100)
    parts = kernel.partition(items, 4, "rcb")
    assert kernel.cut_edges(parts, items.edges) == 200
    assert kernel.imbalance(items, parts, 4) == 1.0
    for part in range(4):
        assert np.ptp(items.position[parts == part], axis=0).tolist() == [49.0, 49.0]


def test_the_hilbert_curve_cuts_a_sheet_in_squares_too():
    items = sheet(64)
    parts = kernel.partition(items, 4, "hilbert")
    assert (kernel.cut_edges(parts, items.edges), kernel.imbalance(items, parts, 4)) == (128, 1.0)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_neighbours_on_the_hilbert_curve_touch(d):
    side = 8
    cells = np.stack(np.meshgrid(*[np.arange(side)] * d, indexing="ij"), -1).reshape(-1, d)
    order = np.argsort(hilbert_keys(cells.astype(float)), kind="stable")
    steps = np.abs(np.diff(cells[order], axis=0)).sum(axis=1)
    assert steps.tolist() == [1] * (side**d - 1)


@needs_metis
def test_metis_cuts_few_edges():
    items = sheet(100)
    parts = kernel.partition(items, 4, "metis")
    assert kernel.cut_edges(parts, items.edges) <= 220  # a target; the ideal is 200
    assert kernel.imbalance(items, parts, 4) <= 1.03


@pytest.mark.parametrize("method", ALL)
def test_uneven_costs_are_balanced(method):
    ids, cost, position = scattered(1, 3000)
    items, _ = gathered([ids], [cost], [position])
    parts = kernel.partition(items, 6, method)
    assert kernel.imbalance(items, parts, 6) <= 1.1


@pytest.mark.parametrize("method", OWN)
def test_a_hot_spot_is_followed(method):
    """Cost of proliferation, a Gaussian that travels; every rebalance ends below 1.1."""
    items = sheet(60)
    model = Partition(parts=8, method=method)
    state, unbalanced, after, moved = None, [], [], []
    first = None
    for step in range(10):
        centre = np.array([30.0, 6.0 * step])
        cost = 0.02 + np.exp(-((items.position - centre) ** 2).sum(axis=1) / 200)
        state = told(model, items.ids, cost, items.position, state, float(step))
        first = state.part if first is None else first
        now = items._replace(cost=cost)
        unbalanced.append(kernel.imbalance(now, first, 8))
        after.append(state.after)
        moved.append(state.moved)
    assert max(unbalanced) >= 3.0
    assert max(after) <= 1.1
    assert max(moved) < 3600


@pytest.mark.parametrize("method", ALL)
def test_uniform_load_moves_nothing(method):
    items, state = sheet(20), None
    for step in range(5):
        model = Partition(parts=4, method=method)
        state = told(model, items.ids, items.cost, items.position, state, float(step))
        assert state.moved == 0


@pytest.mark.parametrize("method", ALL)
def test_one_part_is_the_identity(method):
    state = told(Partition(parts=1, method=method), *scattered(3))
    assert (state.part == 0).all()
    assert (state.before, state.after, state.moved) == (1.0, 1.0, 0)


@STEADY
@given(st.integers(0, 10**6), st.sampled_from(OWN), st.integers(2, 9), st.integers(1, 3))
def test_migration_keeps_the_set_of_ids(seed, method, parts, d):
    ids, cost, position = scattered(seed, 100, d)
    model = Partition(parts=parts, method=method, imbalance_tol=0.01)
    kept = told(model, ids, cost, position)
    state = told(model, ids, cost[::-1].copy(), position, kept, 1.0)
    out = model.o_f(state)
    (assignment,), (migrated,) = out["assignment_out"], out["migrated_out"]
    assert assignment["ids"].tolist() == ids.tolist()
    assert set(assignment["part"]) <= set(range(parts))
    was = dict(zip(kept.ids.tolist(), kept.part.tolist(), strict=True))
    new = dict(zip(ids.tolist(), assignment["part"].tolist(), strict=True))
    moves = {
        i: (a, b)
        for i, a, b in zip(
            *(migrated[n].tolist() for n in ("ids", "from_part", "to_part")), strict=True
        )
    }
    assert moves == {i: (was[i], new[i]) for i in new if was[i] != new[i]}
    assert state.after <= state.before


@STEADY
@given(st.integers(0, 10**6), st.sampled_from(OWN), st.integers(2, 9), st.integers(0, 100))
def test_neither_order_nor_sender_matters(seed, method, parts, cut):
    ids, cost, position = scattered(seed, 100)
    other = np.random.default_rng(seed + 1).permutation(100)
    whole, _ = gathered([ids], [cost], [position])
    some, rest = other[:cut], other[cut:]
    shared, _ = gathered(*([a[some], a[rest]] for a in (ids, cost, position)))
    found = [kernel.partition(i, parts, method) for i in (whole, shared)]
    assert found[0].tolist() == found[1].tolist()


@STEADY
@given(st.integers(0, 10**6), st.sampled_from(["rcb", "hilbert"]), st.integers(2, 16))
def test_no_part_exceeds_the_mean_by_more_than_an_item(seed, method, parts):
    ids, cost, position = scattered(seed, 200)
    items, _ = gathered([ids], [cost], [position])
    load = kernel.loads(items, kernel.partition(items, parts, method), parts)
    halvings = int(np.ceil(np.log2(parts)))
    assert load.max() <= load.mean() + cost.max() * (1 if method == "hilbert" else halvings)


def test_moving_must_pay():
    ids, places = np.arange(8), np.arange(8.0)[:, None]
    even, tilted = np.ones(8), np.array([1.0, 1, 1, 1, 1, 1, 3, 3])
    for cost, period, moved in ((1.1, 1, 0), (0.2, 1, 2), (1.1, 2, 2)):
        model = Partition(migration_cost=cost, period=period)
        state = told(model, ids, even, places)
        for step in range(1, period + 1):
            state = told(model, ids, tilted, places, state, float(step))
            assert state.moved == (moved if step == period else 0)


def test_what_moving_costs_is_measured():
    ids, places = np.arange(8), np.arange(8.0)[:, None]
    model = Partition()
    state = told(model, ids, np.ones(8), places)
    state = told(model, ids, np.array([1.0, 1, 1, 1, 1, 1, 3, 3]), places, state, 1.0)
    assert (state.moved, state.per_item) == (2, 0.0)
    state = told(model, ids, np.ones(8), places, state, 2.0, migration_time=5.0)
    assert (state.moved, state.per_item) == (0, 2.5)  # it would gain 2 s for 5 s
    assert state.before > 1.1


def test_items_come_and_go():
    model = Partition()
    state = told(model, [1, 2, 3, 4], np.ones(4), np.array([[0.0], [1], [10], [11]]))
    places = np.array([[0.0], [0.4], [10], [11]])
    after = told(model, [1, 9, 3, 4], np.ones(4), places, state, 1.0)
    assert after.was.tolist() == [state.part[0], *state.part[2:], -1]
    assert after.part[3] == state.part[0]
    assert after.moved == 0
    empty = told(model, np.array([], dtype=np.int64), np.array([]), np.empty((0, 1)), after, 2.0)
    assert empty.part.size == 0
    again = told(model, [1, 2], np.ones(2), np.zeros((2, 1)), empty, 3.0)
    assert again.moved == 0


def test_more_parts_than_items_leaves_some_empty():
    for method in OWN:
        with pytest.warns(UserWarning, match="8 parts for 3 items; some stay empty"):
            state = told(Partition(parts=8, method=method), *scattered(0, 3))
        assert len(set(state.part.tolist())) == 3


def test_a_dominating_item_has_a_part_of_its_own():
    ids, places = np.arange(9), np.arange(9.0)[:, None]
    state = told(Partition(), ids, np.array([100.0, *[1.0] * 8]), places)
    assert state.part.tolist() == [0] + [1] * 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": [1, 2, 2]}, "the id 2 comes more than once"),
        ({"cost": [1.0, np.nan, 1.0]}, "the cost of item 2 is nan s, expected a number >= 0"),
        ({"cost": [1.0, 1.0, -2.0]}, "the cost of item 3 is -2 s, expected a number >= 0"),
        ({"position": [[0.0], [np.inf], [1.0]]}, "a position is not finite"),
        ({"edges": [[1, 7]]}, "an edge leads to item 7, which nobody reported"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    fields = {"ids": [1, 2, 3], "cost": [1.0, 1.0, 1.0], "position": [[0.0], [1.0], [2.0]]}
    arrays = {name: np.array(value) for name, value in {**fields, **changes}.items()}
    with pytest.raises(ValueError, match=message):
        told(Partition(), **arrays)


def test_other_parts_slots_and_no_metis(monkeypatch):
    state = told(Partition(parts=4), *scattered(0))
    with pytest.raises(ms.Refused, match="parts is now 2, and items are in part 3"):
        told(Partition(parts=2), *scattered(0), kept=state)
    received = ms.Received({"loads_in": []})
    with pytest.raises(ms.Refused, match="loads_in has 0 slots and migrated_out 3"):
        Partition().f_init(ms.Start(0.0, slots={"migrated_out": 3}), received)
    monkeypatch.setitem(sys.modules, "pymetis", None)
    with pytest.raises(ValueError, match=r"pip install manyscale\[partition\], or take rcb"):
        told(Partition(method="metis"), *scattered(0))


@pytest.mark.parametrize("method", OWN)
def test_four_workers_are_told_about_their_items(tmp_path, method):
    out = run(spec_of(tmp_path, balance__method=method), record=["balance.balance_out"])
    shown = [one.messages[0] for one in out.recorded["balance.balance_out"]]
    assert max(one["after"] for one in shown) <= 1.1
    left = sum(out.states[f"worker[{n}]"].left for n in range(4))
    assert left == sum(one["moved"] for one in shown) > 0


def test_mistakes_in_a_coupling_are_one_sentence(tmp_path):
    def worker(name):
        return {**PARTS, "worker": Component(f"toys.workers:{name}", 4)}

    with pytest.raises(ms.Refused, match=r"MS30[23].* error") as found:
        run(spec_of(tmp_path, worker("InMetres")))
    assert "Traceback" not in str(found.value)
    with pytest.raises(ms.Refused, match=r"MS3\d\d|expected"):
        run(spec_of(tmp_path, worker("Longer")))
    with pytest.raises(ms.Refused, match=r"the cost of item 0 is -0.002 s, expected") as found:
        run(spec_of(tmp_path, **{"worker[0].bad": -2.0}))
    assert "\n" not in str(found.value)


@pytest.mark.coupled
@pytest.mark.nightly
def test_a_killed_run_goes_on_to_the_same_assignments(tmp_path):
    spec = spec_of(tmp_path, worker__steps=60, worker__pause=0.01)
    testing.run_in_process(spec, tmp_path / "here")
    again = resumed(spec, tmp_path, every=6.0)
    assert not (found := testing.differences(tmp_path / "here", again)), found


@pytest.mark.parametrize("method", ["rcb", "hilbert", "diffusive"])
def test_a_part_without_items_gets_some(method):
    # all items are in part 0, as where none were there at first
    items, _ = gathered([np.arange(40)], [np.ones(40)], [np.random.default_rng(3).random((40, 2))])
    found = kernel.rebalanced(items, np.zeros(40, np.int32), 4, method, kernel.Terms())
    assert found.before == 4.0
    assert found.moved
    assert found.after <= 1.1
