"""What a message costs: libmuscle alone, each layer of the fast path, all of them, raw copies.

Each coupling exchanges messages of all sizes one after the other; couplings of different rows
alternate, `--repeats` times, and what is printed are medians. CPU time is that of one process
per round trip. `--short` takes about a minute, the whole less than ten.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import ymmsl
from ymmsl import v0_2 as y

from manyscale.contract.refusal import Refused
from manyscale.launching.local import launch
from manyscale.testing import Component, write_spec
from message_meter import PEERS, TICKS, plan_of
from message_raw import ASKER, ECHO
from message_table import Measured, Table, draw

HERE = Path(__file__).parent
SIZES = (8, 8_000, 800_000, 8_000_000, 80_000_000)
ROWS = {
    "bare": "libmuscle alone",
    "stock": "hosted, stock messages",
    "payload": "payload alone",
    "ring": "ring alone",
    "ring,spin": "ring and spin",
    "lean": "lean alone",
    "fast": "all layers",
    "tcp": "raw TCP",
    "memory": "raw shared memory, two copies",
}
RAW = ("tcp", "memory")
DETAILED = "macro-micro"
"""The pattern in which layers are told apart; the others are repeated once less."""
FEW = ("bare", "stock", "fast")
"""Rows of the other patterns unless others are asked for."""
_VOLUME, _MOST, _LEAST = 4e8, 2000, 6  # bytes, and turns, of one size in one coupling
_LARGEST_FOR_MANY = 8_000_000  # bytes; eight times as much is on the way at once

MODEL, TO = "message_models", range(PEERS)
PATTERNS = {
    DETAILED: (
        {"asker": Component(f"{MODEL}:Asker"), "echo": Component(f"{MODEL}:Echo")},
        {"asker.asked": "echo.asked", "echo.answer": "asker.answer"},
    ),
    "interact": (
        {"asker": Component(f"{MODEL}:Asker"), "peer": Component(f"{MODEL}:Peer")},
        {"asker.asked": "peer.asked", "peer.answer": "asker.answer"},
    ),
    "multicast": (
        {"asker": Component(f"{MODEL}:Crier")}
        | {f"echo{i}": Component(f"{MODEL}:Nod") for i in TO},
        {"asker.asked": [f"echo{i}.asked" for i in TO]}
        | {f"echo{i}.answer": f"asker.answer{i}" for i in TO},
    ),
    "vector": (
        {"asker": Component(f"{MODEL}:VectorAsker"), "echo": Component(f"{MODEL}:Echo", PEERS)},
        {"asker.asked": "echo.asked", "echo.answer": "asker.answer"},
    ),
}
"""Components and conduits."""
MANY = ("multicast", "vector")


def main() -> None:
    """Measure, print, draw."""
    asked = arguments()
    os.environ["PYTHONPATH"] = str(HERE)
    tables = []
    begun = time.perf_counter()
    for pattern in asked.patterns:
        tables.append(measured(pattern, pattern, rows_of(asked, pattern), asked))
        print(tables[-1].text(), flush=True)
    if asked.burners:
        title = f"{DETAILED} beside {asked.burners} processes that compute"
        rows = [row for row in rows_of(asked, "interact") if row != "stock"]
        with burning(asked.burners):
            tables.append(measured(title, DETAILED, rows, asked))
        print(tables[-1].text(), flush=True)
    if asked.save:
        asked.save.write_text(json.dumps([table.raw() for table in tables], indent=1))
    if asked.plot:
        draw(tables, asked.plot)
    print(f"{time.perf_counter() - begun:.0f} s; drawn in {asked.plot or 'no file'}")


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--patterns", nargs="+", choices=PATTERNS, default=[*PATTERNS])
    parser.add_argument("--sizes", nargs="+", type=int, default=[*SIZES], metavar="BYTES")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=[], help="in every pattern")
    parser.add_argument(
        "--base", choices=ROWS, default="bare", help="what others are compared with"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--burners", type=int, default=2, help="0: no measurement beside load")
    parser.add_argument("--time-limit", type=float, default=120.0, help="s for each coupling")
    parser.add_argument("--plot", type=Path, default=None, metavar="FILE")
    parser.add_argument("--save", type=Path, default=None, metavar="FILE", help="numbers as JSON")
    parser.add_argument("--short", action="store_true", help="two sizes, three rows, one pattern")
    if parser.parse_known_args()[0].short:
        parser.set_defaults(patterns=[DETAILED], sizes=[8, 8_000_000], rows=[*FEW])
        parser.set_defaults(repeats=2, burners=0)
    return parser.parse_args()


def rows_of(asked: argparse.Namespace, pattern: str) -> list[str]:
    """Return the rows of a pattern."""
    rows = asked.rows or (ROWS if pattern == DETAILED else FEW)
    return [row for row in rows if pattern == DETAILED or row not in RAW]


def measured(title: str, pattern: str, rows: list[str], asked: argparse.Namespace) -> Table:
    """Measure the rows of a pattern, one after the other, again and again."""
    table = Table(title, {row: ROWS[row] for row in rows}, asked.base)
    plan = plan_of(turns(pattern, asked.sizes))
    with tempfile.TemporaryDirectory() as place:
        specs = {kind: spec(Path(place) / kind, pattern, plan, kind) for kind in FEW[:2]}
        for repeat in range(asked.repeats if title == DETAILED else max(1, asked.repeats - 1)):
            for row in rows:
                folder = Path(place) / f"{row}_{repeat}"
                folder.mkdir()
                try:
                    if row in RAW:
                        found = raw(row, plan, folder, asked.time_limit)
                    else:
                        made = specs["bare" if row == "bare" else "stock"]
                        found = coupled(pattern, row, made, folder, asked.time_limit)
                    table.add(row, found)
                except (Refused, subprocess.SubprocessError) as exc:
                    print(f"{title}, {ROWS[row]}: {str(exc).strip().splitlines()[-1]}")
    return table


def turns(pattern: str, sizes: list[int]) -> dict[int, int]:
    """Return how many turns there are with messages of each size."""
    peers = PEERS if pattern in MANY else 1
    kept = [size for size in sizes if peers == 1 or size <= _LARGEST_FOR_MANY]
    return {s: max(_LEAST, int(min(_MOST, _VOLUME / s) / min(peers, 4))) for s in kept}


def spec(folder: Path, pattern: str, plan: str, kind: str) -> Path:
    """Write a coupling, of hosted models or of bare programs."""
    components, conduits = PATTERNS[pattern]
    steady = {"asker": "peer"} if pattern == "interact" else None
    path = write_spec(folder, components, conduits, {"plan": plan}, steady)
    if kind == "bare":
        config = ymmsl.load_as(y.Configuration, path)
        for name, component in components.items():
            program = config.programs[y.Reference(f"program_of_{name}")]
            program.executable = Path(sys.executable)
            model = component.reference.partition(":")[2]
            program.args = [str(HERE / "message_programs.py"), model]
        path.write_text(ymmsl.dump(config))
    return path


def coupled(pattern: str, row: str, made: Path, folder: Path, limit: float) -> Measured:
    """Run a coupling; return what its processes noted."""
    layers = "" if row == "bare" else row
    count = sum(component.multiplicity or 1 for component in PATTERNS[pattern][0].values())
    launch([made], folder, time_limit=limit, messages=layers, instances=count)
    places = {p.parents[1].name: p for p in folder.glob(f"instances/*/workdir/{TICKS}")}
    return Measured.of(places.pop("asker"), places.values())


def raw(row: str, plan: str, folder: Path, limit: float) -> Measured:
    """Run the two plain processes; return what they noted."""
    words = [sys.executable, str(HERE / "message_raw.py"), row, plan]
    process = subprocess.Popen(words, cwd=folder, start_new_session=True)
    try:
        if process.wait(limit):
            raise subprocess.CalledProcessError(process.returncode, row)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the child as well
        process.wait()
    return Measured.of(folder / ASKER, [folder / ECHO])


@contextlib.contextmanager
def burning(count: int) -> Iterator[None]:
    """Let so many processes compute meanwhile."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


if __name__ == "__main__":
    main()
