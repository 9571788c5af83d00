"""The lines that a finding proposes are right; nothing that a file may hold ends in a traceback."""

import json
from pathlib import Path

import pytest

from manyscale.coupling.diagnostics import as_json
from manyscale.coupling.prove import diagnose
from manyscale.coupling.settings import with_unit

RIGHT = (Path(__file__).parent / "golden" / "right.ymmsl").read_text()


def told(folder, *changes):
    text = RIGHT
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = folder / "spec.ymmsl"
    file.write_bytes(text.encode())
    problems = diagnose([file], with_machine=False).problems
    assert len(json.loads(as_json(problems))) == len(problems)
    return problems


@pytest.mark.parametrize(
    ("old", "new", "write"),
    [
        ("multiplicity: 4", "multiplicity: four", "multiplicity: 4"),
        ("multiplicity: 4", "multiplicity: 4.0", "multiplicity: 4"),
        ("bulk.dt: 3.872e+05", "bulk.dt: '10.5'", "bulk.dt: 10.5"),
        ("bulk.dt: 3.872e+05", "bulk.dt: 1,5", "bulk.dt: 1.5"),
        ("bulk.dt: 3.872e+05", "bulk.dt: 2*10^3", "bulk.dt: 2000.0"),
        ("o_i: sample_out", "o_i: sample_out[]", "o_i: sample_out"),
        ("      bulk:\n", "      krümel:\n", "krumel: ..."),
        (
            "- from manyscale import implementation line_diffusion",
            "- from manyscale import mass_flow, line_diffusion",
            "- from manyscale import implementation mass_flow\n"
            "- from manyscale import implementation line_diffusion",
        ),
        (
            "        implementation: mass_diffusion\n",
            "        implementation: mass_diffusion\n        settings: {dt: 1.0}\n",
            "settings:\n  bulk.dt: 1.0",
        ),
    ],
)
def test_what_to_write(old, new, write, tmp_path):
    assert told(tmp_path, (old, new))[0].write == write


@pytest.mark.parametrize(
    "key", ["[a, b]", "{a: b}", "? [a, b]\n  ", "1", "true", "~", "ä.b", "' '"]
)
@pytest.mark.parametrize("section", ["settings", "resources", "models", "programs"])
def test_odd_keys_are_told(section, key, tmp_path):
    text = RIGHT if f"\n{section}:\n" in RIGHT else f"{RIGHT}{section}:\n"
    file = tmp_path / "spec.ymmsl"
    file.write_text(text.replace(f"\n{section}:\n", f"\n{section}:\n  {key}: 1.0\n"))
    problems = diagnose([file], with_machine=False).problems
    assert problems
    assert "Node(" not in "".join(map(str, problems))


def test_a_mistake_in_a_multiplicity_hides_no_other(tmp_path):
    several = [("multiplicity: 4", "multiplicity: four"), ("bulk.nx: 48", "bulk.nxx: 48")]
    assert [p.code for p in told(tmp_path, *several)] == ["MS107", "MS401"]


def test_a_renamed_component_is_told_with_its_new_name(tmp_path):
    (problem, *rest) = told(tmp_path, ("      bulk:\n", "      block:\n"))
    assert "'block'" in problem.text
    assert {p.code for p in rest} == {"MS203"}


@pytest.mark.parametrize("text", ["1,5", "1:30", "10^-6", "2020-01-01", "5 ", "1e-7", "2*3"])
def test_these_are_no_numbers_with_a_unit(text):
    assert with_unit(text) is None
