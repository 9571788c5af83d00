"""A finished run: its recordings and settings, for reports and notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manyscale.contract.refusal import Refused, nearest
from manyscale.results.record import STORE, open_record

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Run:
    """Where the instances of a run left their stores, and the settings they ran with."""

    name: str
    stores: dict[str, Path]
    models: dict[str, Any]
    """The model with its settings, by instance."""

    def record(self, instance: str, port: str) -> xr.Dataset:
        """Return what was recorded of a port, with units and coordinates.

        Raises `Refused` if it was not recorded.
        """
        if instance not in self.stores:
            raise Refused(
                f"Nothing was recorded of {instance!r}.{nearest(instance, self.stores)}"
                f" Set `{instance}.record` to the ports you want."
            )
        try:
            return open_record(self.stores[instance], port)
        except OSError as exc:
            raise Refused(f"Nothing was recorded of {instance}.{port}: {exc}.") from None


def run_of(folder: Path, name: str, models: dict[str, Any]) -> Run:
    """Return the run in a run directory."""
    found = {p.parents[1].name: p for p in folder.glob(f"instances/*/workdir/{STORE}")}
    return Run(name, dict(sorted(found.items())), models)
