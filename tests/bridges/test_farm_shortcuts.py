"""Cache, surrogate and fidelities: fewer members compute, and answers say how sure they are."""

import os
import subprocess
import sys

import numpy as np
import pytest

import manyscale as ms
from manyscale.bridges.farm import call as calls
from manyscale.bridges.farm import farm
from manyscale.bridges.farm.cache import Store
from toys.called import call
from toys.farmed import Creep, Dice, Fragile, wave


def jobs(x, time=0.0, **more):
    return {"jobs_in": {"member": np.arange(len(x)), "x": np.asarray(x, float), **more}}, time


def waves(feed, **settings):
    sent, _ = call(farm(wave)(workers=1, **settings), feed)
    return [one["results_out"] for one in sent]


def test_a_hit_is_bitwise_the_computation(tmp_path):
    x = np.random.default_rng(0).random(20)
    feed = [jobs(x), jobs(x[::-1], 1.0), jobs(np.r_[x[:3], 2.0], 2.0)]
    plain, cached = waves(feed), waves(feed, cache="on")
    for one, other in zip(plain, cached, strict=True):
        assert one["y"].tobytes() == other["y"].tobytes()
        assert one["count"].tobytes() == other["count"].tobytes()
    assert [[*one["provenance"]] for one in cached] == [[0] * 20, [1] * 20, [1, 1, 1, 0]]


def test_settings_and_held_messages_are_part_of_the_key(tmp_path):
    file = str(tmp_path / "answers")
    first = waves([jobs([0.5])], cache="on", cache_file=file)
    other = waves([jobs([0.5])], cache="on", cache_file=file, amplitude=2.0)
    again = waves([jobs([0.5])], cache="on", cache_file=file)
    assert [one[0]["provenance"][0] for one in (first, other, again)] == [0, 0, 1]
    assert other[0]["y"][0] != first[0]["y"][0] == again[0]["y"][0]


def test_random_members_have_the_seed_in_their_key():
    feed = [({"jobs_in": {"member": np.array(ids), "mean": np.zeros(2)}}, float(k))
            for k, ids in enumerate([[1, 2], [2, 3], [1, 2]])]  # fmt: skip
    plain, _ = call(farm(Dice)(), feed)
    cached, _ = call(farm(Dice)(cache="on", ignore_time=True), feed)
    for one, other in zip(plain, cached, strict=True):
        assert one["results_out"]["value"].tobytes() == other["results_out"]["value"].tobytes()
    assert [[*one["results_out"]["provenance"]] for one in cached] == [[0, 0], [1, 0], [1, 1]]


def test_the_time_is_part_of_the_key_unless_it_does_not_matter():
    feed = [
        ({"jobs_in": {"member": np.array([1]), "mean": np.zeros(1)}}, t) for t in (0.0, 1.0, 1.0)
    ]
    sent, _ = call(farm(Dice)(cache="on"), feed)
    assert [one["results_out"]["provenance"][0] for one in sent] == [0, 0, 1]


def test_rounded_inputs_are_what_members_compute_with():
    found = waves([jobs([0.4999, 0.5001, 0.52])], cache="on", cache_step="x 0.01")[0]
    assert found["y"][0] == found["y"][1] == wave_of(0.5)
    assert found["y"][2] == wave_of(0.52)


def wave_of(x):
    return float(np.sin(8.0 * x)) + x * x


@pytest.mark.parametrize("damage", ["cut", "flipped", "garbage"])
def test_a_damaged_file_loses_only_what_was_damaged(tmp_path, capfd, damage):
    file = tmp_path / "answers"
    x = np.linspace(0.0, 1.0, 10)
    whole = waves([jobs(x)], cache="on", cache_file=str(file))[0]
    data = file.read_bytes()
    if damage == "cut":
        file.write_bytes(data[:-7])
    elif damage == "flipped":
        middle = len(data) // 2
        file.write_bytes(data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :])
    else:
        file.write_bytes(b"nonsense" + data)
    found = waves([jobs(x)], cache="on", cache_file=str(file))[0]
    assert found["y"].tobytes() == whole["y"].tobytes()
    assert found["provenance"].sum() == (10 if damage == "garbage" else 9)
    assert "damaged bytes; they are left out" in capfd.readouterr().err
    # the file was mended, and what was computed again is in it
    found = waves([jobs(x)], cache="on", cache_file=str(file))[0]
    assert found["provenance"].sum() == 10
    assert "damaged" not in capfd.readouterr().err


def test_a_store_forgets_what_was_not_used_for_longest():
    store = Store(300)
    for k in range(5):
        store.put(bytes([k]) * 16, bytes(50))
        store.get(bytes(16))
    assert store.get(bytes(16)) is not None
    assert store.get(bytes([1]) * 16) is None
    assert store.get(bytes([4]) * 16) is not None


