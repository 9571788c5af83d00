"""What is found in the files of a spec before yMMSL reads them, and what follows from it."""

import textwrap

import pytest

from manyscale.coupling.prove import diagnose
from manyscale.coupling.reading import read

HOSTED = "-m manyscale.hosting.muscle toys.macro_micro"
OLD = f"""\
ymmsl_version: v0.1
model:
  name: lattice
  components:
    bulk:
      implementation: lattice_bulk
      ports:
        o_i: cores
        s: relaxed
    core:
      implementation: core
      multiplicity: 3
      ports:
        f_init: initial
        o_f: final
  conduits:
    bulk.cores: core.initial
    core.final: bulk.relaxed
implementations:
  lattice_bulk:
    executable: python
    args: {HOSTED}:Bulk
  core:
    executable: python
    args: {HOSTED}:Core
settings:
  core.diffusivity: 1.0e-12
resources:
  core:
    threads: 1
"""
NEW = f"""\
ymmsl_version: v0.2
models:
  lattice:
    description: One component
    components:
      ruler:
        description: Sends a length
        implementation: ruler
        ports:
          o_f: out
programs:
  ruler:
    description: Sends a length
    executable: python
    args: {HOSTED}:Ruler
"""


@pytest.fixture
def told(tmp_path):
    """Return (code, line) of all problems of a spec, file by file."""

    def diagnosed(*texts):
        files = []
        for number, text in enumerate(texts):
            files.append(tmp_path / f"{number}.ymmsl")
            files[-1].write_text(textwrap.dedent(text))
        problems = diagnose(files, trusted=True, with_machine=False).problems
        return [(p.code, p.place.line) for p in problems]

    return diagnosed


def test_an_old_file_is_converted_and_said_to_be(told):
    assert told(OLD) == [("MS103", 1)]


def test_an_old_file_is_checked_to_the_end_with_places(told):
    _, (code, line) = told(OLD.replace("1.0e-12", "-1.0"))
    assert (code[:3], line) == ("MS4", 27)
    assert told(OLD.replace("bulk.cores: core", "bulk.coers: core")) == [
        ("MS103", 1),
        ("MS204", 17),
    ]
    assert told(OLD.replace("implementation: core\n", "implementation: cor\n")) == [
        ("MS103", 1),
        ("MS201", 11),
    ]


def test_components_of_an_old_file_may_be_a_list(told):
    listed = OLD.replace("    bulk:\n      impl", "  - name: bulk\n    impl").replace(
        "    core:\n      impl", "  - name: core\n    impl"
    )
    listed = listed.replace("      ports:", "    ports:").replace("      multi", "    multi")
    listed = listed.replace("bulk.cores: core.initial", "bulk.cores: core.intial")
    assert told(listed) == [("MS103", 1), ("MS204", 17)]


def test_an_old_file_lies_over_a_new_one(told):
    assert told(NEW, "ymmsl_version: v0.1\nsettings:\n  ruler.millimetres: 0.002\n") == [
        ("MS103", 1)
    ]


def test_a_key_that_stands_twice_hides_nothing(told):
    twice = NEW.replace("        implementation: ruler\n", "        implementation: ruler\n" * 2)
    assert told(twice.replace("o_f: out", "o_f: uot")) == [("MS104", 9), ("MS205", 11)]


def test_a_sender_may_stand_twice_as_muscle3_takes_both(tmp_path):
    source = read(
        tmp_path,
        text="ymmsl_version: v0.2\nmodels:\n  m:\n    conduits:\n      a.x: b.x\n      a.x: c.x\n",
    )
    assert not source.doubled
    assert source.dumped().count("a.x") == 2


def test_an_anchor_in_itself_is_no_yaml(told):
    assert [code for code, _ in told("ymmsl_version: v0.2\nmodels: &a\n  m: *a\n")] == ["MS101"]


