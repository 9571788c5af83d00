"""What a machine offers to couplings: versions, cores, MPI, addresses, disk, Slurm."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from manyscale.contract.refusal import Refused
from manyscale.hosting.transport import budget, layers, trial
from manyscale.launching.leftovers import find
from manyscale.registry import mpi_family

_WANTED = ("muscle3", "ymmsl", "numpy", "numba")
_RANKS = 2
_LIMIT = 60.0  # s that a probe may take
_LITTLE = 1e9  # bytes
_FEW = 0.25  # GB for the messages of a run
_SHARED = ("nfs", "nfs4", "lustre", "gpfs", "beegfs", "cifs", "fuse.sshfs", "9p", "ceph")
# in one write, for the lines of ranks must not run into one another
_ASK_RANK = (
    "import os; from mpi4py import MPI; w = MPI.COMM_WORLD;"
    " os.write(1, f'{w.rank} {w.size}\\n'.encode())"
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `state` is ok, note, warning or error."""

    what: str
    state: str
    found: str
    remedy: str = ""


def examine(*, quick: bool = False) -> Iterator[Finding]:
    """Look at everything, one finding after the other."""
    looks: list[Callable[[], Iterator[Finding]]] = [
        _interpreter,
        _versions,
        _cores,
        _address,
        _hostname,
        _disk,
        _shared_memory,
        _messages,
        _memory_of_messages,
        _mpi if quick else _mpi_with_ranks,
        _slurm,
        _leftovers,
    ]
    for look in looks:
        yield from look()


def _interpreter() -> Iterator[Finding]:
    found = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    old = sys.version_info < (3, 11)
    yield Finding("interpreter", "error" if old else "ok", found, "Python 3.11" if old else "")
    manager = shutil.which("muscle_manager")
    beside = Path(sys.executable).with_name("muscle_manager")
    if manager is None or Path(manager).resolve() != beside.resolve():
        yield Finding(
            "muscle_manager",
            "note",
            f"{manager or 'none'} on PATH, ours is {beside}",
            "activate this environment if you start muscle_manager yourself",
        )


def _versions() -> Iterator[Finding]:
    wanted = {r.name: r for r in map(Requirement, requires("manyscale") or [])}
    for name in _WANTED:
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding(name, "error", "not installed", f"pip install '{wanted[name]}'")
            continue
        fits = wanted[name].specifier.contains(found, prereleases=True)
        remedy = "" if fits else f"pip install '{wanted[name]}'"
        yield Finding(name, "ok" if fits else "error", found, remedy)


def _cores() -> Iterator[Finding]:
    seen, there = len(os.sched_getaffinity(0)), os.cpu_count() or 0
    bound = seen < there
    remedy = "the shell is bound to some cores; components share these" if bound else ""
    yield Finding("cores", "note" if bound else "ok", f"{seen} of {there} may be used", remedy)
    if "OMP_NUM_THREADS" in os.environ:
        yield Finding(
            "OMP_NUM_THREADS",
            "note",
            os.environ["OMP_NUM_THREADS"],
            "MUSCLE3 sets it for every component from `resources`",
        )


def _address() -> Iterator[Finding]:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            probe.listen(1)
            with socket.create_connection(probe.getsockname(), timeout=5.0):
                pass
    except OSError as exc:
        yield Finding("loopback", "error", str(exc), "bring up the interface lo: ip link set lo up")
        return
    yield Finding("loopback", "ok", "127.0.0.1 listens and answers; ports are taken as they come")


def _hostname() -> Iterator[Finding]:
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        yield Finding(
            "host name",
            "warning",
            f"{name} has no address",
            "only for several nodes: add it to /etc/hosts, or give --address interface:NAME",
        )
        return
    alone = address.startswith("127.")
    remedy = "other nodes cannot reach it: give --address interface:NAME" if alone else ""
    yield Finding("host name", "note" if alone else "ok", f"{name} is {address}", remedy)


def _disk() -> Iterator[Finding]:
    here = Path.cwd()
    if not os.access(here, os.W_OK):
        yield Finding("disk", "error", f"{here} cannot be written", "run elsewhere, --run-dir")
        return
    free = shutil.disk_usage(here).free
    little = free < _LITTLE
    remedy = "runs end when less than --min-free is left" if little else ""
    yield Finding("disk", "warning" if little else "ok", f"{free / 1e9:.1f} GB free", remedy)
    kind = _file_system(here)
    if "SLURM_JOB_ID" in os.environ and kind not in _SHARED:
        yield Finding(
            "run directory",
            "warning",
            f"{here} is on {kind or 'an unknown file system'}",
            "all nodes of a job must see the run directory",
        )
    else:
        yield Finding("run directory", "ok", f"{here} is on {kind or 'an unknown file system'}")


