"""One model in several versions of its State."""

from typing import ClassVar

import manyscale as ms
from toys.macro_micro import Bulk

__all__ = ["Bulk", "Grows", "GrowsOn", "GrowsOnWithoutMigration", "GrowsSilently"]


class Grows(ms.ScaleModel):
    """The State as it was."""

    out = ms.O_F(x=ms.Field("number"))
    name = "grows"

    class State(ms.State):
        step: int
        x: float


class GrowsOn(Grows):
    """A State with one field more, and a way from the old one."""

    name = "grows"
    state_version: ClassVar[int] = 2

    class State(ms.State):
        step: int
        x: float
        rate: float

    @classmethod
    def migrate(cls, old_version, fields):
        return {**fields, "rate": 1.0}


class GrowsOnWithoutMigration(Grows):
    """A State with one field more, and no way from the old one."""

    name = "grows"
    state_version: ClassVar[int] = 2
    State = GrowsOn.State


class GrowsSilently(Grows):
    """A State that changed without anybody saying so."""

    name = "grows"
    State = GrowsOn.State
