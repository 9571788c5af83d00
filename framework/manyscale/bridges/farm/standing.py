"""How the calls of a farm went, in a bounded number of rows for whoever watches."""

from __future__ import annotations

from typing import Any

_MOST = 256  # rows; then two calls share one, four, ...
_ADDED = ("calls", "computed", "cached", "copied", "surrogate", "interpolated", "seconds")


class Standing:
    """Rows of one or more calls each: who answered, how surely, and who worked how long."""

    def __init__(self, workers: str, certainty: str) -> None:
        self.workers, self._certainty = workers, certainty
        self._rows: list[dict[str, Any]] = []
        self._each = 1

    def note(self, row: dict[str, Any]) -> None:
        """Take one call: `from` and `to` in s, counts, `err`, `seconds` and `load` per worker."""
        last = self._rows[-1] if self._rows else None
        if last is not None and last["calls"] < self._each:
            self._rows[-1] = _joined(last, row)
            return
        if len(self._rows) == _MOST:
            pairs = zip(self._rows[::2], self._rows[1::2], strict=True)
            self._rows, self._each = [_joined(a, b) for a, b in pairs], 2 * self._each
        self._rows.append(row)

    def shown(self) -> dict[str, Any]:
        """Return everything as JSON carries it."""
        about = {"kind": "members", "workers": self.workers, "err_is": self._certainty}
        return {**about, "rows": self._rows}


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {
        "from": one["from"],
        "to": other["to"],
        **{name: one[name] + other[name] for name in _ADDED},
        "err": max(one["err"], other["err"]),
        "load": [a + b for a, b in zip(one["load"], other["load"], strict=True)],
    }
