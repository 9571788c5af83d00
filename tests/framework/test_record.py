"""What is recorded can be opened with units and coordinates."""

import numpy as np
import pytest
import xarray as xr

import manyscale as ms
from manyscale import Field
from manyscale.contract.recording import ports_to_record
from manyscale.results.record import Recorder, open_record


class Source(ms.ScaleModel):
    """Shows fields of every kind."""

    front = ms.O_I(
        slots=True,
        c=Field("concentration", "mol/m3", "z"),
        z=Field("length", "m", "z"),
        n=Field("count", dtype="int64"),
        note=Field("identity", dtype="str"),
        on=Field("count", "1", "z", dtype="bool"),
    )
    end = ms.O_F(x=Field("number", "1", "a=3 b"), wild=Field("number", "1", "..."))
    inward = ms.S(x=Field("number"))


def message(time, slot):
    z = np.linspace(0.0, 1.0, 4)
    return {"c": z * time + slot, "z": z, "n": slot, "note": f"s{slot}", "on": z > 0.5}


def test_rows_slots_units_and_coordinates(tmp_path):
    path = tmp_path / "record.nc"
    recorder = Recorder(path, Source, "source", frozenset({"front", "end"}))
    for time in (0.0, 0.5):
        recorder.take("front", time, [message(time, 0), message(time, 1)])
    # readable before it is closed: a killed run keeps what it had
    assert open_record(path, "front").sizes["time"] == 2
    recorder.take("end", 1.0, [{"x": np.ones((3, 2)), "wild": np.zeros((2, 2))}])
    recorder.take("end", 2.0, [{"x": np.ones((3, 4)), "wild": np.zeros((2, 2))}])
    recorder.close()
    front = open_record(path, "front")
    assert front.c.dims == ("time", "slot", "z")
    assert front.c.attrs == {"units": "mol/m3", "long_name": "concentration"}
    np.testing.assert_array_equal(front.z, np.linspace(0.0, 1.0, 4))
    assert front.time.attrs["units"] == "s"
    assert float(front.c.sel(time=0.5, slot=1, z=1.0)) == 1.5
    assert front.note.values[1, 1] == "s1"
    assert front.on.values[0, 0].tolist() == [0, 0, 1, 1]
    end = open_record(path, "end")
    assert end.x.shape == (2, 3, 4)
    assert np.isnan(end.x.values[0, 0, 2:]).all()
    tree = xr.open_datatree(path, decode_times=False)
    assert tree.attrs["instance"] == "source"
    tree.close()


class Moving(ms.ScaleModel):
    """Has a coordinate that moves and a field that is not always there."""

    out = ms.O_F(
        x=Field("length", "m", "x"),
        c=Field("concentration", "mol/m3", "x"),
        n=Field("count", "1", "x", dtype="int64", optional=True),
    )


def test_moving_coordinates_and_late_fields_are_kept(tmp_path):
    recorder = Recorder(tmp_path / "record.nc", Moving, "moving", frozenset({"out"}))
    x = np.arange(3.0)
    recorder.take("out", 0.0, [{"x": x, "c": x}])
    recorder.take("out", 1.0, [{"x": x + 10.0, "c": x, "n": np.arange(3)}])
    recorder.take("out", 2.0, [{"x": x, "c": x, "n": np.arange(2, 4)}])
    recorder.close()
    out = open_record(tmp_path / "record.nc", "out")
    np.testing.assert_array_equal(out.x, x)
    np.testing.assert_array_equal(out.x_moved[1], x + 10.0)
    np.testing.assert_array_equal(out.n[1], [0, 1, 2])
    assert np.isnan(out.n[0]).all()
    assert np.isnan(out.n[2, 2])


def test_a_store_is_not_overwritten(tmp_path):
    (tmp_path / "record.nc").write_text("precious")
    with pytest.raises(ms.Refused, match="recordings are not overwritten"):
        Recorder(tmp_path / "record.nc", Source, "source", frozenset())
    assert (tmp_path / "record.nc").read_text() == "precious"


def test_only_sending_ports_are_recorded():
    assert ports_to_record(Source, "front; end", "s") == {"front", "end"}
    assert ports_to_record(Source, "", "s") == frozenset()
    with pytest.raises(ms.Refused, match="'inward', which is no sending port"):
        ports_to_record(Source, "inward", "s")


class Sparse(ms.ScaleModel):
    """Has fields on free axes that need not come."""

    out = ms.O_F(
        always=Field("number", "1", "x"),
        wide=Field("number", "1", "a b", optional=True),
        mask=Field("count", "1", "x", dtype="bool", optional=True),
        word=Field("identity", dtype="str", optional=True),
    )


def test_fields_that_stay_away_read_as_gaps_to_the_end(tmp_path):
    recorder = Recorder(tmp_path / "record.nc", Sparse, "sparse", frozenset({"out"}))
    first = {"always": np.ones(3), "wide": np.ones((70, 2)), "mask": np.ones(3, bool), "word": "a"}
    recorder.take("out", 0.0, [first])
    for row in range(1, 6):
        if row == 3:
            recorder.copy(tmp_path / "copy.nc")
        recorder.take("out", float(row), [{"always": np.full(5, 2.0)}])  # x has grown
    recorder.close()
    out = open_record(tmp_path / "record.nc", "out")
    assert (out.always[0, :3] == 1.0).all()
    assert np.isnan(out.always[0, 3:]).all()
    assert (out.always[1:] == 2.0).all()
    assert (out.wide[0] == 1.0).all()
    assert np.isnan(out.wide[1:]).all()
    assert (out.mask[0, :3] == 1).all()
    assert np.isnan(out.mask[0, 3:]).all()
    assert np.isnan(out.mask[1:]).all()
    assert out.word.values.tolist() == ["a", "", "", "", "", ""]


def test_a_record_that_is_missing_or_damaged_is_refused(tmp_path):
    recorder = Recorder(tmp_path / "record.nc", Source, "source", frozenset({"front"}))
    with pytest.raises(ms.Refused, match=r"other\.nc cannot be read .* resume from an older"):
        recorder.take_over(tmp_path / "other.nc")
    (tmp_path / "other.nc").write_text("no netCDF")
    with pytest.raises(ms.Refused, match=r"other\.nc cannot be read .* resume from an older"):
        recorder.take_over(tmp_path / "other.nc")
    recorder.close()
    recorder.close()


def test_a_record_of_ports_that_are_gone_goes_on(tmp_path):
    before = Recorder(tmp_path / "before.nc", Sparse, "s", frozenset({"out"}))
    before.take("out", 0.0, [{"always": np.ones(3)}])
    before.close()
    now = Recorder(tmp_path / "record.nc", Source, "s", frozenset({"front"}))
    now.take_over(tmp_path / "before.nc")
    now.take("front", 1.0, [message(1.0, 0)])
    now.close()
    assert open_record(tmp_path / "record.nc", "out").sizes["time"] == 1
    assert open_record(tmp_path / "record.nc", "front").sizes["time"] == 1
