"""MS612: a program's script that cannot be executed."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.command import commands, place
from manyscale.coupling.graph import Graph


@check("MS612")
def script_without_interpreter(graph: Graph) -> Iterator[Finding]:
    """The script of a program does not say what runs it.

    MUSCLE3 saves the text under `script` as a file and executes that file. The operating system
    finds out from its first line, `#!/bin/bash` for instance, which interpreter is to read it;
    without that line the start fails with "Exec format error".

        programs:
          solver:
            script: |
              #!/bin/bash
              exec /opt/solver/bin/solver --quiet
    """
    for node, command in commands(graph):
        script = command.program.script
        if script is not None and not script.startswith("#!"):
            found = script.strip().partition("\n")[0]
            first = f"begins with {found!r}" if found else "is empty"
            yield Finding(
                place(node, "script"),
                f"The script of {node.program} {first}; its first line names the interpreter.",
                "#!/bin/bash",
            )
