"""Which ports and columns a farm has for the model it hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from manyscale.contract.fields import Axis, Field
from manyscale.contract.model import ScaleModel
from manyscale.contract.ports import F_INIT, O_F, O_I, Port, S
from manyscale.contract.refusal import Refused

MEMBER = Field("identity", "1", "member", dtype="int64")
PROVENANCE = Field("identity", "1", "member", dtype="int32")
ERR = Field("number", "1", "member")
FIDELITY = Field("identity", "1", "member", dtype="int32")
OWN_COLUMNS = ("member", "provenance", "err", "fidelity")
OWN_PORTS = ("jobs_in", "results_out", "work_out", "work_in")


@dataclass(frozen=True)
class Column:
    """One field of a port of the hosted model, and its name in a batch."""

    port: str
    field: str
    name: str
    declared: Field

    @property
    def text(self) -> bool:
        """Whether it is one text for all members."""
        return self.declared.dtype == "str"

    @property
    def scalar(self) -> bool:
        """Whether a member has one number of it."""
        return self.declared.shape == ()


@dataclass(frozen=True)
class Layout:
    """What comes and goes per member, and what is held for all."""

    model: type[ScaleModel]
    inputs: tuple[Column, ...]
    outputs: Mapping[str, tuple[Column, ...]]
    """Columns by O_F port of the hosted model; the first port is `results_out`."""
    renamed: Mapping[str, str]
    """Settings of the hosted model that have another name at the farm."""

    @cached_property
    def by_port(self) -> dict[str, tuple[Column, ...]]:
        """Inputs by F_INIT port of the hosted model."""
        names = dict.fromkeys(column.port for column in self.inputs)
        return {port: tuple(c for c in self.inputs if c.port == port) for port in names}

    @property
    def several(self) -> bool:
        """Whether the hosted model has several F_INIT ports, so that each may be held."""
        return len(self.by_port) > 1

    @cached_property
    def answers(self) -> tuple[Column, ...]:
        """All output columns, each once, named so that no two are the same."""
        return tuple(
            self.answer(port, column)
            for port, columns in self.outputs.items()
            for column in columns
        )

    def answer(self, port: str, column: Column) -> Column:
        """Return a column of a port as it stands among all answers."""
        return replace(column, name=f"{port}.{column.name}")

    @cached_property
    def held_by(self) -> dict[str, str]:
        """The hosted model's F_INIT port behind each held port of the farm."""
        return dict(zip(self.held(), self.by_port, strict=False))

    def jobs(self) -> dict[str, Field]:
        """Return the fields of a message with jobs."""
        loose = self.several
        found = {"member": MEMBER}
        found |= {c.name: self._batched(c, self.inputs, loose) for c in self.inputs}
        return found | {
            "provenance": replace(PROVENANCE, optional=True),
            "err": replace(ERR, optional=True, finite=False),
            "fidelity": replace(FIDELITY, optional=True),
        }

    def results(self, port: str) -> dict[str, Field]:
        """Return the fields of a message with the results of one O_F port."""
        columns = self.outputs[port]
        found = {c.name: self._batched(c, columns, False) for c in columns}
        return {"member": MEMBER, **found, "provenance": PROVENANCE, "err": ERR}

    def held(self, *, free: bool = False) -> dict[str, Port]:
        """Return the ports for what is the same for all members; `free`: of any length."""
        if not self.several:
            return {}
        ports = {name: self.model.ports[name] for name in self.by_port}
        return {
            _free(name, OWN_PORTS): self._port(
                F_INIT, {n: self._resized(f, free) for n, f in port.fields.items()}, optional=True
            )
            for name, port in ports.items()
        }

    def sent(self) -> dict[str, str]:
        """Return the hosted model's O_F port behind each sending port of the farm."""
        first, *others = self.outputs
        return {"results_out": first, **{_free(name, OWN_PORTS): name for name in others}}

    def made(self) -> dict[str, Port]:
        """Return the ports of the farm that follow from the hosted model."""
        from manyscale.bridges.farm import orders

        ports: dict[str, Port] = {"jobs_in": self._port(F_INIT, self.jobs()), **self.held()}
        ports |= {name: self._port(O_F, self.results(port)) for name, port in self.sent().items()}
        ports["work_out"] = self._port(O_I, orders.asked(self), slots=True)
        ports["work_in"] = self._port(S, orders.told(self), slots=True, optional=True)
        return ports

    def of_worker(self) -> dict[str, Port]:
        """Return the ports of a worker that is a component of its own."""
        from manyscale.bridges.farm import orders

        jobs = self._port(F_INIT, orders.asked(self))
        done = self._port(O_F, orders.told(self))
        return {"jobs_in": jobs, **self.held(free=True), "results_out": done}

    def _port(self, kind: Any, fields: Mapping[str, Field], **options: Any) -> Any:
        return kind(**options, **fields)

    def _resized(self, field: Field, free: bool) -> Field:
        """Return a field whose axes name the farm's settings, or no settings at all."""
        if field.shape is None:
            return field
        axes = [Axis(a.name, a.length) if free else a for a in field.shape]
        return replace(field, axes=" ".join(self._spelled(axis) for axis in axes))

    def _spelled(self, axis: Axis, names: frozenset[str] = frozenset()) -> str:
        name = f"{axis.name}_index" if axis.name in names else axis.name
        if axis.setting:
            return f"{name}={self.renamed.get(axis.setting, axis.setting)}"
        return name if axis.length is None else f"{name}={axis.length}"

    def _batched(self, column: Column, beside: tuple[Column, ...], loose: bool) -> Field:
        """Return a field with a leading member axis; a mesh stays behind with each member."""
        field = column.declared
        optional = field.optional or loose
        if column.text:
            return replace(field, optional=optional)
        names = frozenset(c.name for c in beside)
        inner = field.shape
        axes = "..." if inner is None else " ".join(self._spelled(a, names) for a in inner)
        axes = axes if inner is None else f"member {axes}".strip()
        return Field(
            field.quantity,
            field.unit,
            axes,
            field.dtype,
            optional=optional,
            finite=field.finite,
            extensive=field.extensive,
            tensor=field.tensor,
            shear_factor=field.shear_factor,
            frame=field.frame,
        )


