"""What the guard takes for granted of libmuscle, and of the Pythons it runs in.

If a test here fails after an upgrade of muscle3: read what changed against the module of the
guard that the table names, adapt it, and put in the new digest.
"""

import ast
import hashlib
import importlib
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import libmuscle
import pytest

from manyscale.launching import guarding
from manyscale_guard import hook, patches, secret
from toys import guarded

LIBMUSCLE = Path(libmuscle.__file__).parent
GUARD = sorted(guarding.GUARD.rglob("*.py"))

DIGESTS = {
    "mcp.tcp_transport_server:TcpTransportServerImpl.__init__": "0c944a9b0e860646",
    "mcp.tcp_transport_server:TcpTransportServer.__init__": "f7a8edb6a35c0fc8",
    "mcp.tcp_transport_server:TcpTransportServer.get_location": "cbe8f3ddabbf7e48",
    "mcp.tcp_transport_server:TcpTransportServer._get_if_addresses": "7327b54ca8d09a6c",
    "mcp.tcp_transport_server:TcpHandler": "e8e7af2c24f05a5f",
    "mcp.tcp_transport_client:TcpTransportClient": "b3b5f325ad8915eb",
    "mcp.tcp_util": "68fb84e3b15d2388",
    "mcp.protocol:RequestType": "be0e2cba136cc36d",
    "mcp.protocol:ResponseType": "7ff3523a0d2a89fd",
    "mmp_client:MMPClient.register_instance": "1f190df281d09486",
    "mmp_client:MMPClient.request_peers": "0cebb242d7814737",
    "manager.mmp_server:MMPRequestHandler._register_instance": "7c81eb8329ec31f4",
    "manager.mmp_server:MMPRequestHandler._get_peers": "905d76384d7405b5",
    "manager.instantiator:create_instance_env": "7c46cf06f094e185",
    "native_instantiator.agent_manager:AgentManager.__init__": "e08038a4a09d6e69",
    "native_instantiator.agent_manager:AgentManager._launch_agents": "07dfd61b725f84ca",
    "native_instantiator.agent.map_client:MAPClient.__init__": "3cbcacd5bd667330",
    "native_instantiator.agent.map_client:MAPClient._call_agent_manager": "d019fea4762f755e",
    "native_instantiator.agent.map_client:MAPClient.get_command": "2d11a074234a18b0",
    "native_instantiator.process_manager:ProcessManager": "a09edabbba532ad4",
    "native_instantiator.agent.__main__:Agent.run": "ff8e3f94f7ec1530",
}
SPEAKING = {  # modules of libmuscle that open, or hand on, sockets and processes
    "mcp/tcp_transport_client.py": {"socket"},
    "mcp/tcp_transport_server.py": {"socket", "socketserver"},
    "mcp/tcp_util.py": {"socket"},
    "mark.py": {"socket"},
    "native_instantiator/agent_manager.py": {"subprocess"},
    "native_instantiator/agent/__main__.py": {"socket"},  # its name only
    "native_instantiator/global_resources.py": {"socket"},  # its name only
    "native_instantiator/process_manager.py": {"subprocess"},
    "native_instantiator/slurm.py": {"subprocess"},
}


def found(place):
    module, _, path = place.partition(":")
    here = importlib.import_module(f"libmuscle.{module}")
    for part in filter(None, path.split(".")):
        here = getattr(here, part)
    return here


@pytest.mark.parametrize("place", DIGESTS)
def test_what_the_guard_was_read_against_is_unchanged(place):
    digest = hashlib.sha256(inspect.getsource(found(place)).encode()).hexdigest()[:16]
    assert digest == DIGESTS[place], (
        f"libmuscle {libmuscle.__version__} has another {place}: read it against the guard"
        f" (manyscale_guard/patches.py), then put {digest} here"
    )


@pytest.mark.parametrize("table", [patches.TABLE, patches.SPARED], ids=["needed", "spared"])
def test_every_name_in_the_tables_is_there(table):
    modules = {name.module for name in table}
    assert modules <= hook.WATCHED
    assert [patches.missing(importlib.import_module(name), table) for name in modules] == [
        None for _ in modules
    ]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_libmuscle_has_no_other_door():
    doors = {
        "socket",
        "socketserver",
        "asyncio",
        "subprocess",
        "http",
        "xmlrpc",
        "ssl",
        "selectors",
    }
    speaking = {}
    for path in LIBMUSCLE.rglob("*.py"):
        used = doors & {name.partition(".")[0] for name in imports(path)}
        if used and not {"test", "pytest"} & set(path.relative_to(LIBMUSCLE).parts):
            speaking[str(path.relative_to(LIBMUSCLE))] = used
    assert speaking == SPEAKING


@pytest.mark.parametrize("path", GUARD, ids=lambda path: path.stem)
def test_the_guard_needs_only_an_old_python(path):
    ast.parse(path.read_text(), feature_version=(3, 9))
    if path.stem == "sitecustomize":
        ast.parse(path.read_text(), feature_version=(3, 4))
    roots = {name.partition(".")[0] for name in imports(path)}
    # what speaks for a foreign program runs beside libmuscle
    beside = {"libmuscle", "msgpack"} if path.stem in ("frames", "patches", "relay") else set()
    assert roots <= set(sys.stdlib_module_names) | {"manyscale_guard"} | beside


