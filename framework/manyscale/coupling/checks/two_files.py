"""MS108: files that define the same."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.prove import Files
from manyscale.coupling.source import Source


@check("MS108", stage="files")
def two_files(files: Files) -> Iterator[Finding]:
    """Two files of a spec define the same thing.

    The files of a spec are laid over each other. Settings, resources and checkpoints may be given
    again, and the later file counts. Models may stand in one file only, and a program of one name
    in one file only; MUSCLE3 refuses anything else.

    Put all models of a coupling into one file, and what several couplings share into a module on
    YMMSL_PATH, from where it is imported:

        imports:
        - from shared_models import implementation farm

    A second file with models is left out of the rest of the check.
    """
    models: Source | None = None
    programs: dict[str, Source] = {}
    for source in files.sources.own():
        if source.names("models"):
            if models is not None:
                yield Finding(
                    (str(source.file), "models"),
                    f"{models.file.name} and {source.file.name} both hold models; a spec has one"
                    " file with models, which imports others.",
                    drop=((str(source.file),),),
                )
                continue
            models = source
        for name in source.names("programs"):
            first = programs.setdefault(name, source)
            if first is not source:
                yield Finding(
                    (str(source.file), "programs", name),
                    f"the program {name} is defined in {first.file.name} and in"
                    f" {source.file.name}; keep one of them.",
                    drop=((str(source.file), "programs", name),),
                )
