"""Puts the guard around a run: its secret, its environment, and what was refused.

The guard itself is the folder `guard`, which goes first on the path of every Python of the run.
It knows nothing of this package, for it works in any environment; what both know is the names
of a few variables, none of them secret.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from secrets import token_bytes

GUARD = Path(__file__).parent / "guard"
LOOPBACK = "127.0.0.1"
_SIZE = 32  # bytes of a secret
_LOWEST = 100  # number of the secret's descriptor; shells and launchers use low ones
_FILE = ".guard"

ALLOWED = {
    "PATH": "where programs are found",
    "HOME": "where programs keep their configuration",
    "USER": "who runs it",
    "LOGNAME": "who runs it",
    "SHELL": "what run scripts may start",
    "LANG": "language and encoding",
    "LANGUAGE": "language and encoding",
    "LC_*": "language and encoding",
    "TERM": "what tools ask before they colour",
    "TMPDIR": "where temporary files go",
    "TZ": "time zone of logs",
    "XDG_RUNTIME_DIR": "where launchers of MPI keep sockets",
    "KRB5CCNAME": "tickets for a file system that asks for them (a path)",
    "LD_LIBRARY_PATH": "libraries of compiled models",
    "PKG_CONFIG_PATH": "libraries of compiled models",
    "VIRTUAL_ENV": "the environment that is active",
    "VIRTUAL_ENV_PROMPT": "what muscle_manager takes off for base_env: clean",
    "PYTHON*": "how Python runs",
    "CONDA_*": "the environment that is active",
    "MAMBA_*": "the environment that is active",
    "_CE_*": "the environment that is active",
    "MODULE*": "environment modules",
    "LOADEDMODULES": "environment modules",
    "_LMFILES_*": "environment modules",
    "LMOD_*": "environment modules",
    "__LMOD_*": "environment modules",
    "_ModuleTable*": "environment modules",
    "ENV": "environment modules in plain shells",
    "BASH_ENV": "environment modules in run scripts",
    "BASH_FUNC_module%%": "environment modules in run scripts",
    "BASH_FUNC_ml%%": "environment modules in run scripts",
    "EBROOT*": "software that modules have loaded",
    "OMP_*": "threads",
    "GOMP_*": "threads",
    "KMP_*": "threads",
    "MKL_*": "threads",
    "OPENBLAS_*": "threads",
    "BLIS_*": "threads",
    "NUMEXPR_*": "threads",
    "NUMBA_*": "threads and the cache of compiled kernels",
    "SLURM_*": "the allocation",
    "SLURMD_*": "the allocation",
    "SBATCH_*": "the allocation",
    "PMI*": "MPI: how ranks find one another",
    "PRTE_*": "MPI: how ranks find one another",
    "MPI*": "MPI",
    "I_MPI_*": "MPI",
    "OMPI_*": "MPI",
    "OPAL_*": "MPI",
    "HYDRA_*": "MPI",
    "MV2_*": "MPI",
    "UCX_*": "network",
    "FI_*": "network",
    "PSM*": "network",
    "NCCL_*": "network",
    "HWLOC_*": "cores",
    "CUDA_*": "accelerators",
    "NVIDIA_*": "accelerators",
    "ROCM_*": "accelerators",
    "ROCR_*": "accelerators",
    "HIP_*": "accelerators",
    "HSA_*": "accelerators",
    "GPU_*": "accelerators",
    "APPTAINER_*": "containers",
    "SINGULARITY_*": "containers",
    "HDF5_*": "file access",
    "MUSCLE_*": "MUSCLE3",
    "MANYSCALE_*": "this framework",
}
"""What components see of the environment of a run, and why; `X*` is all that begins with X."""

_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|JWT|API_?KEY|PRIVATE", re.IGNORECASE)
"""What no prefix lets pass; only its whole name does."""
# of a run within which this one is started, and what would keep the environment from tasks
_NEVER = ("MANYSCALE_GUARD*", "MANYSCALE_FOREIGN", "MANYSCALE_LEASE", "SLURM_EXPORT_ENV")


@dataclass(frozen=True)
class Secret:
    """Where the processes of a run find its secret; none of this is secret itself."""

    where: str
    """`fd:NUMBER` or `file:PATH`."""
    name: str
    """By what a process recognises the right one; the secret cannot be found from it."""
    descriptors: tuple[int, ...] = ()
    """To be passed on by every process down to the manager."""

    def discard(self) -> None:
        """Forget the secret: the run has ended."""
        for number in self.descriptors:
            with contextlib.suppress(OSError):
                os.close(number)
        kind, _, place = self.where.partition(":")
        if kind == "file":
            Path(place).unlink(missing_ok=True)


@dataclass(frozen=True)
class Refusal:
    """Somebody the guard refused, as one of the run's processes noted it."""

    time: float
    host: str
    process: int
    listener: str
    reason: str
    detail: str
    address: str
    user: int | None
    pid: int | None
    command: str
    instance: str
    manager: str
    ours: bool

    @property
    def fatal(self) -> bool:
        """Whether one of the run's own components is kept out, so that the run cannot succeed."""
        return self.ours and (self.reason in _OWN or self.reason in _UNABLE)

    def sentence(self) -> str:
        """Return what happened, for people, with what to do."""
        if self.reason in _UNABLE:
            return f"{self.instance or 'a process'} on {self.host} cannot take part: {self.detail}"
        if self.fatal:
            component = self.instance.partition("[")[0]
            return f"{self.instance} {_OWN[self.reason]}".format(component=component)
        who = f"process {self.pid} ({self.command})" if self.pid is not None else "somebody"
        whose = "" if self.user in (None, os.geteuid()) else f" of user {self.user}"
        there = f" at {self.address}" if self.address else ""
        what = _STRANGE.get(self.reason, f"was refused ({self.reason})")
        detail = f": {self.detail}" if self.detail else ""
        return f"{who}{whose}{there} on {self.host} {what}{detail}."


