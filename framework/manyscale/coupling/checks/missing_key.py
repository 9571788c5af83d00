"""MS106: a key that has to be there."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.prove import Files
from manyscale.coupling.recovery import found_by


@check("MS106", stage="files")
def missing_key(files: Files) -> Iterator[Finding]:
    """A key is missing that yMMSL demands.

    Every component has a `description` and `ports`, a program an `executable` or a `script`,
    resources say `threads` or `mpi_processes`. MUSCLE3 refuses a file in which one is missing.

        properties:
          description: Diffusivities at the temperature    # what it is, for people
          implementation: transport_properties
          ports:                                           # what it is connected by
            o_f: bulk_out lines_out

    Ports are written in the component, although its program knows them as well: the
    component says what the model needs of whatever program is put there. `manyscale show NAME`
    lists the ports of a registered model. A component without ports says `ports: {}`.
    """
    return found_by("MS106", files)
