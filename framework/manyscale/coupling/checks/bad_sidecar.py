"""MS702: a contract file that is none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from manyscale.contract.diagnostics import At, Finding, check
from manyscale.contract.refusal import Refused
from manyscale.contract.sidecar import contract_in
from manyscale.coupling.load import Spec, sidecar


@check("MS702", stage="config")
def bad_sidecar(spec: Spec) -> Iterator[Finding]:
    """A contract file beside the spec cannot be used.

    `PROGRAM.contract.json` says what a program of another make sends, expects and can be set to.
    It is JSON in the form of `manyscale-contract/1`: `manyscale show MODEL --json` prints an
    example, and the schema is in the documentation. A file that is not in that form is no
    contract, so nothing about the program would be checked.

    Correct the place that is named. Names of ports, fields and settings are words of letters,
    digits and underscores, and stand once.
    """
    files = [source.file for source in spec.sources.own() if source.file.suffix]
    seen = set()
    for name in map(str, spec.config.programs):
        path = sidecar(name, files) if name not in spec.hosted else None
        if path is not None and path not in seen:
            seen.add(path)
            yield from _problem(path)


def _problem(path: Path) -> Iterator[Finding]:
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        contract_in(text)
    except OSError as exc:
        yield Finding((str(path), "line", 1, 1), f"this cannot be read: {exc.strerror}.")
    except UnicodeDecodeError as exc:
        yield Finding((str(path), "line", 1, 1), f"byte {exc.start} is no UTF-8.")
    except json.JSONDecodeError as exc:
        yield Finding((str(path), "line", exc.lineno, exc.colno), f"this is no JSON: {exc.msg}.")
    except Refused as exc:
        yield Finding(_at(path, text, str(exc)), f"this is no contract: {exc}")


def _at(path: Path, text: str, why: str) -> At:
    """Return the line that a sentence speaks of, following the names it puts in quotes."""
    told = re.split(r" Did you mean| Known are|, expected", why)[0]
    left, _, right = re.sub(r" (is|has) ", "\n", told, count=1).partition("\n")
    found = 0
    for name in [*reversed(_quoted(left)), *_quoted(right)]:  # from the outside in
        found = max(found, text.find(json.dumps(name), found))
    line = text.count("\n", 0, found) + 1
    return str(path), "line", line, found - text.rfind("\n", 0, found)


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']+)'", text)
