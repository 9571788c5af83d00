"""Settings that name files to read: from where a path counts, and what is kept of them."""

import hashlib
import json
from pathlib import Path
from typing import Annotated

import pytest

import manyscale as ms
from manyscale.cli.spec_options import settings_of
from manyscale.contract.serialised import serialised
from manyscale.contract.settings import declared_settings
from manyscale.contract.sidecar import contract_in
from manyscale.coupling.prove import diagnose
from toys.ends import Rod

LINES = """ymmsl_version: v0.2
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
  rod.length: 2.0
"""


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Two folders with files of one name: that of the spec, and the current one."""
    for name in ("spec", "here"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_text(name)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def coupling(folder, line="", *options):
    spec = folder / "spec/model.ymmsl"
    spec.write_text(LINES + line)
    return diagnose([spec], settings_of(options), trusted=True, with_machine=False).proven()


def test_a_path_counts_from_where_it_is_written(places):
    there, here = places / "spec/a.csv", places / "here/a.csv"
    written = coupling(places, "  rod.tables: a.csv\n")
    assert written.models["rod"].tables == written.changed["rod.tables"] == str(there)
    given = coupling(places, "  rod.tables: a.csv\n", "rod.tables=a.csv")
    assert given.models["rod"].tables == str(here)
    both = coupling(places, "", f"rod.tables={there}; a.csv")
    assert both.models["rod"].tables == f"{there};{here}"
    home = coupling(places, "", "rod.tables=~/")
    assert home.models["rod"].tables == str(Path.home().resolve())


def test_what_is_no_file_stays_as_it_is(places):
    assert coupling(places).models["rod"].tables == "measured"
    kept = coupling(places, "  rod.tables: a.csv;other.csv\n").models["rod"].tables
    assert kept == f"{places / 'spec/a.csv'};other.csv"
    assert coupling(places, "  rod.title: a.csv\n").models["rod"].title == "a.csv"


@pytest.mark.parametrize("name", ["a: b.csv", "a #1.csv", "[a].csv", "2024-05-01", "'a'.csv"])
def test_paths_on_the_command_line_are_no_yaml(places, name):
    (places / "here" / name).write_text("x")
    assert coupling(places, "", f"rod.tables={name}").models["rod"].tables.endswith(f"/{name}")


def test_numbers_stay_numbers_beside_files_of_their_name(places):
    (places / "here/3.0").write_text("x")
    assert settings_of(["rod.length=3.0"]) == {"rod.length": 3.0}


def test_the_content_of_files_is_kept_in_mind(places):
    found = coupling(places, "", "rod.tables=a.csv;missing.csv").inputs
    assert found == {str(places / "here/a.csv"): hashlib.sha256(b"here").hexdigest()}


def test_the_contract_says_that_a_setting_names_files():
    said = {s["name"]: s["files"] for s in serialised(Rod)["settings"]}
    assert [name for name, files in said.items() if files] == ["tables"]
    again = contract_in(json.dumps(serialised(Rod)))
    assert again.settings()["tables"].files
    assert again.settings()["tables"].limits == "files"


def test_only_a_text_names_files():
    class Wrong:
        tables: Annotated[int, "1", "conductivities", ms.InputFiles()] = 1

    with pytest.raises(TypeError, match="names files, so it is a str"):
        declared_settings(Wrong)
