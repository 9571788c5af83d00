"""Flow in an elastic tube: iterations against a published log, results against the whole tube."""

import math
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

import manyscale as ms
from manyscale.hosting.in_process import run
from manyscale.launching import snapshots
from manyscale.launching.local import command, launch
from manyscale.testing import differences
from manyscale_plugins.tube_flow import kernel, monolithic
from manyscale_plugins.tube_wall import kernel as wall

SPEC = Path(__file__).parents[2] / "coupling_specs/elastic_tube"
FILES = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]
LIMIT = 300.0  # s
R0 = 1.0 / math.sqrt(math.pi)
C = wall.wave_speed(1e4, 1.0, R0, 1.0)

# settings of the published log, in which the first guess is the window before
PUBLISHED = {"relaxation.omega0": 0.01, "relaxation.predict": "constant"}
IN_ALL, FIRST = 857, 20
# pressure [Pa] at the outlet, from the watch point published beside the log, by window
OUTLET = {10: 100.0476232, 25: -172.7314874, 50: 34.7998462, 75: 173.9012200, 100: -26.5048649}


def inlet(time):
    return 10.0 + 3.0 * math.sin(10.0 * math.pi * time)


def whole_tube(windows=100):
    tube = monolithic.Whole(0.1, 0.01, 1.0, C, 1.0)
    found = np.array(list(monolithic.march(tube, inlet, 101, windows)))
    return found[:, 0], found[:, 1]


def iterations(out):
    return out.states["relaxation"].iterations


@pytest.fixture(scope="module")
def shipped():
    """The spec as it is, in this process, with all tries of the flow recorded."""
    return run(SPEC, record=["flow.flow_out"])


@pytest.fixture(scope="module")
def published():
    return run(SPEC, PUBLISHED)


def test_iterations_of_the_published_log(published):
    counts = iterations(published)
    assert counts.sum() == pytest.approx(IN_ALL, abs=30)
    assert counts[0] == FIRST
    # 11, 10, 8, 8 in the log
    np.testing.assert_array_equal(counts[1:5], [11, 10, 8, 8])


def test_the_default_needs_fewer(shipped, published):
    assert iterations(shipped).sum() <= 750
    assert iterations(shipped).sum() < 0.9 * iterations(published).sum()


def test_a_quadratic_first_guess_needs_fewer_still():
    assert iterations(run(SPEC, {"relaxation.predict": "quadratic"})).sum() <= 650


@pytest.mark.nightly
def test_iterations_without_columns_of_earlier_windows():
    counts = iterations(run(SPEC, PUBLISHED | {"relaxation.reuse": 0}))
    assert counts.sum() == pytest.approx(2117, rel=0.1)


def test_dynamic_relaxation_alone_needs_many():
    slow = PUBLISHED | {"relaxation.method": "aitken"}
    with pytest.raises(ms.Refused, match=r"no agreement in window 0: .* after 40 evaluations"):
        run(SPEC, slow)
    counts = iterations(run(SPEC, slow | {"relaxation.max_iter": 100, "relaxation.windows": 10}))
    assert counts.mean() == pytest.approx(64.0, rel=0.1)


def test_plain_iteration_fails_in_the_first_window():
    plain = {"relaxation.method": "fixed", "relaxation.omega0": 1.0}
    with pytest.raises(ms.Refused, match=r"flow \(f_init at t = 0 s\): the flow was not found"):
        run(SPEC, plain)


