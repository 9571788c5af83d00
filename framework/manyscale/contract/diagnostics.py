"""What a check of a coupling spec is, and what it finds."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

At = tuple[str | int, ...]
"""A place in a spec as the keys that lead there: `("settings", "bulk.dt")`."""

Severity = Literal["error", "warning", "note"]
Stage = Literal["files", "config", "coupling", "machine"]
_CODE = re.compile(r"[A-Z]{2,8}[0-9]{2,4}")


@dataclass(frozen=True)
class Finding:
    """One problem: where it is, and one sentence that says what was found and expected.

    `word` is what to underline there; `write` the lines to write instead. So that the rest can
    still be checked, what stands at `drop` is left out, and `put` are places with what is put
    there: YAML text, or the place of what is moved; after a `final` one nothing is left to check.
    """

    at: At
    text: str
    write: str = ""
    word: str = ""
    drop: tuple[At, ...] = ()
    put: tuple[tuple[At, At | str], ...] = ()
    final: bool = False


@dataclass(frozen=True)
class Check:
    """One kind of mistake: its code, how grave it is, how it is found and what is said of it."""

    code: str
    severity: Severity
    stage: Stage
    title: str
    page: str
    find: Callable[[Any], Iterable[Finding]]


def check(
    code: str, severity: Severity = "error", stage: Stage = "coupling"
) -> Callable[[Callable[[Any], Iterable[Finding]]], Check]:
    """Make a check of a function that takes the coupling `Graph` and yields findings.

    The function's docstring is the page that `manyscale explain CODE` shows, its first line the
    title. Third parties leave `stage` as it is. Raises `TypeError` for a code unlike `ACME01`
    and for a function without a docstring.
    """

    def decorate(function: Callable[[Any], Iterable[Finding]]) -> Check:
        page = inspect.cleandoc(function.__doc__ or "")
        if not _CODE.fullmatch(code):
            raise TypeError(f"A check's code is letters and digits like ACME01, found {code!r}.")
        if not page:
            raise TypeError(f"Check {code} has no docstring; `manyscale explain` shows it.")
        title = page.partition("\n")[0].rstrip(".")
        return Check(code, severity, stage, title, page, function)

    return decorate
