"""Ports: where a scale model sends or receives, each bound to one operator."""

from __future__ import annotations

import keyword
from typing import ClassVar

from manyscale.contract.fields import RESERVED, Field

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
        declared only, no host resolves it yet.
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
        **fields: Field,
    ) -> None:
        if any(isinstance(x, Field) for x in (slots, optional, plain, overlay, timeline, like)):
            raise TypeError("A field cannot be called slots, optional, plain, overlay or the like.")
        self.slots, self.optional, self.plain = slots, optional, plain
        self.overlay, self.timeline, self.like = overlay, timeline, like
        self.fields = fields
        if plain and (len(fields) != 1 or any(field.optional for field in fields.values())):
            raise TypeError("A plain port carries exactly one field, and always.")
        if overlay and (fields or self.operator != "o_i"):
            raise TypeError("An overlay port is an O_I port without fields.")
        if timeline and self.operator in ("f_init", "o_f"):
            raise TypeError("Only O_I and S ports have a timeline.")
        if optional and self.operator in ("o_i", "o_f"):
            raise TypeError("A sending port is always optional; leave `optional` out.")
        if not (fields or overlay or like):
            raise TypeError("A port declares at least one field.")
        for name in fields:
            if name in RESERVED or keyword.iskeyword(name) or name.startswith("_"):
                raise TypeError(f"A field cannot be called {name!r}.")

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def sends(self) -> bool:
        """Whether messages leave here."""
        return self.operator in ("o_i", "o_f")


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
