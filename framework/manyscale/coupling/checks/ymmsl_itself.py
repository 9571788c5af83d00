"""MS199: ymmsl itself has the last word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from manyscale.contract.diagnostics import Finding, check


@check("MS199", stage="files")
def ymmsl_itself(files: Any) -> Iterable[Finding]:
    """Ymmsl refuses the spec for a reason that no check of this framework knows.

    Every spec is read, merged, resolved and checked by the `ymmsl` package, exactly as
    `muscle_manager` does it. Where it refuses something and no other check has explained why,
    its own words are passed on under this code.
    """
    return []  # what ymmsl says is found on the way, not by looking
