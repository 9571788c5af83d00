"""The house: which room may know which, and what every room must have."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRAMEWORK = ROOT / "framework/manyscale"
PLUGINS = ROOT / "plugins/manyscale_plugins"
SPECS = sorted(p.parent for p in (ROOT / "coupling_specs").glob("*/model.ymmsl"))

# who may import whom; every room knows itself
ARROWS = {
    "contract": set(),
    "registry": {"contract"},
    "bridges": {"contract", "registry", "testing"},
    "coupling": {"contract", "registry"},
    "drawing": {"contract", "registry", "coupling"},
    "results": {"contract"},
    "hosting": {"contract", "registry", "coupling", "results"},
    "launching": {"contract", "registry", "hosting"},
    "testing": {"contract", "registry", "coupling", "results", "hosting", "launching"},
    "studies": {
        "contract",
        "registry",
        "bridges",
        "coupling",
        "results",
        "hosting",
        "launching",
    },
    "cli": {
        "contract",
        "registry",
        "coupling",
        "drawing",
        "results",
        "hosting",
        "launching",
        "testing",
        "studies",
    },
}
NO_NAMES = {"utils", "helpers", "common", "misc"}
BRIDGES = FRAMEWORK / "bridges"
FARM = BRIDGES / "farm"
HOSTING = {
    "call.py", "course.py", "failures.py", "fidelity.py", "flight.py", "kept.py", "layout.py",
    "likeness.py", "members.py", "orders.py", "process.py", "processes.py", "ranks.py",
    "recall.py", "scaling.py", "serving.py", "standin.py", "team.py", "waiting.py", "wire.py",
    "workers.py",
}  # fmt: skip
"""Files of the farm that host its members; they speak the contract."""
BRIDGE_NAMES = sorted(p.parent.name for p in BRIDGES.glob("*/__init__.py"))
PLUGIN_NAMES = sorted(p.parent.name for p in PLUGINS.glob("*/__init__.py"))


def imports(path):
    """Every module a file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(folder):
    return sorted(p for p in folder.rglob("*.py") if "plugin_template" not in p.parts)


@pytest.mark.parametrize("room", ARROWS)
def test_arrows_point_one_way(room):
    allowed = {room} | ARROWS[room]
    for path in sources(FRAMEWORK / room):
        for module in imports(path):
            parts = module.split(".")
            if parts[0] == "manyscale_plugins":
                pytest.fail(f"{path} imports a plugin: {module}")
            if parts[0] == "manyscale" and len(parts) > 1 and parts[1] in ARROWS:
                assert parts[1] in allowed, f"{path} imports {module}"


def test_every_room_has_its_arrows():
    rooms = {p.name for p in FRAMEWORK.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert rooms == ARROWS.keys()


def test_only_one_module_touches_an_instance():
    users = [p for p in sources(FRAMEWORK) if "libmuscle.Instance" in set(imports(p))]
    assert users == [FRAMEWORK / "hosting/muscle.py"]


SPEAKING = {"__init__.py", "checks.py"}  # declare models, and what to check of couplings


def test_a_kernel_knows_no_framework():
    for path in [*sources(PLUGINS), *sources(BRIDGES)]:
        if path.name not in SPEAKING and not (path.parent == FARM and path.name in HOSTING):
            known = [m for m in imports(path) if m.split(".")[0] == "manyscale"]
            assert not [m for m in known if not m.startswith("manyscale.bridges")], path


def test_a_plugin_knows_only_the_public_names():
    for path in sources(PLUGINS):
        deeper = [m for m in imports(path) if m.startswith("manyscale.") and m.count(".") > 1]
        if path.name not in SPEAKING:  # a kernel may use another kernel
            deeper = [m for m in deeper if not m.startswith("manyscale.bridges.")]
        assert not deeper, f"{path} imports {deeper}"


@pytest.mark.parametrize("name", PLUGIN_NAMES)
def test_a_plugin_is_complete(name):
    for file in ("__init__.py", "kernel.py", "README.md"):
        assert (PLUGINS / name / file).is_file(), f"{name} lacks {file}"
    assert (ROOT / f"tests/plugins/test_{name}.py").is_file()
    assert f'{name} = "manyscale_plugins.{name}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("name", BRIDGE_NAMES)
def test_a_bridge_is_complete(name):
    for file in ("__init__.py", "kernel.py", "README.md"):
        assert (BRIDGES / name / file).is_file(), f"{name} lacks {file}"
    assert (ROOT / f"tests/bridges/test_{name}.py").is_file()
    assert f'{name} = "manyscale.bridges.{name}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_system_is_complete(spec):
    for file in ("settings.ymmsl", "laptop.ymmsl", "slurm.ymmsl", "README.md", "report.py"):
        assert (spec / file).is_file(), f"{spec.name} lacks {file}"
    assert (ROOT / f"tests/couplings/test_{spec.name}.py").is_file()


def test_every_hook_is_documented_and_used_twice():
    from manyscale.registry import hooks

    specs = [f for f in vars(hooks).values() if hasattr(f, "manyscale_spec")]
    assert specs
    users = "\n".join(p.read_text() for p in [*sources(PLUGINS), *sources(ROOT / "examples")])
    page = (ROOT / "docs/reference/hooks.md").read_text()
    for spec in specs:
        assert spec.__doc__, spec.__name__
        assert users.count(f"def {spec.__name__}(") >= 2, f"{spec.__name__} is used once"
        assert f"`{spec.__name__}()`" in page, f"{spec.__name__} is not on the hooks page"


def test_declaring_is_cheap():
    code = (
        "import sys; from manyscale.registry import registry;"
        "from manyscale.cli import list_models, show;"
        "assert registry.load().models and not registry.load().broken;"
        "heavy = {'numba', 'mpi4py', 'libmuscle', 'scipy', 'matplotlib', 'pint', 'ymmsl'};"
        "print(*heavy & sys.modules.keys())"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == []


def test_an_instance_imports_what_it_uses():
    code = (
        "import sys, manyscale.hosting.muscle;"
        "idle = {'libmuscle.manager.manager', 'libmuscle.planner', 'libmuscle.native_instantiator',"
        " 'multiprocessing', 'parsimonious', 'psutil._common', 'threadpoolctl', 'pint', 'scipy',"
        " 'numba', 'netCDF4', 'h5py', 'xarray', 'mpi4py', 'matplotlib', 'sqlite3.dump', 'click'};"
        "print(*idle & sys.modules.keys());"
        "import libmuscle; assert libmuscle.runner.run_simulation;"
        "import psutil; assert psutil.net_if_addrs()"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == []


def test_names_say_what_is_inside():
    for folder in (FRAMEWORK, PLUGINS, ROOT / "tests", ROOT / "benchmarks", ROOT / "examples"):
        for path in folder.rglob("*.py"):
            assert path.stem not in NO_NAMES, path


def test_files_stay_readable():
    for path in [*sources(FRAMEWORK), *sources(PLUGINS)]:
        assert len(path.read_text().splitlines()) <= 420, f"{path} holds two rooms"


def test_public_names_are_documented():
    import manyscale as ms

    page = (ROOT / "docs/reference/contract.md").read_text()
    for name in ms.__all__:
        assert f"`{name}`" in page, f"{name} is not on the contract page"
