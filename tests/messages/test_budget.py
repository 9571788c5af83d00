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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", MACHINE),
        ("1:name=systemd:/\n0::/\n", 2 * GB),
        ("0::/gone/b\n", 2 * GB),
        ("12:cpu,memory:/x\n", GB),
        ("12:memory:/\n", 3 * GB),
        ("12:cpu:/x\n", MACHINE),
        ("12:memory:/x\n0::/a\n", GB),
    ],
)
def test_groups_of_either_version_count(groups, tmp_path, text, expected):
    groups(top=2 * GB).write_text(text)
    (tmp_path / "cgroup/memory/x").mkdir(parents=True)
    for place, limit in {"memory": 3 * GB, "memory/x": GB}.items():
        (tmp_path / "cgroup" / place / "memory.limit_in_bytes").write_text(f"{limit}\n")
    assert budget.limit() == expected


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
