"""Couplings give the same bits, whichever way their messages travel."""

import pytest

import manyscale as ms
from manyscale import testing
from manyscale.hosting.transport import account, budget
from manyscale.hosting.transport.layers import LAYERS
from messages import at_random, couplings
from messages.couplings import PATTERNS, elsewhere, only

pytestmark = pytest.mark.coupled
LONGER = ("small_messages", "larger_than_the_ring", "macro_micro_in_slots")  # others are alike
REDUCED = ("filters",)  # MUSCLE3 does not save couplings with a filter `last`
FIRST = {name: next(iter(PATTERNS[name][0])) for name in PATTERNS}
ANOTHER = {name: list(PATTERNS[name][0])[1] for name in PATTERNS}


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """Return the stock run of a pattern; each is run once."""
    runs = {}

    def run(name):
        if name not in runs:
            folder = tmp_path_factory.mktemp(name)
            spec = couplings.write(folder, name)
            runs[name] = couplings.run(spec, folder / "stock", "stock", name not in REDUCED)
        return runs[name]

    return run


def runs_like_stock(stock, name, folder, messages="fast", environment=None):
    """Run a pattern; return how it differs from stock, and how its messages travelled."""
    spec = couplings.write(folder, name, environment)
    run = couplings.run(spec, folder / "run", messages, name not in REDUCED)
    return couplings.different(stock(name), run), couplings.ways(run)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.nightly if n in LONGER else []) for n in PATTERNS],
)
def test_every_pattern_gives_the_bits_of_stock(stock, tmp_path, name):
    found, ways = runs_like_stock(stock, name, tmp_path)
    assert found == []
    assert {way.way for way in ways.values()} == {"ring"}
    assert not any(way.why for way in ways.values())
    carried = sum(way.shared for way in ways.values())
    assert (carried == 0) == (name == "small_messages")


def test_stock_leaves_an_account_too(stock):
    ways = couplings.ways(stock("interact"))
    assert {way.way for way in ways.values()} == {"stock"}
    assert all("switched off" in way.why for way in ways.values())


@pytest.mark.nightly
@pytest.mark.parametrize("layers", [*LAYERS, "payload,lean", "ring,spin", "ring,payload,lean"])
@pytest.mark.parametrize("name", PATTERNS)
def test_every_layer_alone_gives_the_bits_of_stock(stock, tmp_path, name, layers):
    found, _ = runs_like_stock(stock, name, tmp_path, layers)
    assert found == []


MIXED = {
    "the first is stock": lambda name: only(FIRST[name], "stock"),
    "the second is stock": lambda name: only(ANOTHER[name], "stock"),
    "the first has no payload": lambda name: only(FIRST[name], "ring,spin,lean"),
    "the second has no payload": lambda name: only(ANOTHER[name], "ring,spin,lean"),
    "the first has no ring": lambda name: only(FIRST[name], "payload"),
    "the second has no ring": lambda name: only(ANOTHER[name], "payload"),
    "the first is elsewhere": lambda name: elsewhere(FIRST[name]),
    "the second is elsewhere": lambda name: elsewhere(ANOTHER[name]),
}
TRIED = {
    ("interact", "the first is stock"),
    ("interact", "the second has no payload"),
    ("overlays", "the second is elsewhere"),
    ("multicast", "the second is stock"),
}


@pytest.mark.parametrize(
    ("name", "how"),
    [
        pytest.param(n, how, marks=[] if (n, how) in TRIED else pytest.mark.nightly)
        for n in PATTERNS
        for how in MIXED
    ],
)
def test_components_that_differ_give_the_bits_of_stock(stock, tmp_path, name, how):
    found, ways = runs_like_stock(stock, name, tmp_path, "fast", MIXED[how](name))
    assert found == []
    one = FIRST[name] if "first" in how else ANOTHER[name]
    of_it = [way for ends, way in ways.items() if any(e.startswith(one) for e in ends.split())]
    assert of_it
    assert all(way.why or way.way != "ring" for way in of_it)


def test_a_multicast_with_one_stock_receiver_is_fast_for_the_others(stock, tmp_path):
    found, ways = runs_like_stock(stock, "multicast", tmp_path, "fast", only("d", "stock"))
    assert found == []
    told = {ends.split()[1]: way for ends, way in ways.items() if ends.startswith("a.told")}
    assert {end: way.way for end, way in told.items()} == {
        "b.heard": "ring",
        "c.asked": "ring",
        "d.asked": "stock",
    }
    assert told["d.asked"].why == "its receiver does not offer more"


