"""A distribution from outside stands beside the built-in ones, and cannot break them."""

from pathlib import Path

import pytest

ACME = Path(__file__).parents[2] / "examples/third_party_plugin"
SPEC = ACME / "coupling_specs/irradiated_diffusion"

ROWS = """
import sys
from pathlib import Path
from manyscale.coupling.prove import prove
from manyscale.results.report import system_report
from manyscale.results.run import run_of
coupling = prove([Path(sys.argv[1])])
run = run_of(Path(sys.argv[2]), coupling.name, coupling.models)
for row in system_report(coupling.files).rows(run):
    print("ok" if row.holds else "OFF", row.what)
"""

RIVAL = '''
import manyscale as ms


class IrradiatedProperties(ms.ScaleModel):
    """Has a name that another distribution uses."""

    out = ms.O_F(x=ms.Field("number"))

    class State(ms.State):
        time: float


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    return [IrradiatedProperties]
'''


@pytest.fixture(scope="module")
def acme(environment):
    """The environment with the example installed."""
    environment.install(ACME)
    return environment


def distribution(folder, name, code):
    """Write an installed distribution `name` of one plugin module into `folder`."""
    module = name.replace("-", "_")
    information = folder / f"{module}-0.3.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.3\n")
    (information / "entry_points.txt").write_text(f"[manyscale.plugins]\n{module} = {module}\n")
    (folder / f"{module}.py").write_text(code)


def lines_of(listing):
    return {line.split()[0]: line for line in listing.splitlines() if line}


def test_it_stands_beside_the_built_in_models(acme, tmp_path):
    listed = lines_of(acme.manyscale("list", cwd=tmp_path))
    assert "acme-irradiation 1.0.0" in listed["irradiated_properties"]
    assert "manyscale 0." in listed["mass_diffusion"]
    assert "BROKEN" not in listed
    assert "displacement_rate" in acme.manyscale("show", "irradiated_properties", cwd=tmp_path)
    assert "Sizmann" in acme.manyscale("cite", SPEC, cwd=tmp_path)


@pytest.mark.coupled
def test_its_own_tests_pass(acme, tmp_path):
    tests = ("-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")
    acme.succeed(*tests, "-c", ACME / "pyproject.toml", ACME / "tests", cwd=tmp_path)


@pytest.mark.coupled
def test_its_coupling_agrees_with_the_exact_profile(acme, tmp_path):
    run = tmp_path / "run"
    acme.manyscale("run", SPEC, "--run-dir", run, "--time-limit", "50", cwd=tmp_path)
    table = (run / "report.txt").read_text()
    assert table.count("│ ok │") == 6
    assert "OFF" not in table
    assert (run / "figure.png").stat().st_size > 10_000


@pytest.mark.coupled
def test_plain_muscle_manager_runs_it_too(acme, tmp_path):
    run = tmp_path / "run"
    acme.muscle_manager(SPEC / "model.ymmsl", SPEC / "settings.ymmsl", folder=run)
    rows = acme.succeed("-c", ROWS, SPEC, run, cwd=tmp_path).splitlines()
    assert len(rows) == 7
    assert all(row.startswith("ok") for row in rows)


def test_a_broken_plugin_is_listed_with_its_reason(acme, tmp_path):
    distribution(tmp_path, "cracked", "raise RuntimeError('the licence server is down')")
    listed = lines_of(acme.manyscale("list", cwd=tmp_path, path=tmp_path))
    assert listed["BROKEN"] == "BROKEN cracked (cracked): RuntimeError: the licence server is down"
    assert {"irradiated_properties", "mass_diffusion"} <= listed.keys()
    assert acme.manyscale("show", "irradiated_properties", cwd=tmp_path, path=tmp_path)
    said = acme.refusal("test-plugin", "cracked", cwd=tmp_path, path=tmp_path)
    assert "Plugin cracked is BROKEN: RuntimeError: the licence server is down" in said


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import sys; sys.exit('bye')", "SystemExit: bye"),
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'"),
        ("def manyscale_models(): return []", "is @ms.hookimpl missing?"),
    ],
    ids=["exits", "lacks_a_library", "forgot_the_mark"],
)
def test_whatever_breaks_stays_its_own_fault(code, reason, acme, tmp_path):
    distribution(tmp_path, "cracked", code)
    listed = lines_of(acme.manyscale("list", cwd=tmp_path, path=tmp_path))
    assert listed["BROKEN"].startswith("BROKEN cracked (cracked): ")
    assert reason in listed["BROKEN"]
    assert {"irradiated_properties", "mass_diffusion"} <= listed.keys()


def test_two_models_of_one_name_name_both_distributions(acme, tmp_path):
    distribution(tmp_path, "rival-labs", RIVAL)
    said = acme.refusal("show", "irradiated_properties", cwd=tmp_path, path=tmp_path)
    for word in (
        "'irradiated_properties'",
        "acme-irradiation",
        "rival-labs",
        "uninstall all but one",
    ):
        assert word in said
    listed = lines_of(acme.manyscale("list", cwd=tmp_path, path=tmp_path))
    assert "acme-irradiation" in listed["BROKEN"]
    assert "rival-labs" in listed["BROKEN"]
    assert "mass_diffusion" in listed
