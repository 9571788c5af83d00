"""`manyscale new-plugin NAME`: a complete distribution with one model, ready to fill in."""

from __future__ import annotations

import importlib.util
import keyword
import re
from importlib import resources
from pathlib import Path

import click

from manyscale.contract.refusal import Refused
from manyscale.registry import registry

FILES = {
    "pyproject.toml.txt": "pyproject.toml",
    "readme.md.txt": "README.md",
    "plugin.py.txt": "src/{module}/__init__.py",
    "kernel.py.txt": "src/{module}/kernel.py",
    "test_plugin.py.txt": "tests/test_{module}.py",
    "model.ymmsl.txt": "coupling_specs/{module}_chain/model.ymmsl",
    "settings.ymmsl.txt": "coupling_specs/{module}_chain/settings.ymmsl",
}
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_LONGEST = 30  # keeps the lines of the templates within 100 characters


@click.command("new-plugin")
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder to make it in.",
)
def command(name: str, into: Path) -> None:
    """Write a plugin NAME: a model, its kernel, its tests and a coupling that runs."""
    module, folder = name.replace("-", "_"), into / name
    _refuse_name(name, module)
    if folder.exists():
        raise Refused(f"{folder} exists; nothing was written, name another.")
    _refuse_taken(module)
    for path, text in _filled(module).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    click.echo(f"Wrote {folder}. Next:")
    click.echo(f"  pip install -e {folder}\n  manyscale test-plugin {module}")
    click.echo(f"  manyscale run {folder}/coupling_specs/{module}_chain")


def _refuse_name(name: str, module: str) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(module) or len(name) > _LONGEST:
        raise Refused(
            f"{name!r} cannot name a plugin: use up to {_LONGEST} lower-case letters, digits and _,"
            " a letter first and no word of Python, as in 'decay'."
        )


def _refuse_taken(module: str) -> None:
    """Refuse a name that would hide an installed module or a registered model."""
    found = importlib.util.find_spec(module)
    if found is not None and found.origin is not None:
        raise Refused(f"{module!r} is an installed Python module ({found.origin}); name another.")
    entry = registry.load().models.get(module)
    if entry is not None:
        raise Refused(f"{entry.distribution} already offers a model {module!r}; name another.")


def _filled(module: str) -> dict[str, str]:
    """Return the files of a plugin by path: the templates with its names put in."""
    title = "".join(part.capitalize() for part in module.split("_"))
    source = resources.files("manyscale.cli") / "plugin_template"
    return {
        target.format(module=module): (source / template)
        .read_text(encoding="utf-8")
        .replace("@module@", module)
        .replace("@Class@", title)
        for template, target in FILES.items()
    }
