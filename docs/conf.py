"""Sphinx configuration. Models, commands and the schema are written from their declarations."""

import inspect
import json
import logging
import os
import shutil
from pathlib import Path

import click

from manyscale.cli import COMMANDS, manyscale
from manyscale.contract.diagnostics import Check
from manyscale.contract.model import ScaleModel
from manyscale.contract.quantities import COMMON
from manyscale.contract.serialised import SCHEMA, serialised
from manyscale.registry import registry

HERE = Path(__file__).parent
ROOT = HERE.parent
GENERATED = HERE / "reference" / "generated"
EXAMPLES = HERE / "gallery" / ".examples"

project = "manyscale"
author = "The manyscale developers"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "gallery/.examples"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
default_role = "code"
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
html_theme = "furo"
html_title = "manyscale"
sphinx_gallery_conf = {
    "examples_dirs": str(EXAMPLES),
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "write_computation_times": False,
    "capture_repr": (),
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "matplotlib_animations": False,
}


def table(titles: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
                     for row in lines)  # fmt: skip


def axes(field: dict) -> str:
    """Return the axes of a serialised field, `x=nx y=3`."""
    if field["axes"] is None:
        return "..."
    return " ".join(
        axis["name"] + (f"={axis['setting'] or axis['length']}" if axis["setting"] or axis["length"]
                        else "")
        for axis in field["axes"]
    )  # fmt: skip


def ports(contract: dict) -> str:
    """Return the table of ports and their fields."""
    rows = []
    for port in contract["ports"]:
        flags = [word for word in ("slots", "optional", "plain", "overlay") if port[word]]
        head = [f"`{port['name']}`", " ".join([port["operator"].upper(), *flags])]
        for field in port["fields"] or [{"name": "", "quantity": "", "unit": "", "axes": []}]:
            about = [field["quantity"], field["unit"], axes(field), field.get("dtype", "")]
            rows.append([*head, f"`{field['name']}`", *about])
            head = ["", ""]
    return table(["port", "operator", "field", "quantity", "unit", "axes", "dtype"], rows)


def settings(model: type[ScaleModel]) -> str:
    """Return the table of settings."""
    rows = [
        [
            f"`{s.name}`",
            s.ymmsl_type,
            "required" if s.required else f"`{s.default}`",
            s.unit,
            s.limits,
            s.text,
        ]
        for s in model.settings().values()
    ]
    titles = ["setting", "type", "default", "unit", "allowed", "meaning"]
    return table(titles, rows) if rows else "None."


def scales(contract: dict) -> str:
    """Return grain and extent at the default settings."""
    found = contract["scales"] or {}
    rows = [
        [name.split("_")[0], f"{s['grain']:.3g}", f"{s['extent']:.3g}", name.split("_")[1]]
        for name, s in found.items()
        if s is not None
    ]
    return table(["scale", "grain", "extent", "unit"], rows) if rows else "Depend on the settings."


def page(entry: registry.Entry) -> str:
    """Return the reference page of a model: its declaration, and the plugin's physics page."""
    model, contract = entry.model, serialised(entry.model)
    how = "keeps its state between calls" if model.keeps_state else "starts every call anew"
    cited = [
        f"- {c.text}" + f" [doi:{c.doi}](https://doi.org/{c.doi})" * bool(c.doi)
        for c in model.citations
    ]
    parts = [
        f"# `{model.name}`",
        f"Version {model.version}, plugin `{entry.plugin}`; it {how} and is reproducible"
        f" ({model.determinism}).",
        f"```text\n{inspect.cleandoc(model.__doc__ or '')}\n```",
        f"## Ports\n\n{ports(contract)}",
        f"## Settings\n\n{settings(model)}",
        f"## Scales at the defaults\n\n{scales(contract)}",
    ]
    if cited:
        parts.append("## To cite\n\n" + "\n".join(cited))
    readme = Path(inspect.getfile(model)).parent / "README.md"
    if readme.is_file():
        path = os.path.relpath(readme, GENERATED / "models")
        parts.append(f"```{{include}} {path}\n:heading-offset: 1\n```")
    return "\n\n".join(parts) + "\n"


def check_page(check: Check) -> str:
    """Return the page of a check, as `manyscale explain` shows it."""
    title, _, rest = check.page.partition("\n")
    return f"# {check.code}: {title.rstrip('.')}\n\nSeverity: {check.severity}.\n{rest}\n"


def write_checks(folder: Path) -> None:
    """Write a page for every check of this distribution, and the table of them all."""
    folder.mkdir()
    ours = [check for check in registry.load().checks.values() if check.code.startswith("MS")]
    for check in ours:
        (folder / f"{check.code}.md").write_text(check_page(check))
    rows = [[f"[{c.code}](generated/checks/{c.code}.md)", c.severity, c.title] for c in ours]
    (GENERATED / "checks.txt").write_text(table(["code", "severity", "what is wrong"], rows))


def exit_codes() -> str:
    """Return the table of exit codes."""
    from manyscale.launching.outcome import EXIT_CODES

    return table(["exit code", "meaning"], [[str(code), text] for code, text in EXIT_CODES.items()])


def commands() -> str:
    """Return the help of every command."""
    parts = []
    context = click.Context(manyscale, info_name="manyscale", **manyscale.context_settings)
    for name in COMMANDS:
        command = manyscale.get_command(context, name)
        assert command is not None
        text = command.get_help(click.Context(command, info_name=name, parent=context))
        parts.append(f"## manyscale {name}\n\n```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def refuse_missing_pages() -> None:
    """Every coupling spec has its page."""
    for spec in sorted((ROOT / "coupling_specs").glob("*/README.md")):
        name = spec.parent.name
        if not (HERE / "systems" / f"{name}.md").is_file():
            raise FileNotFoundError(f"docs/systems/{name}.md is missing: include {name}/README.md")


def generate() -> None:
    """Write what is not written by hand."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    (GENERATED / "models").mkdir(parents=True)
    for entry in registry.load():
        if entry.distribution == "manyscale":
            (GENERATED / "models" / f"{entry.model.name}.md").write_text(page(entry))
    write_checks(GENERATED / "checks")
    (GENERATED / "commands.txt").write_text(commands())
    (GENERATED / "exit_codes.txt").write_text(exit_codes())
    (GENERATED / "contract.schema.json").write_text(json.dumps(SCHEMA, indent=2))
    rows = [[f"`{q.name}`", q.unit, q.text] for q in COMMON]
    (GENERATED / "quantities.txt").write_text(table(["quantity", "unit", "meaning"], rows))
    shutil.rmtree(EXAMPLES, ignore_errors=True)
    EXAMPLES.mkdir(parents=True)
    for example in sorted((ROOT / "examples").glob("plot_*.py")):
        shutil.copy(example, EXAMPLES)
    (EXAMPLES / "GALLERY_HEADER.rst").write_text(
        "Gallery\n=======\n\nEach example runs as it is.\n"
    )


logging.getLogger("yatiml").setLevel(logging.WARNING)  # tells every node it reads
refuse_missing_pages()
generate()
html_extra_path = [str(GENERATED / "contract.schema.json")]
