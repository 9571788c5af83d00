"""MS214: the filters of a conduit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from manyscale.contract.diagnostics import At, Finding, check
from manyscale.contract.refusal import nearest
from manyscale.coupling.prove import Files
from manyscale.coupling.source import Source

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
            if receiver in ORDER:
                yield _behind(source, at, lead, line.split())
            elif unknown and "." in unknown[0]:
                yield _several(source, at, line)
            elif unknown:
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


def _behind(source: Source, at: At, lead: str, words: list[str]) -> Finding:
    """Return the finding of filters behind the receiver."""
    place = (str(source.file), *at)
    right = " ".join(sorted(words, key=lambda word: word not in ORDER))
    text = f"the filters of the conduit {at[3]} stand behind the receiver; they belong before it."
    return Finding(place, text, write=lead + right, put=((place, f"'{right}'"),))


def _several(source: Source, at: At, line: str) -> Finding:
    """Return the finding of several receivers on one line."""
    place = (str(source.file), *at)
    receivers = re.findall(rf"(?:\b(?:{'|'.join(ORDER)})\s+)*[\w.]+", line)
    text = f"the conduit {at[3]} has {len(receivers)} receivers on one line; write a list of them."
    write = "\n".join(f"- {' '.join(one.split())}" for one in receivers)
    if len(at) > 4:  # in a list already
        return Finding(place, text, write=write, drop=(place,))
    listed = f"[{', '.join(receivers)}]"
    return Finding(place, text, write=f"{at[3]}:\n{write}", put=((place, listed),))
