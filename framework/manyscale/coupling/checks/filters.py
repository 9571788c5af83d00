"""MS214: the filters of a conduit."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.prove import Files

ORDER = ("last", "repeat", "pad")


@check("MS214", stage="files")
def filters(files: Files) -> Iterator[Finding]:
    """A conduit has a filter that there is not, or filters in the wrong order.

    Filters stand before the receiver and bridge components of different pace: `last` lets only
    the last message of a loop pass, `repeat` gives one message again at every turn of a loop, and
    `pad` gives it at the first turn and empty messages after that.

        geometry.out: repeat micro.geometry
        micro.log: last collect.log

    Each may stand several times, once for every loop around; `last` comes before `repeat`, and
    that before `pad`.
    """
    for source in files.sources.files:
        for at, line in source.conduits():
            *words, receiver = line.split()
            unknown = [word for word in words if word not in ORDER]
            ordered = sorted((w for w in words if w in ORDER), key=ORDER.index)
            sender = str(at[3])
            lead = "- " if len(at) > 4 else f"{sender}: "
            if unknown:
                yield Finding(
                    (str(source.file), *at),
                    f"the conduit {sender} to {receiver} has the filter {unknown[0]}, which there"
                    f" is not.{nearest(unknown[0], ORDER)}",
                    word=unknown[0],
                    drop=((str(source.file), *at),),
                )
            elif words != ordered:
                yield Finding(
                    (str(source.file), *at),
                    f"the filters of the conduit {sender} to {receiver} stand as"
                    f" {' '.join(words)}; last comes before repeat, and repeat before pad.",
                    write=f"{lead}{' '.join(ordered)} {receiver}",
                    word=words[0],
                    drop=((str(source.file), *at),),
                )
