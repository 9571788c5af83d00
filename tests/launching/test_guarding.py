"""How a run's secret reaches its processes, what they see of the environment, what is told."""

import json
import os
import subprocess
import sys

import pytest

from manyscale.launching import guarding
from toys import guarded
from toys.guarded import secret_of, value_of

SAY = (
    "from manyscale_guard.secret import secret, descriptors; import hashlib;"
    "print(hashlib.sha256(secret()).hexdigest(), *descriptors())"
)


def told_by(secret, environment, *command, passed=None):
    """What a process prints about the secret that reached it; what it says; its exit code."""
    done = subprocess.run(
        command or [sys.executable, "-c", SAY],
        env=environment,
        pass_fds=secret.descriptors if passed is None else passed,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.strip(), done.stderr.strip(), done.returncode


def digest(value):
    import hashlib

    return hashlib.sha256(value).hexdigest()


def test_a_descriptor_carries_the_secret(tmp_path):
    with secret_of(tmp_path) as secret:
        (number,) = secret.descriptors
        assert number >= 100
        environment = guarding.environment(secret, tmp_path)
        assert told_by(secret, environment)[0] == f"{digest(value_of(secret))} {number}"
        with pytest.raises(PermissionError):
            os.pwrite(number, b"other", 0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.pread(number, 1, 0)


def test_no_two_runs_have_the_same_secret(tmp_path):
    with secret_of(tmp_path) as one, secret_of(tmp_path) as other:
        assert value_of(one) != value_of(other)
        assert one.name != other.name


# launchers of MPI close the descriptors that they do not know
BETWEEN = (
    "import os, subprocess, sys;"
    "os.close(int(sys.argv[1])); {0};"
    "sys.exit(subprocess.call([sys.executable, '-c', sys.argv[2]], close_fds={1}))"
)


@pytest.mark.parametrize(
    ("meanwhile", "close"),
    [
        ("pass", True),
        # another file has come to the number meanwhile
        ("os.dup2(os.open('/dev/zero', os.O_RDONLY), int(sys.argv[1]))", False),
        ("os.dup2(os.pipe()[0], int(sys.argv[1]))", False),
    ],
)
def test_a_closed_descriptor_is_found_with_an_ancestor(tmp_path, meanwhile, close):
    with secret_of(tmp_path) as secret:
        (number,) = secret.descriptors
        between = BETWEEN.format(meanwhile, close)
        outer = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:], close_fds=False))"
        inner = [sys.executable, "-c", between, str(number), SAY]
        environment = guarding.environment(secret, tmp_path)
        out, err, _ = told_by(secret, environment, sys.executable, "-c", outer, *inner)
        assert out.split()[0] == digest(value_of(secret)), err


def test_the_secret_of_another_run_is_noticed(tmp_path):
    with secret_of(tmp_path) as secret, secret_of(tmp_path / "other") as other:
        environment = guarding.environment(secret, tmp_path) | {"MANYSCALE_GUARD": other.where}
        out, err, code = told_by(other, environment)
    assert (out, code) == ("", 1)
    assert err.startswith("manyscale guard: the run's secret did not reach this process")


def test_a_process_without_the_secret_ends(tmp_path):
    with secret_of(tmp_path) as secret:
        environment = guarding.environment(secret, tmp_path) | {"MANYSCALE_GUARD": "fd:9999"}
        assert told_by(secret, environment)[2] == 1
        environment["MANYSCALE_GUARD"] = "word"
        assert "names no secret" in told_by(secret, environment)[1]
    assert all(refusal.fatal for refusal in guarding.refusals(tmp_path))


def test_a_file_carries_the_secret_to_other_nodes(tmp_path):
    with secret_of(tmp_path, shared=True) as secret:
        path = tmp_path / ".guard"
        assert secret.where == f"file:{path}"
        assert guarding.secrets(tmp_path) == [path]
        assert path.stat().st_mode & 0o777 == 0o600
        environment = guarding.environment(secret, tmp_path)
        assert told_by(secret, environment)[0] == digest(path.read_bytes())
        with pytest.raises(FileExistsError):
            guarding.make_secret(tmp_path, shared=True)
    assert guarding.secrets(tmp_path) == []


