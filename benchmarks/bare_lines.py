"""The exchange of a crystal with four lines on bare libmuscle: the same bytes, no physics."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

TIMES = "exchanges.npy"
SPEC = """
ymmsl_version: v0.2
description: A crystal and four lines that only exchange
models:
  bare_lines:
    description: Exchange without physics
    components:
      bulk:
        description: Sends samples
        ports: {o_i: sample_out, s: line_in}
        implementation: bulk
      pipe:
        description: Answers
        multiplicity: 4
        ports: {f_init: bulk_in, o_f: line_out}
        implementation: pipe
    conduits:
      bulk.sample_out: pipe.bulk_in
      pipe.line_out: bulk.line_in
programs:
  bulk:
    ports: {o_i: sample_out, s: line_in}
    description: Sends samples
    executable: @python@
    args: @script@ bulk @cells@
  pipe:
    ports: {f_init: bulk_in, o_f: line_out}
    description: Answers
    executable: @python@
    args: @script@ pipe @cells@
settings:
  muscle_local_log_level: WARNING
"""
STEPS = 200


def write(folder: Path, cells: int) -> Path:
    """Write the coupling for lines of so many points."""
    path = folder / f"bare_{cells}.ymmsl"
    words = {"python": sys.executable, "script": Path(__file__).resolve(), "cells": cells}
    text = SPEC
    for word, value in words.items():
        text = text.replace(f"@{word}@", str(value))
    path.write_text(text)
    return path


def fields(cells: int) -> dict[str, Any]:
    """Return a message of three profiles and a number."""
    profiles = {name: ["mol/m3", np.ones(cells)] for name in ("one", "two", "three")}
    return {**profiles, "number": ["s", 1.0]}


def bulk(data: dict[str, Any]) -> None:
    """Send to all lines, then hear all, and time the turns."""
    from libmuscle import Instance, Message
    from ymmsl.v0_2 import Operator

    instance = Instance({Operator.O_I: ["sample_out[]"], Operator.S: ["line_in[]"]})
    while instance.reuse_instance():
        slots, stamps = range(instance.get_port_length("sample_out")), []
        for step in range(STEPS):
            stamps.append(time.perf_counter())
            after = step + 1.0 if step + 1 < STEPS else None
            for slot in slots:
                instance.send("sample_out", Message(float(step), after, data), slot)
            for slot in slots:
                instance.receive("line_in", slot)
        np.save(TIMES, np.diff(stamps))


def pipe(data: dict[str, Any]) -> None:
    """Answer whatever comes."""
    from libmuscle import Instance, Message
    from ymmsl.v0_2 import Operator

    instance = Instance({Operator.F_INIT: ["bulk_in"], Operator.O_F: ["line_out"]})
    while instance.reuse_instance():
        message = instance.receive("bulk_in")
        instance.send("line_out", Message(message.timestamp, None, data))


if __name__ == "__main__":
    {"bulk": bulk, "pipe": pipe}[sys.argv[1]](fields(int(sys.argv[2])))
