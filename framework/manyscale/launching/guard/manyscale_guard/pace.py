"""An agent starts instances as they are ordered, rather than one in every tenth of a second."""

from __future__ import annotations

import sys
import time
from typing import Any

_AGENT = "libmuscle.native_instantiator.agent.__main__"
_BRIEF = 0.01  # s after an order: no crowd of strangers at the manager's door


def guard_pace(module: Any) -> None:
    """Let the agent wait as ever when there is nothing to do, and briefly after an order.

    It is left alone if it does not wait as it is known to.
    """
    program = sys.modules["__main__"]
    named = getattr(getattr(program, "__spec__", None), "name", "")
    if named != _AGENT or getattr(program, "sleep", None) is not time.sleep:
        return
    client = module.MAPClient
    get_command = client.get_command
    ordered = False

    def get_and_note(self: Any) -> Any:
        nonlocal ordered
        command = get_command(self)
        ordered = command is not None
        return command

    def sleep(seconds: float) -> None:
        time.sleep(min(seconds, _BRIEF) if ordered else seconds)

    client.get_command = get_and_note
    program.sleep = sleep  # type: ignore[attr-defined]