def by_group(path):
    path.chmod(0o640)


def by_all(path):
    path.chmod(0o604)


def a_link(path):
    path.rename(path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))


def another_owner(path):
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(path, 12345, -1)


def a_pipe(path):
    path.unlink()
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("wrong", [by_group, by_all, a_link, another_owner, a_pipe, os.unlink])
def test_a_file_that_others_may_have_seen_is_refused(tmp_path, wrong):
    with secret_of(tmp_path, shared=True) as secret:
        wrong(tmp_path / ".guard")
        out, err, code = told_by(secret, guarding.environment(secret, tmp_path))
    assert (out, code) == ("", 1)
    said = "is not a file that only its owner" if wrong not in (a_link, os.unlink) else "be read: "
    assert said in err


def test_only_what_components_need_is_passed_on(tmp_path):
    base = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "SLURM_JOB_ID": "7",
        "BASH_FUNC_module%%": "() { :; }",
        "AWS_SECRET_ACCESS_KEY": "x",
        "SSH_AUTH_SOCK": "x",
        "GITHUB_TOKEN": "x",
        "SLURM_JWT": "x",
        "PYTHON_API_KEY": "x",
        "MY_LICENCE": "here",
        "MY_TOKEN": "there",
        "MANYSCALE_FARM": "4",
        "MANYSCALE_GUARD": "fd:3",
        "SLURM_EXPORT_ENV": "NONE",
    }
    least = {"PATH", "LC_ALL", "SLURM_JOB_ID", "BASH_FUNC_module%%", "MANYSCALE_FARM"}
    assert guarding.allowed(base).keys() == least
    assert guarding.allowed(base, ["MY_*"]).keys() == least | {"MY_LICENCE", "MY_TOKEN"}
    assert guarding.allowed(base, ["MANYSCALE_GUARD"]).keys() == least
    with secret_of(tmp_path) as secret:
        found = guarding.environment(secret, tmp_path, base=base, foreign=["a", "b"], lease=5.0)
    assert found["MANYSCALE_FOREIGN"] == "a,b"
    assert found["MANYSCALE_LEASE"] == "5"
    assert found["MANYSCALE_GUARD"].startswith("fd:1")
    assert found["PYTHONPATH"] == str(guarding.GUARD)
    assert "MANYSCALE_FRAME_LIMIT" not in found


def test_the_guard_comes_first_on_the_path(tmp_path):
    base = {"PYTHONPATH": f"/mine:{guarding.GUARD}:/yours"}
    with secret_of(tmp_path) as secret:
        found = guarding.environment(secret, tmp_path, base=base)
    assert found["PYTHONPATH"] == f"{guarding.GUARD}:/mine:/yours"


def test_every_name_that_is_passed_on_says_why():
    assert all(why for why in guarding.ALLOWED.values())


def test_refusals_are_read_whole_and_in_order(tmp_path):
    one = {
        "time": 2.0, "host": "n1", "process": 1, "listener": "", "reason": "silent",
        "detail": "0 of 8 bytes", "address": "10.0.0.7:99", "user": 4321, "pid": None,
        "command": "", "instance": "", "manager": "", "ours": False, "later": "unknown",
    }  # fmt: skip
    two = one | {"time": 1.0, "reason": "proof", "pid": 7, "command": "nc", "user": os.geteuid()}
    (tmp_path / "guard.n1.jsonl").write_text(json.dumps(one) + '\n{"time": 3.0, "ho')
    (tmp_path / "guard.n2.jsonl").write_text(json.dumps(two) + "\n")
    first, second = guarding.refusals(tmp_path)
    assert first.sentence().startswith("process 7 (nc) at 10.0.0.7:99 on n1 could not prove")
    assert second.sentence() == (
        "somebody of user 4321 at 10.0.0.7:99 on n1 did not prove itself in time and was refused:"
        " 0 of 8 bytes."
    )
    assert not first.fatal
    assert guarding.refusals(tmp_path / "none") == []


def test_the_guard_is_found_where_it_is_installed():
    assert (guarding.GUARD / "manyscale_guard/hook.py").is_file()
    assert guarded.guarding is guarding