@pytest.mark.parametrize("part", ["micro", "macro"])
def test_a_program_of_another_make_on_either_side_gives_the_bits_of_stock(stock, tmp_path, part):
    """Nothing but libmuscle, whose arrays come bare."""
    size = {"macro.size": 3000}
    spec = couplings.write(tmp_path, "plain_ports", peers={part: part}, **size)
    run = couplings.run(spec, tmp_path / "run")
    found = testing.differences(stock("plain_ports"), run)
    assert found == [f"only one has {part}"]  # it records nothing, the other one does
    (way,) = couplings.ways(run).values()
    assert (way.way, way.why) == ("stock", "its receiver does not offer more")


@pytest.mark.parametrize("limit", ["70000", pytest.param("0", marks=pytest.mark.nightly)])
def test_little_memory_gives_the_bits_of_stock(stock, tmp_path, limit):
    few = {name: {budget.VARIABLE: limit} for name in ("a", "b")}
    found, ways = runs_like_stock(stock, "interact", tmp_path, "fast", few)
    assert found == []
    carried = sum(way.shared for way in ways.values())
    assert carried < sum(way.messages - 1 for way in ways.values()) * 24_000


def test_a_receiver_that_keeps_what_it_gets_is_sent_copies(stock, tmp_path):
    settings = {"a.steps": 24, "b.steps": 24, "a.keeps": 20}
    spec = couplings.write(tmp_path, "interact", **settings)
    plain = couplings.run(spec, tmp_path / "stock", "stock")
    run = couplings.run(spec, tmp_path / "run")
    assert couplings.different(plain, run) == []
    told = couplings.accounts(run)
    assert sum(one.refused for one in told) > 0
    assert any("found no free segment" in line for line in account.lines(told))


@pytest.mark.parametrize(
    "name",
    [
        "repeat_to_slots",
        pytest.param("interact", marks=pytest.mark.nightly),
        pytest.param("larger_than_the_ring", marks=pytest.mark.nightly),
        pytest.param("macro_micro_in_slots", marks=pytest.mark.nightly),
        pytest.param("overlays", marks=pytest.mark.nightly),
        pytest.param("plain_ports", marks=pytest.mark.nightly),
        pytest.param("ranks", marks=pytest.mark.nightly),
    ],
)
def test_a_killed_run_resumes_to_the_bits_of_stock(tmp_path, name):
    """With arrays on their way, and in the cache of what a pass begins with."""
    spec = couplings.write(tmp_path, name, **couplings.LONG.get(name, {}))
    plain = couplings.run(spec, tmp_path / "stock", "stock")
    run = couplings.resumed(spec, tmp_path)
    assert testing.differences(plain, run) == []
    assert {way.way for way in couplings.ways(run).values()} == {"ring"}


def test_ports_with_as_many_slots_as_the_sender_says(tmp_path):
    """Components in loops of their own: nobody knows the slots before the first message."""
    parts = {"macro": "toys.resized:Many", "micro": "toys.resized:Answering"}
    spec = testing.write_spec(
        tmp_path,
        {name: testing.Component(reference) for name, reference in parts.items()},
        {"macro.asks": "micro.asked", "micro.answer": "macro.answers"},
    )
    runs = [couplings.run(spec, tmp_path / how, how) for how in ("stock", "fast")]
    plain, fast = [run / "instances/macro/workdir/found.bin" for run in runs]
    assert plain.read_bytes() == fast.read_bytes()
    ways = couplings.ways(runs[1])
    assert {way.way for way in ways.values()} == {"ring"}
    assert all(way.messages > 12 and way.shared == 12 * 24_000 for way in ways.values())


LAYERED = pytest.param("ring", marks=pytest.mark.nightly)


@pytest.mark.parametrize("messages", ["fast", "stock", LAYERED])
def test_components_that_wait_for_one_another_are_found(tmp_path, messages):
    waiting = testing.Component("toys.resized:Waiting")
    wires = {"a.told": "b.heard", "b.told": "a.heard"}
    settings = {"muscle_deadlock_receive_timeout": 0.5}
    parts = {"a": waiting, "b": waiting}
    spec = testing.write_spec(tmp_path, parts, wires, settings, {"a": "b"})
    with pytest.raises(ms.Refused, match="in its own loop"):
        couplings.run(spec, tmp_path / "run", messages)
    told = (tmp_path / "run/muscle3_manager.log").read_text()
    assert "Deadlock detected, simulation is aborting!" in told
    assert "The following 2 instances are deadlocked" in told


@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=[] if n < 2 else pytest.mark.nightly) for n in range(200)]
)
def test_any_coupling_ends(seed, tmp_path):
    """Random pattern, sizes and layers, sometimes with a kill: to the right end, and in time."""
    assert at_random.torment(seed, tmp_path) == []
