"""Why an instance failed: one sentence for whoever watches the run."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from manyscale.contract.refusal import Refused
from manyscale.hosting.plug import Ended, Plug

_HOSTING = Path(__file__).parent
_VICTIM = ("connection with peer", "Deadlock detected", "Did the peer crash")


def failure(plug: Plug, exc: BaseException) -> dict[str, Any]:
    """Return who failed, why in one sentence, and whether another failed first."""
    victim = isinstance(exc, Ended) or (
        not isinstance(exc, Refused) and any(word in str(exc) for word in _VICTIM)
    )
    folder = Path.cwd()
    run = folder.parents[2].name if len(folder.parents) > 2 else ""
    rank = f", rank {plug.ranks.view.rank}" if plug.ranks.view.size > 1 else ""
    where = f"{run}: {plug.instance} ({plug.position()}{rank})".removeprefix(": ")
    kind = "" if isinstance(exc, (Refused, ValueError)) else f"{type(exc).__name__}: "
    return {
        "instance": plug.instance,
        "sentence": f"{where}: {kind}{exc}",
        "victim": victim,
        "traceback": "" if isinstance(exc, (Refused, ValueError)) else _of_the_model(exc),
    }


def _of_the_model(exc: BaseException) -> str:
    """Return the traceback without the frames of hosts above the operator."""
    frames = traceback.extract_tb(exc.__traceback__)
    own = [i for i, frame in enumerate(frames) if _HOSTING not in Path(frame.filename).parents]
    shown = frames[own[0] :] if own else frames
    return "".join(["Traceback (most recent call last):\n", *traceback.format_list(shown)])