def _file_system(path: Path) -> str:
    """Return the kind of file system a path is on."""
    best, kind = "", ""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, what, *_ = line.split()
        inside = path == Path(place) or Path(place) in path.parents
        if inside and len(place) >= len(best):
            best, kind = place, what
    return kind


def _shared_memory() -> Iterator[Finding]:
    place = Path("/dev/shm")
    if not place.is_dir():
        yield Finding("shared memory", "warning", "there is no /dev/shm", "mount a tmpfs there")
        return
    yield Finding("shared memory", "ok", f"{shutil.disk_usage(place).free / 1e9:.1f} GB free")


def _messages() -> Iterator[Finding]:
    """Tell which layers messages between components of this host can use."""
    on, why_not = layers.possible(layers.asked("fast"))
    if failed := trial.hindrance():
        remedy = "allow local sockets and memfd_create; until then --messages stock"
        yield Finding("messages", "warning", f"memory cannot be handed over: {failed}", remedy)
        return
    able = [layer for layer in layers.LAYERS if layer in on]
    found = f"layers: {', '.join(able)}" if able else "in MUSCLE3's own way only"
    lacking = "; ".join(f"{layer}: {why_not[layer]}" for layer in layers.LAYERS if layer in why_not)
    yield Finding("messages", "note" if lacking else "ok", found, lacking)
    yield from _words_in_environment()


def _words_in_environment() -> Iterator[Finding]:
    """Tell of a variable that decides for every run."""
    given = os.environ.get(layers.VARIABLE)
    if not given:
        return
    try:
        layers.asked()
    except Refused as exc:
        yield Finding(layers.VARIABLE, "error", str(exc), f"unset {layers.VARIABLE}")
        return
    yield Finding(layers.VARIABLE, "note", given, "decides wherever --messages is not given")


def _memory_of_messages() -> Iterator[Finding]:
    limit, share = budget.limit() / 1e9, budget.of_run() / 1e9
    few = share < _FEW
    yield Finding(
        "memory of messages",
        "note" if few else "ok",
        f"at most {share:.3g} GB of {limit:.3g} GB in each run",
        "larger messages are copied through sockets" if few else "",
    )


def _mpi() -> Iterator[Finding]:
    found = mpi_family.mpirun(Path(sys.executable))
    if found is None:
        yield Finding("mpirun", "note", "none found", "for MPI: pip install 'manyscale[mpi]'")
        return
    first = shutil.which("mpirun")
    shadowed = first is not None and Path(first).resolve() != Path(found).resolve()
    yield Finding(
        "mpirun",
        "note" if shadowed else "ok",
        f"{found}" + (f", on PATH first {first}" if shadowed else ""),
        "programs of the catalog put their own first" if shadowed else "",
    )
    kind = mpi_family.of(Path(sys.executable)).execution_model.lower()
    yield Finding("execution_model", "ok", f"MPI programs start as {kind}")


def _mpi_with_ranks() -> Iterator[Finding]:
    yield from _mpi()
    mpirun = mpi_family.mpirun(Path(sys.executable))
    if mpirun is None:
        return
    command = [str(mpirun), "-n", str(_RANKS), sys.executable, "-c", _ASK_RANK]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_LIMIT, check=False,
            cwd=tempfile.gettempdir(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as exc:
        yield Finding("ranks", "error", f"{exc}", "mpirun does not start here")
        return
    told = sorted(done.stdout.split("\n"))
    expected = sorted(["", *(f"{rank} {_RANKS}" for rank in range(_RANKS))])
    if told == expected:
        yield Finding("ranks", "ok", f"{_RANKS} ranks in one world")
    elif done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        yield Finding("ranks", "error", said, "mpirun and mpi4py must be of one MPI")
    else:
        yield Finding(
            "ranks",
            "error",
            f"{_RANKS} worlds of one rank",
            "mpirun is of another MPI than mpi4py: put its own mpirun first on PATH",
        )


def _slurm() -> Iterator[Finding]:
    if shutil.which("sinfo") is None:
        yield Finding("Slurm", "note", "not installed", "only for `manyscale submit`")
        return
    try:
        done = subprocess.run(
            ["sinfo", "-h", "-o", "%P %D %c"],
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield Finding("Slurm", "warning", "sinfo does not answer", "is slurmctld up?")
        return
    if done.returncode:
        said = " ".join(done.stderr.split()[:12])
        yield Finding("Slurm", "note", said, "is slurmctld up, and SLURM_CONF right?")
        return
    lines = "; ".join(
        f"{words[0]}: {words[1]} nodes of {words[2]} cores"
        for line in done.stdout.splitlines()
        if len(words := line.split()) == 3
    )
    yield Finding("Slurm", "ok", lines)


def _leftovers() -> Iterator[Finding]:
    lines = find(Path.cwd()).lines()
    if lines:
        yield Finding("dead runs", "warning", "; ".join(lines[:3]), "manyscale clean")
    else:
        yield Finding("dead runs", "ok", "nothing is left of them")
