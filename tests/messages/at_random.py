"""Random small couplings, some of which lose a component; how they must end."""

import os
import signal

import numpy as np

import manyscale as ms
from manyscale import testing
from manyscale.hosting import telemetry
from manyscale.hosting.transport.layers import LAYERS
from manyscale.launching.run_dir import instance_folders
from messages import couplings

SIZED = {
    "interact": ("a.size", "b.size"),
    "macro_micro_in_slots": ("macro.size",),
    "multicast": ("a.size", "b.size"),
    "plain_ports": ("macro.size",),
    "repeat_to_slots": ("macro.size", "once.size"),
}
PACED = {"interact": "a.pause", "multicast": "a.pause"}
SIZES = (1, 100, 2047, 2048, 2049, 32_000, 33_000, 100_000)


def torment(seed, folder):
    """Run a random coupling, kill something if that is due; return what is wrong with its end."""
    rng = np.random.default_rng([seed, 11])
    name = str(rng.choice([*SIZED]))
    size = int(rng.choice(SIZES))
    settings = dict.fromkeys(SIZED[name], size)
    kill = bool(rng.random() < 0.5)
    if kill:
        settings[PACED.get(name, "macro.pause")] = 0.03
        settings |= {key: 200 for key in ("a.steps", "b.steps") if name in PACED}
        settings |= {} if name in PACED else {"macro.steps": 200}
    spec = couplings.write(folder, name, _environment(rng, name), **settings)
    run = folder / "run"
    if kill:
        return _killed(spec, run, rng)
    couplings.run(spec, run)
    return testing.differences(couplings.run(spec, folder / "stock", "stock"), run)


def _environment(rng, name):
    """Return other layers for one component, or for none."""
    if rng.random() < 0.5:
        return {}
    some = [layer for layer in LAYERS if rng.random() < 0.5]
    parts = [*couplings.PATTERNS[name][0]]
    return couplings.only(parts[int(rng.integers(len(parts)))], ",".join(some) or "stock")


def _killed(spec, run, rng):
    """Kill an instance after a random number of turns; return what is wrong with the end."""
    moment, chosen, victims = int(rng.integers(1, 40)), float(rng.random()), []

    def look():
        if victims or not run.exists():
            return
        folders = [*instance_folders(run).values()]
        told = [telemetry.read(folder) for folder in folders]
        if max((one.turns for one in told if one), default=0) >= moment:
            victims.append(_kill_one_of(folders, chosen))

    try:
        couplings.run(spec, run, watch=look)
    except ms.Refused as exc:
        return [] if any(victims) else [f"nobody was killed: {exc}"]
    return [] if not any(victims) else [f"{victims} was killed, and all went well"]


def _kill_one_of(folders, chosen):
    """Kill the process that works in one of some folders; return its name, if there is one."""
    place = folders[int(chosen * len(folders))]
    for name in os.listdir("/proc"):
        if name.isdigit() and _is_instance_in(int(name), place):
            os.kill(int(name), signal.SIGKILL)
            return place.parent.name
    return ""


def _is_instance_in(process, place):
    try:
        words = _words(process)
        return os.readlink(f"/proc/{process}/cwd") == str(place) and couplings.HOST in words
    except OSError:
        return False


def _words(process):
    """Return the words that a process was started with."""
    with open(f"/proc/{process}/cmdline", "rb") as file:
        return file.read().decode(errors="replace").split("\0")
