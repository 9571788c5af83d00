"""Distribute cells, agents or micro models over processes, and again when the load has moved."""

import warnings
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Le

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale.bridges.partition.items import Items
    from manyscale.bridges.partition.kernel import Balance


class Partition(ms.ScaleModel):
    """Balances measured costs over parts; moves items only if the gain exceeds what it costs.

    Recursive coordinate bisection, pieces of the Hilbert curve, METIS, or diffusion of load
    between neighbouring parts. The same items give the same parts in whatever order they come.
    """

    loads_in = ms.F_INIT(
        slots=True,
        ids=Field("identity", "1", "item", dtype="int64"),
        cost=Field("time", "s", "item", finite=False),
        position=Field("length", "m", "item dimension", finite=False),
        edges=Field("identity", "1", "edge pair=2", dtype="int64", optional=True),
        migration_time=Field("time", "s", optional=True),
    )
    assignment_out = ms.O_F(
        slots=True,
        ids=Field("identity", "1", "item", dtype="int64"),
        part=Field("identity", "1", "item", dtype="int32"),
    )
    migrated_out = ms.O_F(
        slots=True,
        ids=Field("identity", "1", "item", dtype="int64"),
        from_part=Field("identity", "1", "item", dtype="int32"),
        to_part=Field("identity", "1", "item", dtype="int32"),
    )
    balance_out = ms.O_F(
        before=Field("number", "1"),
        after=Field("number", "1"),
        moved=Field("count", "1", dtype="int64"),
    )

    parts: Annotated[int, "1", "number of parts", Ge(1), Le(4096)] = 2
    method: Annotated[Literal["rcb", "metis", "hilbert", "diffusive"], "1", "how to divide"] = "rcb"
    imbalance_tol: Annotated[float, "1", "max/mean load - 1 that is borne", Ge(0.01), Le(1.0)] = 0.1
    migration_cost: Annotated[float, "s", "per item that moves; 0: measured", Ge(0)] = 0.0
    period: Annotated[int, "1", "steps between two looks", Ge(1)] = 1

    keeps_state: ClassVar[bool] = True
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "berger1987",
            "M. J. Berger and S. H. Bokhari, A partitioning strategy for nonuniform problems on"
            " multiprocessors, IEEE Transactions on Computers C-36 (1987) 570",
        ),
        ms.Citation(
            "cybenko1989",
            "G. Cybenko, Dynamic load balancing for distributed memory multiprocessors, Journal of"
            " Parallel and Distributed Computing 7 (1989) 279",
        ),
    )

    class State(ms.State):
        """The assignment by ascending id, and what moved in this pass."""

        time: float  # s
        step: int
        ids: Array  # (n,)
        part: Array  # (n,)
        position: Array  # (n, d) m
        was: Array  # (n,) part before, -1 for new items
        where: Array  # (n,) place in the messages
        counts: Array  # (slot,) items of every message
        before: float
        after: float
        moved: int
        per_item: float  # s, measured

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Take the loads and decide."""
        from manyscale.bridges.partition.items import gathered

        came = received.loads_in
        self._refuse_other_slots(start, len(came))
        edges = [one.fields["edges"] for one in came if "edges" in one.fields]
        items, where = gathered(
            [one.ids for one in came],
            [one.cost for one in came],
            [one.position for one in came],
            edges,
        )
        if 0 < len(items.ids) < self.parts:
            warnings.warn(
                f"partition: {self.parts} parts for {len(items.ids)} items; some stay empty",
                stacklevel=2,
            )
        kept = start.kept
        was = _known(items, kept)
        per_item = self._measured(came, kept)
        balance = self._balance(items, was, kept, per_item)
        return self.State(
            time=start.time,
            step=0 if kept is None else kept.step + 1,
            ids=items.ids,
            part=balance.parts,
            position=items.position,
            was=was,
            where=where,
            counts=np.array([len(one.ids) for one in came]),
            before=balance.before,
            after=balance.after,
            moved=int(np.count_nonzero((was >= 0) & (was != balance.parts))),
            per_item=per_item,
        )

    def clock(self, state: State) -> Clock:
        """Answer at the time of the loads."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Tell every sender where its items belong, and which of them move."""
        order = np.argsort(state.where)
        ends = np.cumsum(state.counts)[:-1]
        columns = [np.split(c[order], ends) for c in (state.ids, state.part, state.was)]
        assignment, migrated = [], []
        for ids, part, was in zip(*columns, strict=True):
            goes = (was >= 0) & (was != part)
            assignment.append({"ids": ids, "part": part})
            migrated.append({"ids": ids[goes], "from_part": was[goes], "to_part": part[goes]})
        balance = {"before": state.before, "after": state.after, "moved": state.moved}
        return {"assignment_out": assignment, "migrated_out": migrated, "balance_out": balance}

    def scales(self) -> ms.Scales:
        """Return an instant: it takes no simulated time."""
        return ms.Scales(time=ms.Scale(0.0, 0.0))

    def _balance(self, items: "Items", was: Array, kept: Any, per_item: float) -> "Balance":
        from manyscale.bridges.partition import kernel

        if kept is None:
            first = kernel.partition(items, self.parts, self.method)
            even = kernel.imbalance(items, first, self.parts)
            return kernel.Balance(first, even, even, True)
        if kept.part.max(initial=0) >= self.parts:
            raise ms.Refused(
                f"partition: parts is now {self.parts}, and items are in part"
                f" {kept.part.max()}; the number of parts must stay the same."
            )
        settled = _settled(items, was, kept)
        if (kept.step + 1) % self.period:
            now = kernel.imbalance(items, settled, self.parts)
            return kernel.Balance(settled, now, now, False)
        terms = kernel.Terms(self.imbalance_tol, per_item, self.period)
        return kernel.rebalanced(items, settled, self.parts, self.method, terms)

    def _measured(self, came: list[Any], kept: Any) -> float:
        """Return what an item costs to move: the setting, or what the last migration took."""
        if self.migration_cost > 0.0:
            return self.migration_cost
        times = [one.fields["migration_time"] for one in came if "migration_time" in one.fields]
        if kept is None or not kept.moved or not times:
            return 0.0 if kept is None else float(kept.per_item)
        return float(max(times) / kept.moved)

    def _refuse_other_slots(self, start: ms.Start, slots: int) -> None:
        for port in ("assignment_out", "migrated_out"):
            if start.slots.get(port, slots) != slots:
                raise ms.Refused(
                    f"partition: loads_in has {slots} slots and {port} {start.slots[port]}; every"
                    " sender of loads is told about its own items, so the numbers must agree."
                )

    @classmethod
    def example(cls) -> "testing.Example":
        """Return a row of items, the last of which costs more."""
        from manyscale import testing

        count = 12
        loads = {
            "ids": np.arange(count, dtype=np.int64)[::-1].copy(),
            "cost": np.linspace(1e-3, 4e-3, count),
            "position": np.stack([np.arange(count), np.zeros(count)], axis=1) * 1e-6,
        }
        return testing.Example({"parts": 3}, {"loads_in": loads})


def _known(items: "Items", kept: Any) -> Array:
    """Return the part (n,) that every item had, -1 if it is new."""
    was = np.full(len(items.ids), -1, dtype=np.int32)
    if kept is None or not len(kept.ids):
        return was
    at = np.searchsorted(kept.ids, items.ids).clip(max=len(kept.ids) - 1)
    same = kept.ids[at] == items.ids
    was[same] = kept.part[at[same]]
    return was


def _settled(items: "Items", was: Array, kept: Any) -> Array:
    """Return the parts with new items where the nearest of the items before was."""
    new = np.flatnonzero(was < 0)
    if not new.size:
        return was
    settled = was.copy()
    settled[new] = 0
    if len(kept.ids):
        from scipy.spatial import cKDTree

        settled[new] = kept.part[cKDTree(kept.position).query(items.position[new])[1]]
    return settled


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the bridge."""
    return [Partition]
