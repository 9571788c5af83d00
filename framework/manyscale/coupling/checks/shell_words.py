"""MS610: a command line that the shell takes apart."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.command import commands, place
from manyscale.coupling.graph import Graph

_BREAKS = re.compile(r"[;&()]|(?<!\S)#")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\\.|&&|\d*[<>]&\d*|&>|[$<>]\([^()]*\)")


@check("MS610")
def shell_words(graph: Graph) -> Iterator[Finding]:
    """A word of a program's command line does not survive the shell.

    MUSCLE3 writes `executable` and `args` as they are into a bash script, without quotes. A path
    with a blank in it arrives as two words, brackets are a syntax error, and what follows
    a semicolon is another command; the component then fails at its start, or runs with other
    arguments than it was given.

        args: [--title, my first run]       # wrong: four words
        args: [--title, "'my first run'"]   # right: the inner quotes reach the shell

    Put quotes inside the text, or use names without blanks. Variables such as `$HOME` are
    replaced by the shell, and redirections are followed.
    """
    for node, command in commands(graph):
        for key, word, what in _broken(command.program):
            yield Finding(
                place(node, key),
                f"{node.program} is started with {word!r}, {what}; the shell gets it"
                " without quotes.",
                f'"{shlex.quote(word)}"' if "quote" not in what else "",
                word,
            )


def _broken(program: Any) -> Iterator[tuple[str, str, str]]:
    """Yield key, text and what is wrong with it for every part that does not survive."""
    for key in ("executable", "virtual_env"):
        word = str(getattr(program, key) or "")
        if word and (re.search(r"\s", word) or _BREAKS.search(word)):
            yield key, word, "which is not one word"
    args = program.args or []
    for word in args:
        bare = _QUOTED.sub("", word)
        if not _closed(word):
            yield "args", word, "in which a quote is not closed"
        elif found := _BREAKS.search(bare):
            yield "args", word, f"in which {found[0]!r} has a meaning of its own"
        elif len(args) > 1 and re.search(r"\s", bare.strip()) and not _several(bare):
            yield "args", word, "which becomes several words"


def _closed(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return False
    return True


def _several(text: str) -> bool:
    """Return whether an item was meant as several words, such as an option with its value."""
    return text.startswith("-") and "=" not in text.split()[0]
