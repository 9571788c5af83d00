"""How much memory messages may take: a part of what the machine or its control group has."""

import os

import pytest

from manyscale.hosting.transport import budget

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
GB = 10**9


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Let this process be in a group of a made-up hierarchy, with limits."""
    monkeypatch.delenv(budget.VARIABLE, raising=False)
    root = tmp_path / "cgroup"
    (root / "a/b").mkdir(parents=True)
    monkeypatch.setattr(budget, "_CGROUPS", root)
    told = tmp_path / "self"
    told.write_text("0::/a/b\n")
    monkeypatch.setattr(budget, "_OWN_GROUPS", told)

    def limit(**limits):
        for group, text in limits.items():
            place = {"top": root, "a": root / "a", "b": root / "a/b"}[group]
            (place / "memory.max").write_text(f"{text}\n")
        return told

    return limit


def test_without_a_group_it_is_the_machine(groups):
    assert budget.limit() == MACHINE


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"b": GB}, GB),
        ({"a": GB}, GB),
        ({"top": GB}, GB),
        ({"a": GB, "b": 2 * GB}, GB),
        ({"a": 2 * GB, "b": GB}, GB),
        ({"a": "max", "b": "max"}, MACHINE),
        ({"a": "max", "b": GB}, GB),
        ({"b": 100 * MACHINE}, MACHINE),
        ({"b": "what is this"}, MACHINE),
    ],
    ids=str,
)
def test_the_tightest_limit_of_all_groups_counts(groups, limits, expected):
    groups(**limits)
    assert budget.limit() == expected


@pytest.mark.parametrize("text", ["1:name=systemd:/\n0::/\n", "0::/gone/b\n"])
def test_other_hierarchies_limit_nothing_or_at_the_top(groups, text):
    groups().write_text(text)
    assert budget.limit() == MACHINE
    groups(top=GB)
    assert budget.limit() == GB


def test_groups_of_the_first_version_count(groups, tmp_path):
    told = groups()
    told.write_text("12:memory:/a\n11:cpu,cpuacct:/\n")
    assert budget.limit() == MACHINE
    (tmp_path / "cgroup/memory/a").mkdir(parents=True)
    (tmp_path / "cgroup/memory/a/memory.limit_in_bytes").write_text(f"{GB}\n")
    assert budget.limit() == GB


def test_instances_share_a_part_of_it(groups):
    groups(b=64 * GB)
    assert budget.of_each(1) == min(64 * GB, MACHINE) // 4
    assert budget.of_each(8) == budget.of_each(1) // 8
    assert budget.of_each(0) == budget.of_each(1)


def test_the_launcher_may_say_how_much(groups, monkeypatch):
    assert budget.budget() == budget.of_each(16)
    monkeypatch.setenv(budget.VARIABLE, "12345")
    assert budget.budget() == 12345
    monkeypatch.setenv(budget.VARIABLE, "-5")
    assert budget.budget() == budget.of_each(16)
