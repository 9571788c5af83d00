"""A film and a rectangle on all ranks of an mpirun: prints what they found, bit for bit."""

import hashlib
import os
import subprocess
import sys

import numpy as np

import manyscale as ms
from manyscale_plugins.phonon_bte import PhononBte
from manyscale_plugins.phonon_modes import PhononModes
from manyscale_plugins.phonon_rectangle import PhononRectangle, PhononRectangleTransient

SQUARE = {"nx": 8, "ny": 7, "n_polar": 4, "n_azimuth": 8, "lx": 2e-7, "ly": 1e-7, "source": 1e16,
          "wall_left": "diffuse", "wall_bottom": "interface"}  # fmt: skip
MODELS = [
    PhononBte(ncell=30, n_mu=8, length=1e-7),
    PhononRectangle(**SQUARE),
    PhononRectangleTransient(**SQUARE, dt=1e-11, steps=2),
]


def told(mpirun, limit):
    """What all ranks print under an mpirun, or alone without one."""
    command = [*mpirun, sys.executable, "-m", "toys.phonon_ranks"]
    one = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=one)
    assert done.returncode == 0, done.stderr
    return done.stdout


def digest(fields):
    """Hash of the arrays and numbers of a message."""
    found = hashlib.blake2b(digest_size=8)
    for name in sorted(fields):
        found.update(np.asarray(fields[name]).tobytes())
    return found.hexdigest()


def main():
    from manyscale.hosting.plug import ONE_RANK

    spread = ONE_RANK
    if "PMI_SIZE" in os.environ:
        from manyscale.hosting.mpi import world

        spread = world()
    modes = PhononModes(n_modes=16).modes(300.0)
    came = {"modes_in": ms.Contact(0.0, None, {**modes._asdict(), "t_ref": 300.0})}
    none = dict.fromkeys(("bc_in", "incoming_in", "interface_in"))
    for model in MODELS:
        object.__setattr__(model, "ranks", spread.view)
        state = model.f_init(ms.Start(0.0), ms.Received({**none, **came}))
        sent = model.o_f(state)
        if spread.root:
            print(digest(sent.get("flux_out") or sent["field_out"]))


if __name__ == "__main__":
    main()