def test_aliases_of_values_do_no_harm(tmp_path):
    text = "ymmsl_version: v0.2\nsettings:\n  a.x: &x [1.0, 2.0]\n  b.x: *x\n"
    source = read(tmp_path, text=text)
    assert not source.aliased
    assert not source.changed


def test_what_could_not_be_imported_is_not_missed(told):
    spec = NEW.replace(
        "models:", "imports:\n- from nowhere import implementation ruler\nmodels:", 1
    )
    spec = spec.partition("programs:")[0]
    assert told(spec) == [("MS110", 3)]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return how to write a module to YMMSL_PATH, forgotten after the test."""
    from ymmsl.v0_2.resolver import ymmsl_cache

    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.setenv("YMMSL_PATH", str(folder))
    before = dict(ymmsl_cache)
    yield lambda name, text: (folder / f"{name}.ymmsl").write_text(text)
    ymmsl_cache.clear()
    ymmsl_cache.update(before)


IMPORTING = """\
ymmsl_version: v0.2
imports:
- from shared import implementation ruler
models:
  lattice:
    description: One component
    components:
      ruler:
        description: Sends a length
        implementation: ruler
        ports:
          o_f: out
"""


def test_a_module_on_the_path_is_imported(told, module):
    module("shared", "ymmsl_version: v0.2\nprograms:" + NEW.partition("programs:")[2])
    assert told(IMPORTING) == []
    assert told(IMPORTING.replace("ion ruler\nmod", "ion rulr\nmod")) == [("MS111", 3)]
    assert told(IMPORTING.replace("shared", "shard")) == [("MS110", 3)]


def test_a_mistake_in_a_module_is_told_there_and_once(told, module):
    module("shared", "ymmsl_version: v0.3\nprograms:" + NEW.partition("programs:")[2])
    assert told(IMPORTING) == [("MS102", 1)]


FARM = """\
ymmsl_version: v0.2
imports:
- from manyscale import implementation effective_medium
models:
  ruler:
    description: A model on the path
    ports:
      o_f: out
    components:
      inside:
        description: One component
        implementation: effective_medium
        ports:
          o_f: effective
    conduits:
      inside.effective: out
"""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("        implementation: effective", "        implementation: efective", ("MS111", 12)),
        ("import implementation effective", "import implementation efective", ("MS111", 3)),
        ("    conduits:", "    conduts:", ("MS105", 15)),
        ("    ports:\n      o_f: out\n", "    supported_settings: {k: double}\n", ("MS107", 7)),
        (FARM, "- nothing\n", ("MS107", 1)),
        ("    conduits:", "   conduits:", ("MS101", 15)),
    ],
)
@pytest.mark.parametrize("settings", ["", "settings:\n  ruler.inside.radius: 1.0e-9\n"])
def test_a_mistake_in_a_model_of_a_module_is_told_there_alone(
    old, new, problem, settings, told, module
):
    assert old in FARM
    module("shared", FARM.replace(old, new, 1))
    assert told(IMPORTING + settings) == [problem]


def test_ports_of_a_customised_model_are_told_in_its_module(told, module):
    module("shared", FARM)
    custom = "custom_implementations:\n  lattice.ruler.inside: {}\n"
    brought = "- from manyscale import implementation mass_diffusion\nmodels:"
    spec = IMPORTING.replace("models:", brought, 1)
    assert told(spec + custom.format("mass_diffusion")) == [("MS205", 14)]


def test_modules_that_import_each_other_are_refused_not_followed(told, module):
    circle = "ymmsl_version: v0.2\nimports:\n- from {} import implementation ruler\n"
    module("shared", circle.format("other"))
    module("other", circle.format("shared"))
    assert all(code == "MS110" for code, _ in told(IMPORTING))


def test_two_files_with_models_are_both_named(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.ymmsl").write_text(NEW)
    files = [tmp_path / "a.ymmsl", tmp_path / "b.ymmsl"]
    (problem,) = diagnose(files, trusted=True, with_machine=False).problems
    assert problem.code == "MS108"
    assert "a.ymmsl and b.ymmsl" in problem.text
