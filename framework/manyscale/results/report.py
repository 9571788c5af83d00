"""The report that closes a run: a table of computed against reference values, and a figure.

A coupling spec may bring `report.py` with `rows(run) -> list[Row]` and
`draw(run, figure) -> None`; otherwise the report shows what was recorded.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from manyscale.contract.refusal import Refused
from manyscale.results import members
from manyscale.results.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

SYSTEM = "report.py"
FIGURE = "figure.png"
TEXT = "report.txt"


@dataclass(frozen=True)
class Row:
    """One line of a verification table.

    `tolerance` is relative to the reference unless `absolute`; a row without reference only
    shows what was computed.
    """

    what: str
    computed: float
    reference: float | None = None
    tolerance: float = 0.0
    unit: str = "1"
    origin: str = ""
    absolute: bool = False

    def __post_init__(self) -> None:
        if self.reference == 0.0 and not self.absolute:
            raise ValueError(f"Row {self.what!r}: a reference of zero needs absolute=True.")

    @property
    def off(self) -> float:
        """Deviation from the reference in the sense of the tolerance."""
        if self.reference is None:
            return 0.0
        distance = abs(self.computed - self.reference)
        return distance if self.absolute else distance / abs(self.reference)

    @property
    def holds(self) -> bool:
        """Whether the computed value is within its tolerance."""
        return math.isfinite(self.computed) and self.off <= self.tolerance


def table_of(title: str, rows: Sequence[Row]) -> Table:
    """Return a table of rows for the terminal."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in ("quantity", "computed", "reference", "off", "allowed", "unit", "", "origin"):
        table.add_column(name, justify="right" if name in _NUMBERS else "left")
    for row in rows:
        compared = row.reference is not None
        table.add_row(
            row.what,
            f"{row.computed:.6g}",
            f"{row.reference:.6g}" if compared else "",
            f"{row.off:.2g}" if compared else "",
            f"{row.tolerance:g}" if compared else "",
            row.unit,
            ("ok" if row.holds else "OFF") if compared else "",
            row.origin,
        )
    return table


_NUMBERS = ("computed", "reference", "off", "allowed")


def system_report(files: Sequence[Path]) -> ModuleType | None:
    """Return the report module that stands beside the spec's files, if there is one."""
    for folder in dict.fromkeys(file.parent for file in files):
        path = folder / SYSTEM
        if path.is_file():
            spec = importlib.util.spec_from_file_location(f"{folder.name}_report", path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(module)
            except Exception as exc:
                raise Refused(f"{path} cannot be loaded: {type(exc).__name__}: {exc}.") from None
            for name in ("rows", "draw"):
                if not callable(getattr(module, name, None)):
                    raise Refused(f"{path} has no function {name!r}; a report has rows and draw.")
            return module
    return None


def write(
    run: Run, system: ModuleType | None, folder: Path, told: Sequence[str] = ()
) -> tuple[list[Row], Path]:
    """Write `report.txt` and `figure.png` into `folder`; return the rows and the figure.

    The sentences `told` close the text.
    """
    import matplotlib as mpl
    from rich.console import Console
    from rich.text import Text

    mpl.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained", dpi=120)
    if system is None:
        rows = recorded_rows(run)
        draw_recorded(run, figure)
    else:
        try:
            rows = list(system.rows(run))
            system.draw(run, figure)
        except Exception as exc:
            raise Refused(
                f"The run is complete in {folder}, but {system.__file__} failed:"
                f" {type(exc).__name__}: {exc}."
            ) from exc
    figure.savefig(folder / FIGURE)
    with (folder / TEXT).open("w") as file:
        console = Console(file=file, width=140)
        console.print(table_of(run.name, rows))
        for instance, shown in members.farms(folder).items():
            console.print(members.table_of(instance, shown))
        for sentence in told:
            console.print(Text(sentence), soft_wrap=True)
    return rows, folder / FIGURE


def recorded_rows(run: Run) -> list[Row]:
    """Return the last value of every recorded number, and the mean of every array."""
    rows = []
    for instance, port, name, data in _recorded(run):
        last = data[name].isel(time=-1)
        what = "" if last.ndim == 0 else "mean of "
        unit = data[name].attrs.get("units", "1")
        rows.append(Row(f"{what}{instance}.{port}.{name}", float(last.mean()), unit=unit))
    return rows


def draw_recorded(run: Run, figure: Figure) -> None:
    """Draw numbers over time and the last profile of arrays."""
    shown = [item for item in _recorded(run) if item[3][item[2]].ndim <= 2][:4]
    axes = figure.subplots(1, max(1, len(shown)), squeeze=False)[0]
    for ax, (instance, port, name, data) in zip(axes, shown, strict=False):
        field = data[name]
        profile = field.ndim == 2
        values = field.isel(time=-1) if profile else field
        (axis,) = values.dims
        x = data[axis] if axis in data else range(values.size)
        ax.plot(x, values, marker="." if values.size < 40 else "")
        ax.set_xlabel(f"{axis} [{_units(data, axis)}]")
        ax.set_ylabel(f"{field.attrs.get('long_name', name)} [{field.attrs.get('units', '1')}]")
        ax.set_title(f"{instance}.{port}.{name}" + (", at the end" if profile else ""), fontsize=9)
    if not shown:
        axes[0].text(0.5, 0.5, "nothing was recorded: set `record`", ha="center")
        axes[0].set_axis_off()


def _units(data: Any, axis: str) -> str:
    return str(data[axis].attrs.get("units", "1")) if axis in data else "index"


def _recorded(run: Run) -> list[tuple[str, str, str, Any]]:
    found = []
    for instance, store in run.stores.items():
        import netCDF4

        with netCDF4.Dataset(store) as data:
            ports = list(data.groups)
        for port in ports:
            recorded = run.record(instance, port)
            numbers = [n for n in recorded.data_vars if recorded[n].dtype.kind in "fi"]
            found += [(instance, port, str(n), recorded) for n in numbers]
    return found
