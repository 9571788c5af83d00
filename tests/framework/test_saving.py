"""When instances save: sets fit together however often a window is repeated."""

import inspect
import re
from pathlib import Path

import libmuscle
import pytest
import yaml

from manyscale.hosting.saving import Saving
from manyscale.launching import snapshots
from manyscale.launching.local import launch

SPEC = Path(__file__).parents[2] / "coupling_specs/heat_slabs"
FILES = [SPEC / f"{part}.ymmsl" for part in ("model", "settings", "laptop")]


def overlay(path, **sections):
    path.write_text(yaml.safe_dump({"ymmsl_version": "v0.2", **sections}))
    return path


@pytest.mark.coupled
def test_a_chain_inside_an_iteration_saves_at_one_exchange(tmp_path):
    """The second solver of a window is given its end as time stamp, a window early."""
    rules = {"at_end": True, "simulation_time": [{"at": [63.7, 120.0]}]}
    extra = overlay(tmp_path / "c.ymmsl", checkpoints=rules, settings={"interface.windows": 20})
    run = tmp_path / "run"
    run.mkdir()
    launch([*FILES, extra], run, time_limit=120.0)
    texts = [path.read_text() for path in snapshots.sets(run)]
    inner = [text for text in texts if "Intermediate" in text]
    # tidying keeps two sets: that of the end, and the later of the two in the middle
    assert inner, texts
    times = [float(t) for t in re.findall(r"^ +(?:interface|steel|rubber) +(\S+)", inner[-1], re.M)]
    assert times == [120.0] * 3


def test_what_is_used_of_libmuscle_is_there():
    """Names that no documentation promises; another version of libmuscle may not have them."""
    manager = libmuscle.checkpoint_triggers.TriggerManager
    for name in ("elapsed_walltime", "should_save_final_snapshot", "should_save_snapshot"):
        assert callable(getattr(manager, name))
    lines = inspect.getsource(manager)
    for name in ("_has_checkpoints", "_nextsim", "_sim = Combined", "_last_triggers"):
        assert f"self.{name}" in lines
    # the clock is read right before the decision, and nowhere between
    decision = lines[lines.index("def __should_save") :]
    assert decision.index("elapsed_walltime()") < decision.index("simulation_time >= self._nextsim")
    assert "self._f_init_cache" in inspect.getsource(libmuscle.Instance)
    triggers = inspect.getsource(libmuscle.checkpoint_triggers.CombinedCheckpointTriggers)
    assert "self._triggers" in triggers


def test_a_mark_is_newer_each_time_even_if_no_simulated_time_passes():
    saving = Saving.__new__(Saving)
    saving._mark = None
    marks = []
    for moment in (0.0, 0.0, 0.0, 5.0, 4.0):
        saving._mark = saving._newer(moment)
        marks.append(saving._mark)
    assert marks == sorted(set(marks))
    assert marks[3] == 5.0