def test_two_runs_may_write_one_file(tmp_path):
    file = tmp_path / "answers"
    code = (
        "import sys; from pathlib import Path; from manyscale.bridges.farm.cache import Store\n"
        "s = Store(10**9, Path(sys.argv[1]))\n"
        "for k in range(200):\n"
        "    s.put(bytes([int(sys.argv[2]), k]) * 8, bytes(1000)); s.flush()"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, str(file), str(i)], env=os.environ)
            for i in range(3)]  # fmt: skip
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    store = Store(10**9, file)
    assert len(store) == 600
    assert not store.notices


@pytest.mark.parametrize(
    ("model", "settings", "sentence"),
    [
        (Creep, {"cache": "on"}, "creep keeps its state between calls"),
        (Creep, {"surrogate": "on", "sur_tol": 1.0}, "creep keeps its state between calls"),
        (wave, {"surrogate": "on"}, "give sur_tol"),
        (Dice, {"surrogate": "on", "sur_tol": 1.0}, r"\(autonomous\); set ignore_time"),
        (wave, {"input_scale": "z 1"}, "no field is called 'z'. Known are: x"),
        (wave, {"input_scale": "x -1"}, "'x -1' gives no positive amount"),
        (wave, {"input_scale": "x"}, "'x' gives no positive amount"),
        (Creep, {"output_scale": "stress 1 K"}, "cannot become 'Pa'"),
    ],
)
def test_shortcuts_that_do_not_fit_are_refused(model, settings, sentence):
    with pytest.raises(ms.Refused, match=sentence):
        farm(model)(**settings)


def test_amounts_are_converted_to_the_unit_of_the_field():
    assert farm(Creep)(output_scale="stress 2 MPa").scales_of_answers() == {
        "stress_out.stress": 2e6
    }


def test_a_surrogate_is_within_its_tolerance_with_few_calls():
    x = np.random.default_rng(0).random(1000)
    found = waves([jobs(x)], surrogate="on", sur_tol=1e-3, recheck=0.0)[0]
    error = np.abs(found["y"] - np.sin(8.0 * x) - x * x)
    asked = found["provenance"] == calls.SURROGATE
    assert (~asked).sum() <= 25
    assert error.max() <= 1e-3
    assert 0.90 <= (error <= found["err"])[asked].mean() <= 0.99


def test_a_surrogate_learns_from_call_to_call_and_computes_outside():
    x = np.random.default_rng(1).random(60)
    found = waves(
        [jobs(x), jobs(x + 1e-3), jobs([0.5, 3.0])], surrogate="on", sur_tol=1e-2, recheck=0.0
    )
    computed = [(one["provenance"] == 0).sum() for one in found]
    assert computed[1] <= 3
    assert [*found[2]["provenance"]] == [3, 0]
    assert found[2]["y"][1] == wave_of(3.0)
    assert found[1]["count"].dtype == np.int64


def test_a_surrogate_that_is_checked_and_found_wrong_takes_care():
    # a narrow peak that the first points miss
    x = np.random.default_rng(2).random(400)
    settings = {"surrogate": "on", "sur_tol": 0.05, "trouble_at": 9.0}
    sent, _ = call(farm(Fragile)(workers=1, recheck=0.3, **settings), [jobs(x)])
    found = sent[0]["results_out"]
    assert 0.2 < (found["provenance"] == 0).mean() < 0.4


def test_a_surrogate_refuses_noise():
    feed = [({"jobs_in": {"member": np.arange(9), "mean": np.linspace(0, 1, 9)}}, 0.0)]
    with pytest.raises(ms.Refused, match="dice draws random numbers, which a surrogate would hide"):
        call(farm(Dice)(surrogate="on", sur_tol=1.0, ignore_time=True), feed)


def test_members_may_have_other_settings():
    found = waves([jobs([0.1, 0.1, 0.1], fidelity=np.array([0, 1, 2], np.int32))],
                  fidelities="amplitude=2.0; amplitude=0")[0]  # fmt: skip
    assert np.allclose(found["y"] - 0.01, np.sin(0.8) * np.array([1.0, 2.0, 0.0]))


def test_a_farm_behind_a_farm_passes_on_where_inputs_came_from():
    before = {"provenance": np.array([0, 2, 3], np.int32), "err": np.array([0.0, 0.1, 0.2])}
    found = waves([jobs([0.1, 0.2, 0.3], **before)], lipschitz=8.0)[0]
    assert [*found["provenance"]] == [0, 2, 3]
    assert np.allclose(found["err"], [0.0, 0.8, 1.6])
