"""Every shipped system gives the same bits, whichever way its messages travel."""

import pytest
import yaml

from coupling.test_mutants import SPECS, whole
from manyscale import testing
from manyscale.launching.local import launch

pytestmark = [pytest.mark.coupled, pytest.mark.nightly]
TIME_LIMIT = 400.0  # s for one run
WAYS = {"fast": "fast", "each layer but the ring": "payload,lean", "no segments": "ring,spin,lean"}


@pytest.mark.parametrize("name", SPECS)
def test_a_shipped_system_gives_the_bits_of_stock(name, tmp_path, monkeypatch):
    monkeypatch.chdir(SPECS[name])  # where input files are
    spec = tmp_path / "whole.ymmsl"
    spec.write_text(yaml.safe_dump(whole(SPECS[name]), sort_keys=False))
    runs = {}
    for way, layers in {"stock": "stock", **WAYS}.items():
        runs[way] = tmp_path / way.replace(" ", "_")
        runs[way].mkdir()
        launch([spec], runs[way], time_limit=TIME_LIMIT, messages=layers)
    for way in WAYS:
        assert testing.differences(runs["stock"], runs[way]) == [], way
