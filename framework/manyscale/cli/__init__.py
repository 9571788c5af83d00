"""The command `manyscale`: one file per subcommand, loaded when it is called."""

from __future__ import annotations

import importlib
import sys

import click

from manyscale.contract.refusal import Refused, nearest

COMMANDS = {
    "list": "list_models",
    "show": "show",
    "check": "check",
    "explain": "explain",
    "schema": "schema",
    "graph": "graph",
    "scales": "scales",
    "run": "run",
    "resume": "resume",
    "status": "status",
    "stop": "stop",
    "clean": "clean",
    "submit": "submit",
    "job": "job",
    "doctor": "doctor",
    "uq": "uq",
    "members": "members",
    "new-plugin": "new_plugin",
    "test-plugin": "test_plugin",
    "cite": "cite",
}


class _Lazy(click.Group):
    """Imports a subcommand's module only when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            raise Refused(f"No command is called {cmd_name!r}.{nearest(cmd_name, COMMANDS)}")
        module = importlib.import_module(f"manyscale.cli.{COMMANDS[cmd_name]}")
        command = module.command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="manyscale")
def manyscale() -> None:
    """Couple models across scales over MUSCLE3."""


def main() -> None:
    """Run the command line; a user's mistake ends in one sentence and an exit code."""
    try:
        manyscale.main(standalone_mode=False)
    except Refused as exc:
        click.echo(f"manyscale: {exc}", err=True)
        sys.exit(exc.exit_code)
    except click.exceptions.Exit as exc:
        sys.exit(exc.exit_code)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("manyscale: interrupted.", err=True)
        sys.exit(130)
    except OSError as exc:
        place = f" {exc.filename}" if exc.filename else ""
        click.echo(f"manyscale: {exc.strerror or exc}{place}.", err=True)
        sys.exit(1)
