"""A Slurm cluster of pretended nodes on this machine: own munged, slurmctld, slurmd.

Every node is a slurmd in namespaces of its own with its own host name, because MUSCLE3 matches
host names with node names. Needs root, the Debian packages `slurm-wlm` and `munge`, and
`unshare`; `missing()` says what of it is not there.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

NEEDS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "unshare")
TIME_LIMIT = 60.0


def missing():
    """Return why there can be no cluster here, empty if there can."""
    if os.getuid() != 0:
        return "Slurm's daemons of several nodes on one machine need root"
    absent = [name for name in NEEDS if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (Debian: slurm-wlm munge)"
    probe = subprocess.run(["unshare", "--uts", "--mount", "true"], check=False)
    return "" if probe.returncode == 0 else "namespaces cannot be made here"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    """Two nodes, up between `start` and `stop`."""

    def __init__(self, folder, nodes=2, cores=2):
        self.folder, self.cores = Path(folder), cores
        self.names = [f"n{i + 1}" for i in range(nodes)]
        self._started = []

    @property
    def environment(self):
        """What commands of Slurm need to find this cluster."""
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self):
        for name in ("state", "spool", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        os.chmod(self.folder, 0o755)
        self._munge()
        ports = {name: free_port() for name in self.names}
        (self.folder / "slurm.conf").write_text(self._conf(ports))
        hosts = "127.0.0.1 localhost " + " ".join([*self.names, socket.gethostname()]) + "\n"
        (self.folder / "hosts").write_text(hosts)
        self._run(["slurmctld", "-D"], "slurmctld")
        for name in self.names:
            inside = (
                f"hostname {name} && mount --bind {self.folder}/hosts /etc/hosts"
                f" && exec slurmd -D -N {name}"
            )
            self._run(["unshare", "--uts", "--mount", "bash", "-c", inside], f"slurmd.{name}")
        self._wait_for_nodes()
        return self

    def _munge(self):
        key, spot = self.folder / "munge.key", self.folder / "munge"
        spot.mkdir(exist_ok=True)
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self.socket = spot / "socket"
        if len(str(self.socket)) > 107:
            raise RuntimeError("the path of munge's socket is too long")
        options = [
            f"--key-file={key}",
            f"--socket={self.socket}",
            f"--pid-file={spot}/pid",
            f"--log-file={spot}/log",
            f"--seed-file={spot}/seed",
        ]
        self._run(["munged", "--foreground", "--force", *options], "munged")
        self._until(self.socket.exists, "munged")

    def _conf(self, ports):
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={name} NodeAddr=127.0.0.1 Port={ports[name]}"
            f" CPUs={self.cores} State=UNKNOWN"
            for name in self.names
        )
        return f"""ClusterName=pretended
SlurmctldHost={socket.gethostname()}(127.0.0.1)
SlurmctldPort={free_port()}
AuthType=auth/munge
AuthInfo=socket={self.socket}
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={self.folder}/run/slurmctld.pid
SlurmdPidFile={self.folder}/run/slurmd.%n.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MpiDefault=pmi2
ReturnToService=2
SchedulerParameters=batch_sched_delay=1,sched_interval=1
KillWait=10
OverTimeLimit=0
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

    def _run(self, command, name):
        log = (self.folder / f"{name}.out").open("w")
        with log:
            self._started.append(
                subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=log,
                    env=self.environment,
                    start_new_session=True,
                )
            )

    def _wait_for_nodes(self):
        def up():
            shown = self.command("sinfo", "-h", "-N", "-o", "%N %T")
            return shown.count("idle") == len(self.names)

        self._until(up, "the nodes")

    def _until(self, holds, what):
        deadline = time.monotonic() + TIME_LIMIT
        while not holds():
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{what} did not come up, see {self.folder}")
            time.sleep(0.1)

    def command(self, *words, check=False, cwd=None):
        """Run a command of Slurm, return what it prints."""
        done = subprocess.run(
            words,
            env=self.environment,
            capture_output=True,
            text=True,
            check=check,
            cwd=cwd,
            timeout=TIME_LIMIT,
        )
        return done.stdout

    def wait_for(self, job, limit):
        """Wait until a job is over; return its state."""
        deadline = time.monotonic() + limit
        while True:
            shown = self.command("scontrol", "show", "job", str(job), "-o")
            words = dict(w.partition("=")[::2] for w in shown.split() if "=" in w)
            state = words.get("JobState", "GONE")
            if state not in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING"):
                return state
            if time.monotonic() > deadline:
                self.command("scancel", str(job))
                raise AssertionError(f"job {job} is {state} after {limit:g} s")
            time.sleep(0.2)

    def stop(self):
        """End every daemon that was started, the last one first."""
        with contextlib.suppress(Exception):
            self.command("scancel", "--user=root")
        for process in reversed(self._started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in reversed(self._started):
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
