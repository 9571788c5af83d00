"""Couplings of every pattern, run in any way that messages travel, and what they leave."""

from pathlib import Path

import yaml
import ymmsl
from ymmsl import v0_2 as y

from manyscale import testing
from manyscale.hosting.transport import account, layers, local_socket
from manyscale.launching.local import launch
from manyscale.launching.run_dir import instance_folders
from manyscale.testing import Component
from toys import interrupted

TIME_LIMIT = 90.0  # s for one run
HOST = "manyscale.hosting.muscle"
TOYS = "toys.messages:"
STOCK_PEER = Path(__file__).parents[1] / "toys/stock_peer.py"
LONG = {
    "interact": {"a.steps": 60, "b.steps": 60, "a.pause": 0.02, "a.keeps": 0},
    "larger_than_the_ring": {"a.steps": 60, "b.steps": 60, "a.pause": 0.02, "a.keeps": 0},
    "macro_micro_in_slots": {"macro.steps": 60, "macro.pause": 0.02},
    "repeat_to_slots": {"macro.steps": 60, "macro.pause": 0.02},
    "overlays": {"macro.turns": 60, "macro.pause": 0.02},
    "plain_ports": {"macro.steps": 60, "macro.pause": 0.02},
    "ranks": {"rod.steps": 200},
}
"""Settings of runs that last long enough to be killed in their middle."""
RECORD = {"macro.record": "last;asks", "micro.record": "answer"}


def _of(**parts):
    return {name: Component(TOYS + what) for name, what in parts.items()}


def _interact(size):
    settings = {"b.start": 0.4, "a.size": size, "b.size": size, "a.keeps": 12}
    settings |= {"a.record": "last;told", "b.record": "last"}
    wires = {"a.told": "b.heard", "b.told": "a.heard"}
    return _of(a="Pair", b="Pair"), wires, settings, {"a": "b"}


PATTERNS = {
    "interact": _interact(3000),
    "small_messages": _interact(5),
    "larger_than_the_ring": _interact(60_000),
    "macro_micro_in_slots": (
        {"macro": Component(TOYS + "Macro"), "micro": Component(TOYS + "Micro", 2)},
        {"macro.asks": "micro.asked", "micro.answer": "macro.answers"},
        RECORD,
        None,
    ),
    "multicast": (
        _of(a="Pair", b="Pair", c="Listener", d="Listener"),
        {"a.told": ["b.heard", "c.asked", "d.asked"], "b.told": "a.heard"},
        {"a.record": "last", **{f"{name}.record": "answer" for name in "cd"}},
        {"a": "b"},
    ),
    "filters": (
        _of(macro="Pair", meso="Meso", micro="Micro", newest="Micro", once="OnceForOne"),
        {
            "macro.told": "meso.asked",
            "meso.answer": "macro.heard",
            "meso.down": ["micro.asked", "last newest.asked"],
            "micro.answer": "meso.up",
            "once.out": ["repeat repeat micro.aside", "pad newest.aside"],
        },
        {"macro.record": "last", "meso.record": "down", "newest.record": "answer"},
        None,
    ),
    "repeat_to_slots": (
        {
            "macro": Component(TOYS + "Macro"),
            "micro": Component(TOYS + "Micro", 2),
            "once": Component(TOYS + "Once"),
        },
        {
            "macro.asks": "micro.asked",
            "micro.answer": "macro.answers",
            "once.out": "repeat micro.aside",
        },
        RECORD,
        None,
    ),
    "overlays": (
        {"macro": Component(TOYS + "Sampler"), "micro": Component(TOYS + "Micro", 2)},
        {
            "macro.parameters": "micro.muscle_settings_in",
            "macro.asks": "micro.asked",
            "micro.answer": "macro.answers",
        },
        RECORD,
        None,
    ),
    "plain_ports": (
        _of(macro="Bare", micro="BareMicro"),
        {"macro.asks": "micro.asked", "micro.answer": "macro.answers"},
        RECORD,
        None,
    ),
    "ranks": (
        {
            "furnace": Component("toys.ranks:Furnace"),
            "rod": Component("toys.ranks:Rod", ranks=2),
            "heater": Component("toys.ranks:Heater"),
        },
        {
            "furnace.begin": "rod.begun",
            "rod.profile": "heater.profile",
            "heater.heat": "rod.heated",
        },
        {"furnace.cells": 4000, "rod.cells": 4000, "rod.steps": 6, "rod.record": "done"},
        None,
    ),
    "farm": (
        {
            "macro": Component("toys.farmed:Strainer"),
            "farm": Component("manyscale.bridges.farm:farm@toys.farmed:Creeps"),
        },
        {"macro.jobs_out": "farm.jobs_in", "farm.results_out": "macro.results_in"},
        {"macro.members": 3000, "macro.record": "final", "farm.record": "results_out"},
        None,
    ),
}


def write(folder, name, environment=None, peers=None, **settings):
    """Write the coupling of a pattern; return its file.

    `environment` gives components variables of their own; `peers` are components that are
    played by a program of another make.
    """
    components, conduits, given, matching = PATTERNS[name]
    spec = testing.write_spec(folder, components, conduits, {**given, **settings}, matching)
    config = ymmsl.load_as(y.Configuration, spec)
    for component, variables in (environment or {}).items():
        config.programs[y.Reference(f"program_of_{component}")].env.update(variables)
    for component, part in (peers or {}).items():
        program = config.programs[y.Reference(f"program_of_{component}")]
        program.args = [str(STOCK_PEER), part]
    spec.write_text(ymmsl.dump(config))
    return spec


def only(component, value):
    """Return the environment in which one component has other layers than the rest."""
    return {component: {layers.VARIABLE: value}}


def elsewhere(component):
    """Return the environment in which one component believes to be on another host."""
    return {component: {local_socket.PRETENDED: "elsewhere"}}


def run(spec, folder, messages="fast", saves=False, **options):
    """Run a coupling under a real manager; return its folder."""
    folder.mkdir(parents=True)
    files = [spec]
    if saves:
        rules = {"ymmsl_version": "v0.2", "checkpoints": {"at_end": True}}
        files.append(folder.parent / f"{folder.name}_saves.ymmsl")
        files[-1].write_text(yaml.safe_dump(rules))
    launch(files, folder, time_limit=TIME_LIMIT, messages=messages, **options)
    return folder


def resumed(spec, folder):
    """Save often, kill everything after a few times, go on; return the run that went on."""
    return interrupted.resumed(spec, folder, every=1.0)


def different(one, other):
    """Return how two runs differ: what they recorded, and what they saved at their ends."""
    found = testing.differences(one, other)
    mine, theirs = _saved(one), _saved(other)
    found += [f"only one saved {name}" for name in mine.keys() ^ theirs.keys()]
    found += [f"saved {name}" for name in mine.keys() & theirs.keys() if mine[name] != theirs[name]]
    return found


def _saved(run):
    """Return what every instance saved; a farm saves what its members cost as well."""
    files = (run / "instances").glob("*/snapshots/*.state")
    mine = [file for file in files if file.parents[1].name != "farm"]
    return {f"{file.parents[1].name}/{file.name}": file.read_bytes() for file in mine}


def ways(run):
    """Return how messages travelled, by sender and receiver."""
    return {f"{way.sender} {way.receiver}": way for told in accounts(run) for way in told.ways}


def accounts(run):
    """Return what the instances of a run told of their messages."""
    return account.read(instance_folders(run).values())
