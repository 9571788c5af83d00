"""What bridges cost: a step, a message, a decision, beside a plain operation on the data."""

import time

import numpy as np

import manyscale as ms
from manyscale.bridges.event_trigger import EventTrigger
from manyscale.bridges.fidelity_switch import kernel as switch
from manyscale.bridges.funnel import kernel as funnel
from manyscale.bridges.partition import kernel as partition
from manyscale.bridges.time_bridge import TimeBridge


def fastest(call, repeat=20, number=5):
    """Return the shortest mean time of a call in s."""
    best = float("inf")
    for _ in range(repeat):
        begun = time.perf_counter()
        for _ in range(number):
            call()
        best = min(best, (time.perf_counter() - begun) / number)
    return best


def show(what, seconds, of_what, beside):
    """Print a line: the time, what it is compared with, and the ratio."""
    print(f"{what:44}{seconds * 1e3:10.3f} ms {seconds / beside:8.1f} x {of_what}")


def trigger():
    """Watch a step without an event and with one."""
    model = EventTrigger(expression="u")

    def contact(t):
        fields = {"u": np.array([t - 0.5])[0].item(), "u_rate": 1.0}
        return ms.Contact(t, None, fields, units={"u": "m", "u_rate": "m/s"})

    kept = model.f_init(ms.Start(0.0), ms.Received({"state_in": contact(0.0)}))
    copy = fastest(lambda: dict(contact(0.2).fields))
    for what, t in (("event_trigger, step without an event", 0.2), ("... with one", 0.9)):
        received = ms.Received({"state_in": contact(t)})
        seconds = fastest(lambda t=t, r=received: model.f_init(ms.Start(t, kept=kept), r))
        show(what, seconds, "making the message", copy)


def message():
    """Take one sample of 1000 values."""
    bridge, x = TimeBridge(mode="linear"), np.random.default_rng(1).random(1000)
    state = bridge.f_init(ms.Start(0.0), ms.Received({}))
    ask = ms.Contact(0.0, None, {"times": np.array([1e9])})
    state = bridge.s(state, ms.Received({"times_in": ask}))
    contact = ms.Contact(0.0, 1.0, {"x": x}, units={"x": "1"})
    received = ms.Received({"field_in": contact})
    show("time_bridge, taking 1000 values", fastest(lambda: bridge.s(state, received)),
         "copying them", fastest(x.copy))  # fmt: skip


def decision():
    """Look at 1e5 cells and decide."""
    x = np.linspace(-5.0, 5.0, 100_000)
    u, tol, rule = np.tanh(x), np.ones(len(x)), switch.Rule(1e-12)
    before = switch.decide(np.zeros(len(x)), tol, 0.0, rule, None)

    def step():
        return u[1:-1] + 0.1 * (u[2:] - 2.0 * u[1:-1] + u[:-2])

    looked = fastest(lambda: switch.decide(switch.indicator(x, u, 0.125), tol, 1.0, rule, before))
    show("fidelity_switch, 1e5 cells", looked, "an explicit step of them", fastest(step))


def division():
    """Divide 1e5 items into 64 parts."""
    rng = np.random.default_rng(0)
    items = partition.Items(
        np.arange(100_000), rng.lognormal(size=100_000), rng.random((100_000, 2))
    )
    sort = fastest(lambda: np.argsort(items.cost), repeat=3, number=1)
    for method in ("rcb", "hilbert"):
        seconds = fastest(lambda m=method: partition.partition(items, 64, m), repeat=3, number=1)
        show(f"partition, 1e5 items, {method}", seconds, "sorting them", sort)


def cut():
    """Cut 1e6 scores."""
    score, tie = np.random.default_rng(0).normal(size=1_000_000), np.arange(1e6)
    seconds = fastest(lambda: funnel.best(score, 10_000, tie), repeat=3, number=1)
    sort = fastest(lambda: np.sort(score), repeat=3, number=1)
    show("funnel, best 1 % of 1e6 scores", seconds, "sorting them", sort)


if __name__ == "__main__":
    for part in (trigger, message, decision, division, cut):
        part()
