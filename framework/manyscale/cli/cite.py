"""`manyscale cite SPEC`: what to cite for a coupling."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("cite")
@click.argument("spec", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(spec: tuple[Path, ...]) -> None:
    """Print the citations of SPEC: the framework's base and every model in it."""
    from manyscale.coupling.prove import diagnose
    from manyscale.results.provenance import citations

    coupling = diagnose(spec, trusted=True, with_machine=False).readable()
    for citation in citations([c for c in coupling.contracts.values() if c is not None]):
        doi = f" https://doi.org/{citation.doi}" if citation.doi else ""
        click.echo(f"[{citation.key}] {citation.text}.{doi}")
