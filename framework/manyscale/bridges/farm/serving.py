"""A worker of a farm that is a component of its own: does what it is told, remembers nothing."""

from __future__ import annotations

import json
from typing import Any

from manyscale.bridges.farm import orders
from manyscale.bridges.farm.fidelity import levels
from manyscale.bridges.farm.layout import Layout
from manyscale.bridges.farm.members import Crew
from manyscale.contract.messages import Received


class Station:
    """The hosted model with the settings the farm told of."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._crew: Crew | None = None
        self._settings = ""

    def report(self, received: Received) -> dict[str, Any]:
        """Do the jobs of a message and tell what became of them."""
        jobs = received.jobs_in
        held = {port: received.ports.get(name) for name, port in self.layout.held_by.items()}
        messages = {port: message for port, message in held.items() if message is not None}
        crew = self._of(jobs.fields["settings"])
        tasks = orders.tasks_of(jobs, self.layout.model, messages)
        parts = [(rows, crew.run(task)) for rows, task in tasks]
        return orders.report(parts, len(jobs.fields["member"]), self.layout)

    def _of(self, settings: str) -> Crew:
        if self._crew is None or settings != self._settings:
            self.close()
            told = json.loads(settings)
            model = self.layout.model
            where = f"{model.name}_farm.fidelities"
            models = levels(model, told["settings"], told["fidelities"], where)
            self._crew, self._settings = Crew(models, self.layout), settings
        return self._crew

    def close(self) -> None:
        """Release the engines."""
        if self._crew is not None:
            self._crew.close()
            self._crew = None
