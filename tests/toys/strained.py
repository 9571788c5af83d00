"""A press that strains a cell a little more at every turn."""

from typing import Annotated

import numpy as np

import manyscale as ms
from manyscale import Array, Field

STRAIN = {"tensor": "voigt", "shear_factor": 2.0}


class Press(ms.ScaleModel):
    """Sends a strain and softens it by the stress it hears."""

    out = ms.O_I(strain=Field("strain", "percent", "voigt=3", **STRAIN))
    back = ms.S(
        stress=Field("stress", "MPa", "voigt=3", tensor="voigt"),
        stiffness=Field("stress", "MPa", "voigt=3 column=3"),
        work=Field("energy_density", "J/m3"),
    )

    steps: Annotated[int, "1", "turns"] = 3
    spoilt: Annotated[bool, "1", "whether it sends NaN"] = False

    class State(ms.State):
        step: int
        strain: Array
        stress: Array
        work: float

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        strain = np.array([0.1, -0.05, 0.2])
        return self.State(step=0, strain=strain, stress=np.zeros(3), work=0.0)

    def clock(self, state: State) -> ms.Clock:
        return ms.Clock.steps(state.step, self.steps, 1.0)

    def o_i(self, state: State) -> ms.Messages:
        return {"out": {"strain": state.strain * (np.nan if self.spoilt else 1.0)}}

    def s(self, state: State, received: ms.Received) -> State:
        stress = received.back.stress
        strain = state.strain * 1.01 - 1e-6 * stress
        return self.State(
            step=state.step + 1, strain=strain, stress=stress, work=received.back.work
        )

    def scales(self) -> ms.Scales:
        return ms.Scales(length=ms.Scale(0.1, 1.0))


class TensorPress(Press):
    """Sends the tensor's shear strain, half the engineering one."""

    out = ms.O_I(strain=Field("strain", "1", "voigt=3", tensor="voigt"))


class Heater(Press):
    """Sends a temperature under the name of a strain."""

    out = ms.O_I(strain=Field("temperature", "K", "voigt=3", **STRAIN))


class SpacePress(Press):
    """Sends six components."""

    out = ms.O_I(strain=Field("strain", "1", "voigt=6", **STRAIN))