_REMEDY = (
    "give it the environment of the run, or admit it with --foreign {component}, so that it runs"
    " behind a relay"
)
_OWN = {
    "unguarded": "came without the guard and was refused (python -I, a container or a script"
    f" with a clean environment); {_REMEDY}.",
    "environment": "was not started: base_env: login drops the environment that carries the"
    f" guard; {_REMEDY}.",
}
_UNABLE = ("address", "libmuscle", "secret")  # the guard itself ended the process
_STRANGE = {
    "unguarded": "spoke MUSCLE3 without the guard of this run and was refused",
    "garbage": "sent something that is not of this run and was refused",
    "silent": "did not prove itself in time and was refused",
    "closed": "hung up before it had proved itself",
    "proof": "could not prove to be of this run and was refused",
    "crowd": "was turned away from a crowd that had not proved itself",
    "frame": "announced too much and was refused",
    "foreign": "tried the relay of a foreign component and was refused",
    "record": "sent a record that had been changed on the way and was refused",
    "lease": "gave up its lease and ended what it had started",
    "many": "saw more than it noted",
}


def make_secret(run: Path, *, shared: bool = False) -> Secret:
    """Return a new secret for a run, to be discarded when the run has ended.

    On one host it is in memory that has no name, and children inherit its descriptor. On several
    it has to be `shared`, as a file in the run directory that only its owner may read.
    """
    secret = token_bytes(_SIZE)
    name = name_of(secret)
    if shared:
        return Secret(f"file:{_file(run, secret)}", name)
    number = _memory(secret)
    return Secret(f"fd:{number}", name, (number,))


def environment(
    secret: Secret,
    run: Path,
    *,
    address: str = LOOPBACK,
    foreign: Collection[str] = (),
    lease: float = 30.0,
    frame_limit: int | None = None,
    keep: Collection[str] = (),
    base: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the whole environment of the manager of a guarded run.

    Servers listen at `address`, one of this host or `interface:NAME` of every host. Components
    named in `foreign` may come without the guard. An agent ends what it started when its manager
    is silent for `lease` s. A message has at most `frame_limit` bytes, if that is given. `keep`
    names variables that components see besides `ALLOWED`.
    """
    told = {
        "MANYSCALE_GUARD": secret.where,
        "MANYSCALE_GUARD_ID": secret.name,
        "MANYSCALE_GUARD_ADDRESS": address,
        "MANYSCALE_GUARD_RUN": str(run.resolve()),
        "MANYSCALE_FOREIGN": ",".join(foreign),
        "MANYSCALE_LEASE": f"{lease:g}",
    }
    if frame_limit is not None:
        told["MANYSCALE_FRAME_LIMIT"] = str(frame_limit)
    return _with_guard(allowed(os.environ if base is None else base, keep)) | told


def secrets(run: Path) -> list[Path]:
    """Return the files with a secret that a run has left."""
    return [path for path in (run / _FILE,) if path.is_file()]


def name_of(secret: bytes) -> str:
    """Return by what a process recognises the right secret; the secret cannot be found from it."""
    return hmac.new(secret, b"manyscale\0name\0", hashlib.sha256).hexdigest()[:16]


def allowed(base: Mapping[str, str], keep: Collection[str] = ()) -> dict[str, str]:
    """Return the part of an environment that components see: `ALLOWED`, and what to `keep`."""
    return {
        name: value
        for name, value in base.items()
        if not _matches(name, _NEVER)
        and (_matches(name, keep) or (_matches(name, ALLOWED) and not _SECRET.search(name)))
    }


def refusals(run: Path) -> list[Refusal]:
    """Return what was refused in a run so far, oldest first."""
    names = {field.name for field in fields(Refusal)}
    found = []
    for path in run.glob("guard.*.jsonl"):
        for line in path.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError, TypeError):  # it is being written
                record = json.loads(line)
                found.append(Refusal(**{k: v for k, v in record.items() if k in names}))
    return sorted(found, key=lambda refusal: refusal.time)


def _memory(secret: bytes) -> int:
    """Keep a secret in memory that nobody can change; return its descriptor."""
    made = os.memfd_create("manyscale-guard", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(made, secret)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(made, fcntl.F_ADD_SEALS, seals)
    number = fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, _LOWEST)
    os.close(made)
    return number


def _file(run: Path, secret: bytes) -> Path:
    path = run.resolve() / _FILE
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    os.fchmod(opened, 0o600)
    os.write(opened, secret)
    os.fsync(opened)
    os.close(opened)
    return path


def _with_guard(environment: dict[str, str]) -> dict[str, str]:
    path = environment.get("PYTHONPATH", "").split(os.pathsep)
    others = [place for place in path if place and place != str(GUARD)]
    return environment | {"PYTHONPATH": os.pathsep.join([str(GUARD), *others])}


def _matches(name: str, patterns: Collection[str]) -> bool:
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns
    )