def layout(model: type[ScaleModel], own_settings: frozenset[str]) -> Layout:
    """Return the layout of a farm; refuse a model that cannot be a member of one."""
    why = unfit(model)
    if why:
        raise Refused(f"{model.name} cannot be a member of a farm: {why}.")
    inputs = _columns([p for p in model.ports.values() if p.operator == "f_init"])
    outputs = {
        port.name: _columns([port]) for port in model.ports.values() if port.operator == "o_f"
    }
    renamed = {name: f"member_{name}" for name in model.settings() if name in own_settings}
    return Layout(model, inputs, outputs, renamed)


def unfit(model: type[ScaleModel]) -> str:
    """Return why a model cannot be a member, empty if it can."""
    ports = model.ports.values()
    if model.run is not None:
        return "it owns its loop"
    if not any(port.operator == "o_f" for port in ports):
        return "it gives no answer on an O_F port"
    for port in ports:
        if port.operator == "s" and not port.optional:
            return f"it needs a peer on {port.name} (S) during its pass"
        if port.operator in ("f_init", "o_f") and (port.slots or port.like):
            return f"its port {port.name} has {'slots' if port.slots else 'any fields'}"
        for name, field in port.fields.items() if port.operator in ("f_init", "o_f") else ():
            if any(axis.name == "member" for axis in field.shape or ()):
                return f"its field {port.name}.{name} has an axis called member"
    if model.Engine is not None and model.keeps_state:
        return "it keeps its state in an engine"
    if model.keeps_state and hasattr(model, "Member"):
        return "its State holds mappings of States"
    return ""


def _columns(ports: list[Port]) -> tuple[Column, ...]:
    """Return the columns of some ports; a name that is not free is led by that of its port."""
    names = [name for port in ports for name in port.fields]
    return tuple(
        Column(
            port.name,
            name,
            f"{port.name}_{name}" if names.count(name) > 1 or name in OWN_COLUMNS else name,
            field,
        )
        for port in ports
        for name, field in port.fields.items()
    )


def _free(name: str, taken: tuple[str, ...]) -> str:
    return f"member_{name}" if name in taken else name
