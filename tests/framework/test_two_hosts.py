"""MUSCLE3 and the in-process host give the same bits."""

import pytest

from manyscale import testing
from manyscale.testing import Component

COUPLINGS = {
    "macro_micro_repeat": (
        {
            "bulk": Component("toys.macro_micro:Bulk"),
            "core": Component("toys.macro_micro:Core", 3),
            "ruler": Component("toys.macro_micro:Ruler"),
        },
        {
            "bulk.cores": "core.initial",
            "core.final": "bulk.relaxed",
            "ruler.out": "repeat core.geometry",
        },
        {
            "core[1].diffusivity": 3e-12,
            "ruler.millimetres": 1.1e-3,
            "bulk.steps": 6,
            "bulk.record": "final; cores",
            "core.record": "final",
        },
        None,
    ),
    "pad": (
        {
            "bulk": Component("toys.macro_micro:Bulk"),
            "core": Component("toys.macro_micro:Core", 2),
            "ruler": Component("toys.macro_micro:Ruler"),
        },
        {
            "bulk.cores": "core.initial",
            "core.final": "bulk.relaxed",
            "ruler.out": "pad core.geometry",
        },
        {"ruler.millimetres": 1.3e-3, "bulk.record": "final", "core.record": "final"},
        None,
    ),
    "interact_with_units": (
        {
            "a": Component("toys.macro_micro:Body"),
            "b": Component("toys.macro_micro:CelsiusBody"),
        },
        {"a.temperature": "b.other", "b.temperature": "a.other"},
        {
            "b.start_temperature": 400.0,
            "a.noise": 0.5,
            "run_seed": 7,
            "a.record": "temperature; final",
            "b.record": "final",
        },
        {"a": "b"},
    ),
    "iterated_slabs": (
        {
            "accelerator": Component("toys.slabs:Aitken"),
            "left": Component("toys.slabs:Slab"),
            "right": Component("toys.slabs:Slab"),
        },
        {
            "accelerator.guess": "left.wall",
            "left.answer": "right.wall",
            "right.answer": "accelerator.image",
        },
        {
            "left.far": 1.0,
            "right.gives": "temperature",
            "right.k": 2.0,
            "accelerator.record": "result",
            "left.record": "answer",
        },
        None,
    ),
    "two_timelines_three_levels": (
        {
            "split": Component("toys.timelines:Split"),
            "slow": Component("toys.macro_micro:Core"),
            "meso": Component("toys.timelines:Meso"),
            "micro": Component("toys.macro_micro:Core"),
            "newest": Component("toys.macro_micro:Core"),
            "ruler": Component("toys.timelines:Rule"),
        },
        {
            "split.to_slow": "slow.initial",
            "slow.final": "split.from_slow",
            "split.to_fast": "meso.initial",
            "meso.final": "split.from_fast",
            "meso.down": ["micro.initial", "last newest.initial"],
            "micro.final": "meso.up",
            "ruler.out": ["repeat slow.geometry", "repeat repeat micro.geometry"],
        },
        {
            "micro.diffusivity": 2e-12,
            "split.record": "result; to_slow",
            "micro.record": "final",
            "newest.record": "final",
        },
        None,
    ),
    "a_sink_in_degC": (
        {
            "a": Component("toys.macro_micro:Body"),
            "b": Component("toys.macro_micro:Body"),
            "sink": Component("toys.timelines:Sink"),
        },
        {
            "a.temperature": ["b.other", "sink.heard"],
            "b.temperature": "a.other",
        },
        {"a.start_temperature": 350.0, "sink.record": "total"},
        {"a": "b sink"},
    ),
    "overlays": (
        {
            "sampler": Component("toys.timelines:Sampler"),
            "core": Component("toys.macro_micro:Core", 3),
        },
        {
            "sampler.parameters": "core.muscle_settings_in",
            "sampler.profiles": "core.initial",
            "core.final": "sampler.answers",
        },
        {"sampler.record": "mids", "core.record": "final"},
        None,
    ),
}


@pytest.mark.coupled
@pytest.mark.parametrize("name", COUPLINGS)
def test_same_bits_under_muscle_and_in_process(name, tmp_path):
    components, conduits, settings, matching = COUPLINGS[name]
    spec = testing.write_spec(tmp_path, components, conduits, settings, matching)
    testing.run_in_process(spec, tmp_path / "here")
    testing.run_with_muscle(spec, tmp_path / "muscle")
    assert testing.differences(tmp_path / "here", tmp_path / "muscle") == []
    assert list((tmp_path / "here").rglob("record.nc"))