class Peer:
    """Quasi-Newton steps by least squares, written apart: newest columns first, QR filter."""

    def __init__(self, reuse=8, most=50, eps=1e-3, omega=0.01):
        self.reuse, self.most, self.eps, self.omega = reuse, most, eps, omega
        self.columns = []  # (window, difference of residuals, difference of images), newest first
        self.last = None

    def learn(self, window, r, image):
        if self.last is not None and self.last[0] == window:
            self.columns.insert(0, (window, r - self.last[1], image - self.last[2]))
            del self.columns[self.most :]
        self.last = (window, r, image)

    def forget(self, window):
        self.columns = [c for c in self.columns if c[0] > window - self.reuse]

    def next(self, x, r, image):
        self.columns = self._filtered()
        if not self.columns:
            return x + self.omega * r
        V, W = (np.array([c[i] for c in self.columns]).T for i in (1, 2))
        return image + W @ np.linalg.lstsq(V, -r, rcond=None)[0]

    def _filtered(self):
        basis, kept = np.empty((0, 101)), []
        for column in self.columns:
            v = column[1]
            for _ in range(2):
                v = v - basis.T @ (basis @ v)
            if np.linalg.norm(v) > self.eps * np.linalg.norm(column[1]):
                basis = np.vstack((basis, v / np.linalg.norm(v)))
                kept.append(column)
        return kept


def driven(peer, windows=100):
    """Iterations per window of the kernels of flow and wall, under a peer."""
    tube, counts = kernel.Tube(0.1, 0.01, 1.0, C), []
    old = kernel.Flow(np.full(101, 10.0), np.zeros(101), np.ones(101))
    x, p = old.area, old.pressure
    for window in range(windows):
        tried, over = 0, False
        while not over:
            flow = kernel.advance(tube, old, x, inlet(0.01 * (window + 1)))
            image = wall.cross_section(flow.pressure, R0, C, 1.0)
            r, change, p = image - x, flow.pressure - p, flow.pressure
            peer.learn(window, r, image)
            tried += 1
            over = all(
                np.linalg.norm(d) <= 1e-5 * np.linalg.norm(y) for d, y in ((r, image), (change, p))
            )
            x = image if over else peer.next(x, r, image)
        counts.append(tried)
        peer.forget(window)
        # as published: the wall's last word is the cross-section the next step begins with
        old = kernel.Flow(flow.velocity, p, image)
    return np.array(counts)


def test_another_implementation_counts_the_same(published):
    found = driven(Peer())
    assert found.sum() == pytest.approx(IN_ALL, abs=30)
    assert found[0] == FIRST
    assert found.sum() == pytest.approx(iterations(published).sum(), abs=15)
    # this one drops a filtered column for good, so windows differ by an iteration now and then
    np.testing.assert_array_equal(found[:5], iterations(published)[:5])
    assert np.abs(found - iterations(published)).mean() < 1.0


@pytest.mark.nightly
def test_another_implementation_without_reuse():
    assert driven(Peer(reuse=0)).sum() == pytest.approx(2117, rel=0.1)


def last_tries(out):
    shown = out.recorded["flow.flow_out"]
    last = np.cumsum(iterations(out)) - 1
    return [
        np.array([shown[i].messages[0][name] for i in last])
        for name in ("velocity", "pressure", "cross_section")
    ]


def far(found, whole):
    return (np.linalg.norm(found - whole, axis=1) / np.linalg.norm(whole, axis=1)).max()


def test_all_windows_equal_the_tube_solved_as_a_whole(shipped):
    velocity, pressure, section = last_tries(shipped)
    whole_velocity, whole_pressure = whole_tube()
    sections = monolithic.area_of(monolithic.Whole(0.1, 0.01, 1.0, C, 1.0), whole_pressure)
    assert far(velocity, whole_velocity) < 1e-5
    assert far(section, sections) < 1e-5
    # rtol bounds the change of the last iteration; its error is a small multiple
    assert far(pressure, whole_pressure) < 3e-5


def test_pressure_at_the_outlet_is_the_published_one(shipped):
    found, (_, whole) = last_tries(shipped)[1][:, -1], whole_tube()
    for window, value in OUTLET.items():
        # both stop at 1e-5 of the pressure's norm, about 100 Pa per node
        assert found[window - 1] == pytest.approx(value, abs=0.01)
        assert whole[window - 1, -1] == pytest.approx(value, abs=0.01)


