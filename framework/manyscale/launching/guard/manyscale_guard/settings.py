"""What a guarded process is told about its run, by its environment; none of it is secret.

It is read once, before the program's own code can change it.
"""

from __future__ import annotations

import os

_TOLD = {name: value for name, value in os.environ.items() if name.startswith("MANYSCALE_")}

WHERE = _TOLD.get("MANYSCALE_GUARD", "")
"""Where the secret is: `fd:<number>` or `file:<path>`."""
NAME = _TOLD.get("MANYSCALE_GUARD_ID", "")
"""What is derived from the right secret, so that a wrong one is noticed."""
ADDRESS = _TOLD.get("MANYSCALE_GUARD_ADDRESS", "127.0.0.1")
"""Where servers listen: an address, or `interface:<name>`."""
RUN = _TOLD.get("MANYSCALE_GUARD_RUN", "")
"""The run directory, where refusals are noted."""
FOREIGN = frozenset(filter(None, _TOLD.get("MANYSCALE_FOREIGN", "").split(",")))
"""Components and instances that may come without the guard, through a relay."""
LEASE = float(_TOLD.get("MANYSCALE_LEASE", "30"))
"""Seconds for which an agent goes on without its manager."""
# what MessagePack can hold in one piece, and what goes round it
FRAME_LIMIT = int(_TOLD.get("MANYSCALE_FRAME_LIMIT", str(2**32 + 2**20)))
"""Bytes that one message may have."""


def is_foreign(instance: str) -> bool:
    """Return whether an instance, or the component it is one of, was admitted unguarded."""
    return instance in FOREIGN or instance.partition("[")[0] in FOREIGN
