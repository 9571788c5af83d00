"""Which ports a spec may ask to record."""

from __future__ import annotations

from manyscale.contract.model import ScaleModel
from manyscale.contract.refusal import Refused, nearest


def ports_to_record(model: type[ScaleModel], setting: str, instance: str) -> frozenset[str]:
    """Return the ports the setting `record` names; `Refused` if one cannot be recorded."""
    names = [name.strip() for name in setting.split(";") if name.strip()]
    sending = {n for n, p in model.ports.items() if p.sends and not p.overlay}
    for name in names:
        if name not in sending:
            raise Refused(
                f"Setting {instance}.record names {name!r}, which is no sending port of"
                f" {model.name}.{nearest(name, sending)}"
            )
    return frozenset(names)
