"""Carries out a study: every sample once, however often it is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from manyscale.bridges.gather import statistics
from manyscale.contract.refusal import Refused
from manyscale.studies.hosts import Host
from manyscale.studies.journal import Journal
from manyscale.studies.study import Study

Watch = Callable[[int, int, int], None]
"""Told (done, wanted, failed) whenever a sample is done."""


@dataclass(frozen=True)
class Done:
    """A finished study: its table, and what went wrong by member."""

    table: statistics.Table
    failures: dict[int, str]
    before: int
    """Samples that were there already."""


def carry_out(
    study: Study, folder: Path, host: Host, watch: Watch | None = None, *, retry: bool = False
) -> Done:
    """Compute what the journal in `folder` does not have yet; with `retry`, failures again.

    Raises `Refused` if a multilevel study cannot go on without a sample that failed.
    """
    with Journal(folder, study.identity) as journal:
        if retry:
            journal.forget([*journal.failures])
        before = len(journal.answers)
        while True:
            plan = study.plan(journal.answers)
            members = plan.member.tolist()
            todo = [row for row, member in enumerate(members) if member not in journal.answers]
            if not todo:
                break
            for member, answer in host.answers(plan, todo):
                journal.add(member, answer)
                if watch is not None:
                    watch(len(journal.answers), len(members), len(journal.failures))
            silent = [members[row] for row in todo if members[row] not in journal.answers]
            if silent:
                raise Refused(
                    f"{statistics.named(plan.member[silent])} gave neither an answer nor an error."
                )
        return Done(study.table(journal.answers), journal.failures, before)
