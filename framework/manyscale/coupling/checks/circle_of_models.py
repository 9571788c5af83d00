"""MS220: models that contain each other."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.coupling.load import Spec


@check("MS220", stage="config")
def circle_of_models(spec: Spec) -> Iterator[Finding]:
    """Nested models contain each other.

    A component may be implemented by a model, whose components may be implemented by models
    again. If one of them is the model one started from, there is no end to it.

    Let a program implement the component that closes the circle.
    """
    for path, component in spec.circles:
        at = (*spec.at(path[-1]), "components", str(component.name))
        names = " in ".join(str(model.name) for model in reversed(path))
        yield Finding(
            (*at, "implementation"),
            f"{component.name} is implemented by {component.implementation}, in which it stands"
            f" itself: {component.implementation} in {names}.",
            word=str(component.implementation),
            drop=((*at, "implementation"),),
        )
