"""Ports: where a scale model sends or receives, each bound to one operator."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from manyscale.contract.fields import RESERVED, Axis, Field

OPERATORS = ("f_init", "o_i", "s", "o_f")


class Port:
    """A door for messages of one kind.

    Parameters
    ----------
    slots
        One message per member of the peer: a list in slot order.
    optional
        May stay unconnected, and its message may be padded or skipped; the model sees None.
    plain
        The one field travels bare, for components of other makes: no unit, no envelope.
    overlay
        The message is a mapping of settings that the peer's pass runs with.
    timeline
        The timeline whose turns this O_I or S port belongs to.
    like
        `"*"`: the fields the conduit carries; a port's name: that port's fields. For bridges;
        the checks follow it along the conduits, no host resolves it yet.
    axes, unit, mesh, finite
        How the fields of a `like` port differ from their origin: `axes={"x": "y=cells"}` puts
        the axis y where x was, `axes={"*": ""}` says that all lengths are others; `unit` and
        `mesh` take the place of those that came, `finite` says that no NaN leaves here.
    fields
        Declared fields by name.
    """

    operator: ClassVar[str]
    name: str = ""

    def __init__(
        self,
        *,
        slots: bool = False,
        optional: bool = False,
        plain: bool = False,
        overlay: bool = False,
        timeline: str = "",
        like: str = "",
        axes: Mapping[str, str] | None = None,
        unit: str = "",
        mesh: str = "",
        finite: bool = False,
        **fields: Field,
    ) -> None:
        options = (slots, optional, plain, overlay, timeline, like, axes, unit, mesh, finite)
        if any(isinstance(option, Field) for option in options):
            raise TypeError("A field cannot be called slots, optional, plain, overlay or the like.")
        self.slots, self.optional, self.plain = slots, optional, plain
        self.overlay, self.timeline, self.like = overlay, timeline, like
        self.axes, self.unit, self.mesh, self.finite = dict(axes or {}), unit, mesh, finite
        self.fields = fields
        if plain and (len(fields) != 1 or any(field.optional for field in fields.values())):
            raise TypeError("A plain port carries exactly one field, and always.")
        if overlay and (fields or self.operator != "o_i"):
            raise TypeError("An overlay port is an O_I port without fields.")
        if timeline and self.operator in ("f_init", "o_f"):
            raise TypeError("Only O_I and S ports have a timeline.")
        if optional and self.operator in ("o_i", "o_f"):
            raise TypeError("A sending port is always optional; leave `optional` out.")
        if (axes or unit or mesh or finite) and not like:
            raise TypeError("Only a `like` port changes axes, unit, mesh or finite.")
        if like and (fields or overlay):
            raise TypeError("A `like` port declares no fields of its own.")
        if not (fields or overlay or like):
            raise TypeError("A port declares at least one field.")
        for name in fields:
            if name in RESERVED or keyword.iskeyword(name) or name.startswith("_"):
                raise TypeError(f"A field cannot be called {name!r}.")

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def followed(self, origin: Mapping[str, Field]) -> dict[str, Field]:
        """Return the fields of this `like` port when its origin carries these."""
        return {name: self._changed(field) for name, field in origin.items()}

    def _changed(self, field: Field) -> Field:
        axes = field.axes
        if field.shape is not None:
            resized = "*" in self.axes
            axes = " ".join(
                self.axes.get(axis.name, axis.name if resized else _spelled(axis))
                for axis in field.shape
            )
        location = field.location or "cell" if self.mesh else field.location
        return replace(
            field,
            axes=axes,
            unit=self.unit or field.unit,
            mesh=self.mesh or field.mesh,
            location=location,
            finite=self.finite or field.finite,
        )

    @property
    def sends(self) -> bool:
        """Whether messages leave here."""
        return self.operator in ("o_i", "o_f")


def _spelled(axis: Axis) -> str:
    # the setting that gives a length is the origin's; it says nothing about this model
    return axis.name if axis.length is None else f"{axis.name}={axis.length}"


class F_INIT(Port):  # noqa: N801  the field's own names
    """Receives before a pass."""

    operator = "f_init"


class O_I(Port):  # noqa: N801
    """Sends the present at every turn of the loop."""

    operator = "o_i"


class S(Port):
    """Receives what the coming step needs."""

    operator = "s"


class O_F(Port):  # noqa: N801
    """Sends the answer of a pass."""

    operator = "o_f"
