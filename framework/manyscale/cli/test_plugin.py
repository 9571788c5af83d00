"""`manyscale test-plugin`: the standard battery over the models of one distribution."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from manyscale.contract.refusal import Refused, nearest
from manyscale.registry import registry


@click.command("test-plugin")
@click.argument("plugin")
def command(plugin: str) -> None:
    """Run the standard battery over every model that the installed PLUGIN offers."""
    from manyscale.testing import battery

    found = registry.load()
    for broken in found.broken:
        if broken.plugin == plugin:
            raise Refused(f"Plugin {plugin} is BROKEN: {broken.reason}")
    for clash in found.clashes.values():
        if any(plugin in (entry.plugin, entry.distribution) for entry in clash):
            raise Refused(registry.clash_of(clash))
    models = [entry.model for entry in found if plugin in (entry.plugin, entry.distribution)]
    if not models:
        known = {name for entry in found for name in (entry.plugin, entry.distribution)}
        raise Refused(f"No plugin is called {plugin!r}.{nearest(plugin, known)}")
    failed = 0
    for check in (check for model in models for check in battery(model)):
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(Path(folder))
            except Exception as exc:  # whatever a plugin does, the others are tested
                failed += 1
                kind = f"{type(exc).__name__}: "
                told = isinstance(exc, (AssertionError, Refused))
                click.echo(f"FAILED {check}: {'' if told else kind}{exc}")
            else:
                click.echo(f"passed {check}")
    if failed:
        raise Refused(f"{failed} checks of plugin {plugin} failed.")
