"""How the messages of one instance travel, and why not faster: for reports and people."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "messages.json"
RING, SOCKET, STOCK = "ring", "socket", "stock"
"""Through shared memory, over a socket of this host, or in MUSCLE3's own way."""


@dataclass
class Way:
    """How the messages from one port to one receiver travel."""

    sender: str
    receiver: str
    way: str
    why: str = ""
    """Why not through a ring, or without segments."""
    messages: int = 0
    shared: int = 0
    """Bytes of arrays that travelled in segments."""


@dataclass(frozen=True)
class Account:
    """What an instance sent."""

    ways: tuple[Way, ...]
    budget: int
    """Bytes of segments that it may use."""
    used: int
    """Bytes of segments that it had at most."""
    refused: int
    """Messages with large arrays for which there was no segment."""


def write(folder: Path, account: Account) -> None:
    """Leave the account in the folder of an instance."""
    new = folder / f".{FILE}.new"
    new.write_text(json.dumps(asdict(account), indent=1))
    new.replace(folder / FILE)


def read(folders: Iterable[Path]) -> list[Account]:
    """Return the accounts that the instances of a run have left."""
    found = []
    for folder in folders:
        try:
            data = json.loads((folder / FILE).read_text())
            ways = tuple(Way(**way) for way in data.pop("ways"))
            found.append(Account(ways, **data))
        except (OSError, ValueError, TypeError, KeyError):
            continue  # of another make, or killed while it began
    return found


def lines(accounts: list[Account]) -> list[str]:
    """Return what people want to know: how many conduits are fast, and why others are not."""
    ways = [way for account in accounts for way in account.ways]
    if not ways:
        return []
    fast = sum(way.way == RING and not way.why for way in ways)
    used = sum(account.used for account in accounts)
    budget = sum(account.budget for account in accounts)
    told = [
        f"{fast} of {len(ways)} conduits between instances go through memory"
        f" ({_size(used)} of at most {_size(budget)} used)."
    ]
    reasons: dict[str, list[Way]] = {}
    for way in ways:
        if way.why:
            reasons.setdefault(f"{way.way}: {way.why}", []).append(way)
    for reason, same in reasons.items():
        named = f"{same[0].sender} -> {same[0].receiver}"
        more = f" and {len(same) - 1} more" if len(same) > 1 else ""
        told.append(f"{named}{more}: {reason}.")
    if refused := sum(account.refused for account in accounts):
        told.append(
            f"{refused} messages with large arrays found no free segment and were copied:"
            " their receivers kept too many earlier ones, or the memory was used up."
        )
    return told


def _size(count: int) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e9 else f"{count / 1e6:.3g} MB"