def test_the_distance_from_the_whole_tube_follows_the_tolerance():
    strict = {"relaxation.rtol": 1e-9, "relaxation.windows": 20}
    out = run(SPEC, strict, record=["flow.flow_out"])
    velocity, pressure, _ = last_tries(out)
    whole_velocity, whole_pressure = whole_tube(20)
    assert far(velocity, whole_velocity) < 1e-9
    assert far(pressure, whole_pressure) < 3e-9


def with_a_manager(folder, *, windows):
    """The three files and a shorter run, with MUSCLE3 alone."""
    manager = shutil.which("muscle_manager", path=str(Path(sys.executable).parent))
    folder.mkdir()
    fewer = folder.parent / f"{windows}.ymmsl"
    fewer.write_text(f"ymmsl_version: v0.2\nsettings:\n  relaxation.windows: {windows}\n")
    words = [manager, "--start-all", "--run-dir", folder, *FILES, fewer]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, cwd=folder.parent)
    assert done.returncode == 0, done.stderr


@pytest.mark.coupled
@pytest.mark.parametrize("windows", [10, pytest.param(100, marks=pytest.mark.nightly)])
def test_plain_muscle_manager_and_this_process_give_the_same_bits(tmp_path, windows):
    with_a_manager(tmp_path / "plain", windows=windows)
    run(SPEC, {"relaxation.windows": windows}, folder=tmp_path / "here")
    assert differences(tmp_path / "plain", tmp_path / "here") == []
    assert len(list((tmp_path / "here").rglob("record.nc"))) == 3


def killed_after(files, folder, sets):
    """Run until so many snapshots are there, then kill the manager and all it started."""
    folder.mkdir()
    with (folder / "output.txt").open("w") as log:
        manager = subprocess.Popen(command(files, folder), stdout=log, stderr=log)
    deadline = time.monotonic() + LIMIT
    while len(snapshots.sets(folder)) < sets and manager.poll() is None:
        assert time.monotonic() < deadline, "no snapshot in time"
        time.sleep(0.001)
    for process in [*psutil.Process(manager.pid).children(recursive=True), manager]:
        process.kill()
    manager.wait()


@pytest.mark.coupled
@pytest.mark.nightly
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    rules = tmp_path / "rules.ymmsl"
    rules.write_text(
        "ymmsl_version: v0.2\ncheckpoints:\n  at_end: true\n  simulation_time:\n  - every: 0.05\n"
    )
    whole, killed, resumed = (tmp_path / name for name in ("whole", "killed", "resumed"))
    with_a_manager(whole, windows=100)
    killed_after([*FILES, rules], killed, sets=4)
    resumed.mkdir()
    launch([*FILES, rules, snapshots.newest(killed)], resumed, time_limit=LIMIT)
    assert differences(whole, resumed) == []


@pytest.mark.coupled
@pytest.mark.parametrize("windows", [10, pytest.param(100, marks=pytest.mark.nightly)])
def test_manyscale_run_ends_with_table_and_figure(tmp_path, windows):
    words = [sys.executable, "-m", "manyscale.cli", "run", SPEC, "--run-dir", tmp_path / "run"]
    words += ["--set", f"relaxation.windows={windows}"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "OFF" not in done.stdout
    # three rows against the monolithic tube; four of the published outlet in a whole run
    assert done.stdout.count(" ok ") == (7 if windows == 100 else 3)
    assert (tmp_path / "run/figure.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"wall.nodes": 51}, r"MS307 error: .*flow.nodes = 101 and wall.nodes = 51"),
        ({"flow.dt": 0.02}, "stands at t = 0.02 s, but was asked for a step from t = 0.01 s"),
        ({"relaxation.watch": "presure"}, "without 'presure', named by watch"),
        ({"wall.young_modulus": 100.0}, "the tube bursts at 2 rho c\\^2 = 177.245 Pa"),
    ],
)
def test_what_cannot_be_coupled_is_refused(settings, says):
    with pytest.raises(ms.Refused, match=says):
        run(SPEC, settings)
