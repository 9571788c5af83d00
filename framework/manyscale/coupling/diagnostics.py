"""Problems of a coupling spec, and how they are told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from manyscale.contract.diagnostics import Severity
from manyscale.contract.refusal import Refused
from manyscale.coupling.source import Place

_ORDER = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a spec."""

    code: str
    severity: Severity
    place: Place
    text: str
    write: str = ""
    """Lines to write instead."""
    line: str = ""
    """The line of the file it is about."""

    def __str__(self) -> str:
        return f"{self.place}: {self.code} {self.severity}: {self.text}"

    def excerpt(self) -> str:
        """Return the line with the spot underlined, and what to write instead."""
        if not self.line.strip():
            shown = ""
        else:
            number = f"{self.place.line:5} | "
            gap = " " * (len(number) - 2) + "| " + " " * (self.place.column - 1)
            shown = f"{number}{self.line}\n{gap}{'^' * self.place.width}\n"
        if self.write:
            margin = "      = write: "
            shown += margin + f"\n{' ' * len(margin)}".join(self.write.splitlines()) + "\n"
        return shown


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems once each, by place."""
    return sorted(
        dict.fromkeys(problems),
        key=lambda p: (str(p.place.file), p.place.line, p.place.column, _ORDER[p.severity], p.code),
    )


def as_json(problems: Sequence[Problem]) -> str:
    """Return problems as JSON, for editors and scripts."""
    return json.dumps([_plain(problem) for problem in problems], indent=2)


def _plain(problem: Problem) -> dict[str, Any]:
    return {
        "file": str(problem.place.file),
        "line": problem.place.line,
        "column": problem.place.column,
        "width": problem.place.width,
        "code": problem.code,
        "severity": problem.severity,
        "text": problem.text,
        "write": problem.write,
    }


def refusal(problems: Sequence[Problem]) -> Refused:
    """Return the errors among problems as one exception, a sentence a line."""
    return Refused("\n".join(str(p) for p in problems if p.severity == "error"))
