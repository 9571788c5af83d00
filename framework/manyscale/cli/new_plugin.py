"""`manyscale new-plugin NAME`: a complete distribution with one model, ready to fill in."""

from __future__ import annotations

import keyword
from importlib import resources
from pathlib import Path

import click

from manyscale.contract.refusal import Refused

FILES = {
    "pyproject.toml.txt": "pyproject.toml",
    "plugin.py.txt": "src/{module}/__init__.py",
    "kernel.py.txt": "src/{module}/kernel.py",
    "test_plugin.py.txt": "tests/test_{module}.py",
    "readme.md.txt": "README.md",
    "model.ymmsl.txt": "coupling_specs/{module}_under_ramp/model.ymmsl",
    "settings.ymmsl.txt": "coupling_specs/{module}_under_ramp/settings.ymmsl",
}


@click.command("new-plugin")
@click.argument("name")
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), default=Path())
def command(name: str, into: Path) -> None:
    """Write a plugin NAME: a model, its kernel, its tests and a coupling that runs."""
    module = name.replace("-", "_")
    if not module.isidentifier() or keyword.iskeyword(module) or module != module.lower():
        raise Refused(
            f"{name!r} cannot name a plugin: use lower-case letters, digits and _ as in 'decay'."
        )
    folder = into / name
    if folder.exists():
        raise Refused(f"{folder} exists; nothing was written, name another.")
    title = "".join(part.title() for part in module.split("_"))
    source = resources.files("manyscale.cli") / "plugin_template"
    for template, target in FILES.items():
        text = (source / template).read_text(encoding="utf-8")
        path = folder / target.format(module=module)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("@module@", module).replace("@Class@", title))
    click.echo(
        f"Wrote {folder}. Next:\n  pip install -e {folder}\n  manyscale test-plugin {module}"
    )
    click.echo(f"  manyscale run {folder}/coupling_specs/{module}_under_ramp")