def pythons(version):
    """Interpreters of a version that are here and start."""
    places = Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
    for place in filter(None, [shutil.which(f"python{version}"), *places]):
        done = subprocess.run([place, "-c", "pass"], capture_output=True, timeout=60)
        if done.returncode == 0:
            yield str(place)


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.8", "3.9", "3.10", "3.12", "3.13"])
def test_other_pythons_start_as_ever(version):
    other = next(pythons(version), None)
    if other is None:
        pytest.skip(f"there is no python{version}")
    told = {"PYTHONPATH": str(guarding.GUARD), "MANYSCALE_GUARD": "fd:100"}
    told["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [other, "-c", "import sys; print('manyscale_guard' in sys.modules)"]
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=60)
    old = tuple(map(int, version.split("."))) < (3, 9)
    assert (done.stdout.strip(), done.stderr) == (str(not old), "")


def started(code, folder=None, **told):
    """Run code in a Python of a run; what it printed and said, and its exit code."""
    path = [str(guarding.GUARD), *([str(folder)] if folder else [])]
    environment = {"PATH": os.environ["PATH"], "MANYSCALE_GUARD": "fd:100"} | told
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.strip(), done.stderr.strip(), done.returncode


def test_who_does_not_import_libmuscle_pays_nothing():
    code = "import sys; print(*sorted(n for n in sys.modules if n.startswith('manyscale_guard')))"
    out, err, _ = started(code)
    assert (out, err) == ("manyscale_guard manyscale_guard.hook", "")
    light = (
        "import sys; print(*{'typing', 'socket', 'hmac', 'json', 'ctypes'} & sys.modules.keys())"
    )
    assert started(light)[0] == ""


def test_without_a_run_libmuscle_is_left_alone():
    code = (
        "import sys, libmuscle;"
        "from libmuscle.mcp.tcp_transport_server import TcpTransportServerImpl as S;"
        "print(S.__init__.__module__, 'manyscale_guard' in sys.modules)"
    )
    out, _, _ = started(code, MANYSCALE_GUARD="")
    assert out == "libmuscle.mcp.tcp_transport_server False"


def test_a_hidden_sitecustomize_runs_too(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("WORD = 'hidden'\n")
    out, err, _ = started("import sitecustomize as s; print(s.WORD, s.__file__)", tmp_path)
    assert (out, err) == (f"hidden {tmp_path}/sitecustomize.py", "")


def test_a_guard_that_cannot_start_lets_nothing_else_start(tmp_path):
    broken = shutil.copytree(guarding.GUARD, tmp_path / "guard")
    (broken / "manyscale_guard/hook.py").write_text("raise OSError('no disk')\n")
    done = subprocess.run(
        [sys.executable, "-c", "print('went on')"],
        env={"MANYSCALE_GUARD": "fd:100", "PYTHONPATH": str(broken)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == ("", 1)
    assert done.stderr.strip().endswith("manyscale guard: OSError: no disk")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Another libmuscle, to be tampered with."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("test", "__pycache__")
    shutil.copytree(LIBMUSCLE, folder / "libmuscle", ignore=ignored)
    return folder


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        (
            "mcp/tcp_transport_server.py",
            "_get_if_addresses",
            "_addresses",
            "libmuscle.mcp.tcp_transport_server: TcpTransportServer._get_if_addresses is missing",
        ),
        (
            "mcp/tcp_transport_client.py",
            "def _connect(self, address: str)",
            "def _connect(self, address: str, more: int = 0)",
            "libmuscle.mcp.tcp_transport_client: TcpTransportClient._connect takes other arguments",
        ),
        ("version.py", 'version("muscle3")', '"0.12.0"', "only 0.11.* is known"),
    ],
)
def test_an_unknown_libmuscle_is_refused(copy, file, old, new, why):
    path = copy / "libmuscle" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    try:
        out, err, code = started("import libmuscle; print('went on')", copy)
    finally:
        path.write_text(text)
    assert (out, code) == ("", 1)
    assert err.startswith("manyscale guard: libmuscle 0.1")
    assert err.splitlines()[-1].endswith(f"{why}; install muscle3>=0.11,<0.12.")


def test_libmuscle_with_another_transport_is_refused(copy):
    """Modules that were to be patched have gone: nothing is guarded, and so nothing starts."""
    init = copy / "libmuscle/__init__.py"
    text = init.read_text()
    init.write_text("")
    try:
        out, err, code = started("import libmuscle; print('went on')", copy)
    finally:
        init.write_text(text)
    assert (out, code) == ("", 1)
    assert "it has no libmuscle.mcp.tcp_transport_server" in err


@pytest.mark.parametrize("more", ["", ", more: int = 0"], ids=["known", "unknown"])
def test_what_is_only_quicker_is_left_alone_where_it_is_unknown(copy, more):
    path = copy / "libmuscle/manager/mmp_server.py"
    text = path.read_text()
    old = "def _get_peers(self, instance_id: str"
    assert old in text
    path.write_text(text.replace(old, old + more))
    code = (
        "import logging; logging.basicConfig(level='INFO');"
        "from libmuscle.manager.mmp_server import MMPRequestHandler as H;"
        "print(H._get_peers.__module__)"
    )
    try:
        out, err, exit_code = started(code, copy)
    finally:
        path.write_text(text)
    assert exit_code == 0
    assert out == ("libmuscle.manager.mmp_server" if more else "manyscale_guard.arrivals")
    assert ("is left as it is: MMPRequestHandler._get_peers takes other" in err) == bool(more)


def test_both_sides_name_a_secret_alike():
    assert guarding.name_of(bytes(32)) == secret.name_of(bytes(32))
    assert guarded.guarding.GUARD.joinpath("sitecustomize.py").is_file()
