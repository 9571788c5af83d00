"""MS219: settings that are sent while a coupling runs."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.graph import SETTINGS_IN, Graph, Link


@check("MS219")
def overlays(graph: Graph) -> Iterator[Finding]:
    """Settings are sent to an ordinary port, or something else to `muscle_settings_in`.

    Every component has the port `muscle_settings_in`, without declaring it. What arrives there
    are settings, which the next pass runs with. They come from a port that sends settings: in
    a model, `parameters = ms.O_I(overlay=True)`.

        sampler.parameters: core.muscle_settings_in
        sampler.profiles: core.initial

    Anything else that is sent there ends the receiver with an error, and settings that arrive
    at an ordinary port are no fields.
    """
    for link in graph.links:
        sent, wanted = link.ends
        if link.into == SETTINGS_IN and sent is not None and not sent.overlay:
            fields = ", ".join(sent.fields) or "fields"
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} sends {fields}, and {link.receiver.name}."
                f"{SETTINGS_IN} takes settings only.{_instead(link, True)}",
                word=f"{link.receiver.name.rpartition('.')[2]}.{SETTINGS_IN}",
            )
        elif link.into != SETTINGS_IN and sent is not None and sent.overlay and wanted is not None:
            yield Finding(
                link.at,
                f"{link.sender.name}.{link.out} sends settings, and {link.receiver.name}."
                f"{link.into} expects {', '.join(wanted.fields) or 'fields'}; settings go to"
                f" {link.receiver.name}.{SETTINGS_IN}.",
            )


def _instead(link: Link, overlay: bool) -> str:
    """Name the ports of the sender that do send settings."""
    ports = link.sender.contract.ports if link.sender.contract else {}
    found = [f"{link.sender.name}.{n}" for n, port in ports.items() if port.overlay is overlay]
    return f" Settings are sent by {', '.join(found)}." if found else ""
