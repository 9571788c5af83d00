"""The scale model: settings, ports, State, the four operators of the loop and a clock."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Literal, Self, dataclass_transform

from manyscale.contract.engine import Capabilities, Engine
from manyscale.contract.fields import Field
from manyscale.contract.meshes import Geometry, Mesh
from manyscale.contract.messages import Clock, Messages, Received, Start
from manyscale.contract.ports import Port
from manyscale.contract.ranks import ALONE, Ranks
from manyscale.contract.refusal import Refused, nearest
from manyscale.contract.scales import Scales
from manyscale.contract.settings import Setting, declared_settings

OPERATOR_NAMES = frozenset(
    {"f_init", "o_i", "s", "o_f", "clock", "scales", "geometries", "migrate"}
)
_RESERVED = OPERATOR_NAMES | {
    "State", "Engine", "ports", "meshes", "settings", "name", "version", "state_version",
    "keeps_state", "determinism", "citations", "capabilities", "extra", "writes", "ranks",
    "engine", "run", "record", "run_seed", "seed_name", "batched", "autonomous", "owns_windows",
}  # fmt: skip


@dataclass(frozen=True)
class Citation:
    """What to cite when a model is used."""

    key: str
    text: str
    doi: str = ""


@dataclass_transform(frozen_default=True, kw_only_default=True)
class ScaleModel:
    """Base of all scale models: a frozen record of settings with ports and pure operators.

    A subclass declares ports as class attributes, settings as `Annotated` class attributes,
    a nested `class State(ms.State)`, and writes f_init, o_i, s, o_f and clock. Operators keep
    nothing on self and change nothing they are given.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    state_version: ClassVar[int] = 1
    keeps_state: ClassVar[bool] = False
    owns_windows: ClassVar[bool] = False
    """Whether it commits and rewinds itself (a farm does, per member): `start.kept` is then always
    the State of the pass before."""
    batched: ClassVar[bool] = False
    """Whether f_init, clock and o_f also take many members at once: every field, the seed and the
    arrays of a kept State with a leading member axis. No row depends on another, bit for bit."""
    autonomous: ClassVar[bool] = False
    """Whether answers do not depend on the time of the call, so that they may be used again."""
    writes: ClassVar[bool] = False
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[Citation, ...]] = ()
    capabilities: ClassVar[Capabilities] = Capabilities()
    extra: ClassVar[str] = ""
    """Extra of the model's distribution that brings the solver library it needs."""
    ranks: ClassVar[Ranks] = ALONE
    """The ranks it runs on; the host sets it on the model it hands to the operators."""
    ports: ClassVar[Mapping[str, Port]] = {}
    meshes: ClassVar[Mapping[str, Mesh]] = {}
    State: ClassVar[type]
    Engine: ClassVar[type[Engine] | None] = None
    engine: ClassVar[Any] = None
    """The open engine of a model that has one; the host sets it beside `ranks`."""
    run: ClassVar[Callable[[Any], None] | None] = None
    """The escape hatch: a static method that takes the libmuscle Instance and owns its loop.
    Ports and settings are declared as ever; other hosts, restart and rewinding are given up."""

    def __init_subclass__(cls) -> None:
        cls.name = vars(cls).get("name") or _snake(cls.__name__)
        cls.ports = _collected(cls, Port)
        cls.meshes = _collected(cls, Mesh)
        settings = declared_settings(cls)
        for name in settings:
            _copy_list_default(cls, name)
        dataclass(frozen=True, kw_only=True)(cls)
        _refuse_bad_names(cls, settings)

    def __post_init__(self) -> None:
        for name, setting in self.settings().items():
            object.__setattr__(self, name, setting.checked(getattr(self, name), self.name))

    @classmethod
    @cache
    def settings(cls) -> dict[str, Setting]:
        """Return the declared settings by name."""
        return declared_settings(cls)

    @classmethod
    def with_settings(cls, values: Mapping[str, Any]) -> Self:
        """Return the model with these settings.

        Raises `Refused` for an unknown, missing or unfit setting.
        """
        known = cls.settings()
        for name in values.keys() - known.keys():
            raise Refused(f"{cls.name} has no setting {name!r}.{nearest(name, known)}")
        for name, setting in known.items():
            if setting.required and name not in values:
                raise Refused(
                    f"Setting {cls.name}.{name} is missing; give it a value in the spec:"
                    f" {setting.text} [{setting.unit}]."
                )
        return cls(**values)

    def f_init(self, start: Start, received: Received) -> Any:
        """Begin a pass from what arrived: return the first State."""
        raise NotImplementedError(f"{self.name} has no f_init")

    def o_i(self, state: Any) -> Messages:
        """Return what the neighbours may see of the present."""
        return {}

    def s(self, state: Any, received: Received) -> Any:
        """Return the State at `clock(state).to`."""
        raise NotImplementedError(f"{self.name} wants a turn and has no s")

    def o_f(self, state: Any) -> Messages:
        """Return the answer of the pass."""
        return {}

    def clock(self, state: Any) -> Clock:
        """Return where the State stands in time and whether a turn follows."""
        raise NotImplementedError(f"{self.name} has no clock")

    def scales(self) -> Scales:
        """Return grain and extent of time and length for these settings."""
        return Scales()

    def geometries(self, state: Any) -> Mapping[str, Geometry]:
        """Return the geometry of every declared mesh."""
        return {}

    @classmethod
    def migrate(cls, old_version: int, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return today's State fields from those of an older `state_version`."""
        raise Refused(
            f"{cls.name} cannot read a state of version {old_version};"
            f" it is now at {cls.state_version} and has no `migrate`."
        )


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _collected(cls: type, kind: type) -> dict[str, Any]:
    return {n: v for c in reversed(cls.__mro__) for n, v in vars(c).items() if isinstance(v, kind)}


def _copy_list_default(cls: type, name: str) -> None:
    """Let a setting have a list as default: each model gets a copy."""
    default = vars(cls).get(name)
    if isinstance(default, list):
        setattr(cls, name, field(default_factory=lambda: [*default]))


def _refuse_bad_axes(where: str, name: str, declared: Field, port: Port) -> None:
    axes = [axis.name for axis in declared.shape or ()]
    others = {axis.name for field in port.fields.values() for axis in field.shape or ()}
    if {"time", "slot"} & set(axes):
        raise TypeError(f"{where}: axes called time and slot belong to recordings.")
    if len(set(axes)) != len(axes):
        raise TypeError(f"{where}: two axes have one name.")
    if name in others and axes != [name]:
        raise TypeError(
            f"{where}: a field named like an axis is its coordinate, so its one axis is {name}."
        )


def _refuse_bad_names(cls: type[ScaleModel], settings: Mapping[str, Setting]) -> None:
    for name in [*cls.ports, *settings, *cls.meshes]:
        if name in _RESERVED or keyword.iskeyword(name) or name.startswith(("_", "muscle_")):
            raise TypeError(f"{cls.__name__}.{name}: this name is taken; choose another.")
    for name, port in cls.ports.items():
        if port.like not in ("", "*") and port.like not in cls.ports:
            raise TypeError(f"{cls.__name__}.{name}: like={port.like!r} names no port.")
        for field_name, declared in port.fields.items():
            where = f"{cls.__name__}.{name}.{field_name}"
            _refuse_bad_axes(where, field_name, declared, port)
            for axis in declared.shape or ():
                if axis.setting and (
                    axis.setting not in settings or settings[axis.setting].type is not int
                ):
                    raise TypeError(
                        f"{where}: axis {axis.name}={axis.setting} names no int setting."
                        f"{nearest(axis.setting, settings)}"
                    )
            if declared.mesh and declared.mesh not in cls.meshes:
                raise TypeError(f"{where}: no mesh {declared.mesh!r} is declared.")
