"""Generic ports carry what their conduit carries, on every host."""

import numpy as np
import pytest

import manyscale as ms
from manyscale import testing
from manyscale.hosting.in_process import run
from manyscale.results.record import open_record
from manyscale.testing import Component
from toys import generic

PARTS = {
    "source": Component("toys.generic:Source"),
    "twice": Component("toys.generic:Twice"),
    "sink": Component("toys.generic:Sink"),
}
WIRES = {"source.out": "twice.field_in", "twice.field_out": "sink.came"}
SETTINGS = {"twice.record": "field_out", "sink.record": "seen"}


def spec_of(folder, **settings):
    return testing.write_spec(folder, PARTS, WIRES, {**SETTINGS, **settings})


def test_fields_pass_with_names_units_and_kinds(tmp_path):
    out = run(spec_of(tmp_path), record=["sink.seen"], folder=tmp_path / "here")
    seen = out.recorded["sink.seen"][-1].messages[0]
    assert np.array_equal(seen["heat"], 2e3 * np.arange(6.0).reshape(2, 3))  # kJ in J
    assert seen["label"] == "slab"
    record = open_record(tmp_path / "here/twice/record.nc", "field_out")
    assert record["heat"].attrs["units"] == "kJ"
    assert record["heat"].shape == (1, 2, 3)


@pytest.mark.coupled
def test_both_hosts_record_the_same(tmp_path):
    spec = spec_of(tmp_path)
    testing.run_in_process(spec, tmp_path / "here")
    testing.run_with_muscle(spec, tmp_path / "muscle")
    assert not testing.differences(tmp_path / "here", tmp_path / "muscle")


def test_what_never_came_cannot_be_sent(tmp_path):
    with pytest.raises(ms.Refused, match=r"field 'haet' is none of those that came. Did you mean"):
        run(spec_of(tmp_path, **{"twice.wrong_name": True}))


def test_a_unit_of_another_dimension_is_found_before_launch(tmp_path):
    parts = {**PARTS, "sink": Component("toys.generic:ColdSink")}
    spec = testing.write_spec(tmp_path, parts, WIRES, SETTINGS)
    with pytest.raises(ms.Refused, match=r"MS302|MS303"):
        run(spec)


def test_extensive_fields_are_told(tmp_path):
    states = run(spec_of(tmp_path)).states
    assert states["twice"].extensive == "heat"
    assert isinstance(states["twice"], generic.Twice.State)
