"""MS224: names that stand for two implementations."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import At, Finding, check
from manyscale.coupling.modules import parsed
from manyscale.coupling.prove import Files


@check("MS224", stage="files")
def two_meanings(files: Files) -> Iterator[Finding]:
    """A name stands for two implementations.

    Components name their implementation: a program of the spec, a model of the spec, or
    something that is imported. All of them share their names, and each is brought once. MUSCLE3
    refuses two of one name, also an import that stands there twice.

        imports:
        - from manyscale import implementation bulk
        programs:
          bulk:                  # the same name once more
            executable: bulk.exe

    Rename one of them, or take the import out. What came first is checked.
    """
    meant: dict[str, tuple[str, str]] = {}  # what a name stands for: where from, and in words
    for name, origin, what, at in _names(files):
        if name not in meant:
            meant[name] = origin, what
        elif meant[name][0] != origin:
            said = f"{name} is {what} here, and already {meant[name][1]}; rename one of them."
            yield Finding(at, said, drop=(at,))
        elif what.startswith("imported"):
            yield Finding(at, f"{name} is {what} a second time; take one out.", drop=(at,))


def _names(files: Files) -> Iterator[tuple[str, str, str, At]]:
    """Yield name, a word for what it is, the same in words, and its place."""
    for source in files.sources.own():
        for one in parsed(source):
            yield one.name, one.module, f"imported from {one.module}", one.place
        for part in ("programs", "models"):
            for name in source.names(part):
                yield (
                    name,
                    f" {part}",
                    f"a {part[:-1]} of this spec",
                    (str(source.file), part, name),
                )
