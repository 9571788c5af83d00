"""Several mistakes of wiring at once are all found, and none of them follows from another."""

from pathlib import Path

import pytest

from manyscale.coupling.prove import diagnose

VALID = Path(__file__).parent / "valid"


@pytest.fixture
def told(tmp_path):
    """Return code, line and lines to write of a valid spec with some of its text replaced."""

    def diagnosed(name, *changes):
        text = (VALID / f"{name}.ymmsl").read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        file = tmp_path / "spec.ymmsl"
        file.write_text(text)
        problems = diagnose([file], with_machine=False).problems
        return [(p.code, p.write) for p in problems if p.severity != "note"]

    return diagnosed


def test_every_filter_that_is_missing_is_given(told):
    found = told(
        "filters",
        ("- repeat meso.geometry", "- meso.geometry"),
        ("- repeat repeat micro.geometry", "- repeat micro.geometry"),
    )
    assert found == [
        ("MS212", "- repeat meso.geometry"),
        ("MS212", "- repeat repeat micro.geometry"),
    ]


def test_a_missing_last_is_found(told):
    ((code, _),) = told("filters", ("last after.profile", "after.profile"))
    assert code == "MS212"


def test_lines_for_all_loops_that_go_in_step(told):
    found = told(
        "sub_timelines",
        (
            "    matching_timelines:\n      coarse.pace: fine.pace\n      coarse.step: fine.step\n",
            "",
        ),
    )
    assert [write for _, write in found] == [
        "matching_timelines:\n  coarse.pace: fine.pace",
        "matching_timelines:\n  coarse.step: fine.step",
    ]
    assert {code for code, _ in found} == {"MS215"}


def test_an_answer_belongs_to_the_loop_that_called(told):
    found = told(
        "macro_micro",
        ("          o_i: state\n", "          f_init: start\n          o_i: state\n"),
        ("micro.flux: macro.flux", "micro.flux: macro.start"),
    )
    assert found == [("MS213", "micro.flux: macro.flux")]


def test_independent_mistakes_are_all_found(told):
    found = told(
        "dispatch",
        ("first.state: second.state", "frist.state: second.state"),
        ("second.result: third.state", "second.result: third.sate"),
        ("implementation: c\n", "implementation: cc\n"),
    )
    assert sorted(code for code, _ in found) == ["MS201", "MS203", "MS204"]


def test_several_roots_and_a_circle_are_survived(told):
    circle = told("nested", ("implementation: look", "implementation: outer"))
    assert [code for code, _ in circle] == ["MS220"]


def test_dimensions_that_no_port_reaches(told):
    found = told("two_dimensions", ("        multiplicity: 3\n", ""))
    assert [code for code, _ in found] == ["MS211"]


def test_a_port_of_a_nested_model_receives_once(told):
    found = told(
        "nested",
        ("      micro.state_out: macro.in_\n", "      micro.state_out: macro.in_\n"),
        ("      - watch.state_in\n", "      - watch.state_in\n      - solver.state_in\n"),
    )
    assert [code for code, _ in found] == ["MS210"]
