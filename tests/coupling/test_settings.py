"""Settings: what is repaired, what is told, and where it stands."""

import pytest

from manyscale.coupling.prove import diagnose

ROD = """ymmsl_version: v0.2
description: A rod
models:
  shop:
    description: A shop with a rod
    components:
      rod:
        description: A rod
        implementation: rod
        ports: {o_f: out}
programs:
  rod:
    description: A rod
    ports: {o_f: out}
    executable: python
    args: -m manyscale.hosting.muscle toys.ends:Rod
settings:
  rod.end: 2.0
"""

FOREIGN = """ymmsl_version: v0.2
description: A program of another make
models:
  shop:
    description: One program
    components:
      solver:
        description: Solves
        implementation: solver
        ports: {o_f: out}
programs:
  solver:
    description: A program in Fortran
    ports: {o_f: out}
    executable: /usr/bin/true
    KNOWN
settings:
  LINE
"""
SUPPORTED = "supported_settings: {t_max: float, level: int}"

SAMPLED = """ymmsl_version: v0.2
description: Rods whose length is told at run time
models:
  shop:
    description: One who tells, and one who is told
    components:
      teller:
        description: Tells settings
        implementation: teller
        ports: {o_i: parameters}
      rod:
        description: Is told its length
        implementation: rod
        ports: {o_f: out}
    conduits:
      teller.parameters: rod.muscle_settings_in
programs:
  teller:
    description: A sampler of another make
    ports: {o_i: parameters}
    executable: /usr/bin/true
  rod:
    description: A rod
    ports: {o_f: out}
    executable: python
    args: -m manyscale.hosting.muscle toys.ends:Rod
"""


@pytest.fixture
def diagnosed(tmp_path):
    """Write a spec and look at it, with settings from the command line."""

    def look(text, **given):
        file = tmp_path / "spec.ymmsl"
        file.write_text(text)
        named = {name.replace("__", "."): value for name, value in given.items()}
        return diagnose([file], named, trusted=True, with_machine=False)

    return look


def codes(diagnosis):
    return [p.code for p in diagnosis.problems if p.severity != "note"]


def test_units_and_whole_numbers_are_repaired(diagnosed):
    found = diagnosed(ROD, rod__length="5 nm", rod__begin=1, rod__segments=[1, 2])
    assert codes(found) == []
    changed = found.proven().changed
    assert changed == {"rod.length": 5e-9, "rod.begin": 1.0, "rod.segments": [1.0, 2.0]}
    assert [type(v) for v in (changed["rod.begin"], *changed["rod.segments"])] == [float] * 3


def test_what_stands_in_the_file_is_repaired_too(diagnosed):
    found = diagnosed(ROD + "  rod.length: 5 nm\n  rod.begin: 1\n")
    assert found.proven().changed == {"rod.length": 5e-9, "rod.begin": 1.0}


def test_a_mistake_on_the_command_line_is_placed_there(diagnosed):
    found = diagnosed(ROD, rod__length=1.0, rod__edn=3.0)
    (problem,) = found.problems
    assert str(problem).startswith("--set:4:3: MS401 error: rod has no setting edn.")
    assert problem.line.strip() == "rod.edn: 3.0"


def test_the_command_line_hides_the_file(diagnosed):
    assert codes(diagnosed(ROD + "  rod.length: -1.0\n", rod__length=1.0)) == []


def test_words_that_look_like_a_number_with_a_unit_stay_words(diagnosed):
    found = diagnosed(ROD, rod__length=1.0, rod__title="5 nm")
    assert codes(found) == []
    assert found.proven().settings["rod.title"] == "5 nm"


def test_every_mistake_is_told_at_once(diagnosed):
    lines = "  rod.lenght: 1.0\n  rdo.end: 2.0\n  rod.begin: soon\n  rod.shape: rond\n"
    lines += "  rod[0].title: long\n  rod.insulated: 5 nm\n"
    found = diagnosed(ROD + lines)
    assert codes(found) == ["MS401", "MS402", "MS404", "MS405", "MS408", "MS407"]


def test_a_required_setting_may_be_told_at_run_time(diagnosed):
    assert codes(diagnosed(SAMPLED)) == []
    assert codes(diagnosed(ROD)) == ["MS406"]


@pytest.mark.parametrize(
    ("line", "known", "code"),
    [
        ("solver.t_max: 1.0", SUPPORTED, []),
        ("t_max: 1.0", SUPPORTED, []),
        ("solver.t_max: 1", SUPPORTED, ["MS404"]),
        ("solver.level: high", SUPPORTED, ["MS404"]),
        ("solver.tmax: 1.0", SUPPORTED, ["MS401"]),
        ("solver.tmax: 1.0", "", []),
        ("anything: 1.0", "", []),
        ("sovler.t_max: 1.0", "", ["MS402"]),
        ("muscle_local_log_level: INFO", "", []),
        ("run_seed: 3", "", []),
    ],
)
def test_programs_of_other_makes(line, known, code, diagnosed):
    text = FOREIGN.replace("LINE", line).replace("    KNOWN\n", f"    {known}\n" if known else "")
    assert codes(diagnosed(text)) == code


def test_a_value_with_a_unit_needs_no_quotes_and_is_launched_as_a_number(tmp_path):
    spec = tmp_path / "model.ymmsl"
    spec.write_text(ROD.replace("rod.end: 2.0", "rod.length: 5e-3 km   # as written"))
    coupling = diagnose([spec], trusted=True, with_machine=False).proven()
    assert coupling.settings["rod.length"] == 5.0
    folder = tmp_path / "run"
    folder.mkdir()
    (copy,) = coupling.resolved(folder)
    assert "  rod.length: 5.0   # as written\n" in copy.read_text()
    assert copy.read_text().count("\n") == spec.read_text().count("\n")


def test_files_that_say_what_is_meant_are_launched_themselves(tmp_path):
    spec = tmp_path / "model.ymmsl"
    spec.write_text(ROD.replace("rod.end", "rod.length"))
    coupling = diagnose([spec], trusted=True, with_machine=False).proven()
    assert coupling.resolved(tmp_path) == [spec]


def test_the_command_line_is_laid_over_and_the_file_stays(tmp_path):
    spec = tmp_path / "model.ymmsl"
    spec.write_text(ROD.replace("rod.end", "rod.length"))
    given = {"rod.length": "3 m"}
    coupling = diagnose([spec], given, trusted=True, with_machine=False).proven()
    files = coupling.resolved(tmp_path)
    assert files[0] == spec
    assert files[1].read_text().endswith("settings:\n  rod.length: 3.0\n")
