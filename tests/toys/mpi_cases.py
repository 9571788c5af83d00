"""What ranks owe one another, one function each: `mpirun -n 3 python -m toys.mpi_cases`.

Every case runs on all ranks; the root prints what failed where, as JSON.
"""

import json
import sys
import traceback

import numpy as np

import manyscale as ms
from manyscale import Field, block

LENGTH = 9  # two layers at least on each of four ranks


class Toy(ms.ScaleModel):
    """Ports for messages of every kind."""

    near = ms.F_INIT(
        whole=Field("number", "1", "x y z", held=ms.REPLICATED),
        point=Field("number", "1", "...", held=ms.REPLICATED),
        name=Field("identity", "1", dtype="str", held=ms.REPLICATED),
        rows=Field("number", "1", "y x z", held=block("x", halo=1)),
        flags=Field("number", "1", "x", dtype="bool", held=block("x")),
        little=Field("number", "1", "few", dtype="int32", held=block("few")),
        secret=Field("number", "1", "x"),
    )
    far = ms.S(slots=True, optional=True, u=Field("number", "1", "u", held=ms.REPLICATED))
    on_mesh = ms.S(
        mesh_value=Field(
            "number", "1", "x", mesh="grid", location="cell", held=block("x"), optional=True
        )
    )
    told = ms.O_F(
        rows=Field("number", "1", "y x z", held=block("x")),
        some=Field("number", "1", "x", held=block("x"), optional=True),
        root=Field("number", "1", optional=True),
    )
    grid = ms.Mesh("rectilinear", axes="x")


def whole(*shape, dtype="float64"):
    return (np.arange(np.prod(shape)).reshape(shape) * 7 % 11).astype(dtype)


def refused(call, *arguments):
    try:
        call(*arguments)
    except ms.Refused as exc:
        return str(exc)
    raise AssertionError("nothing was refused")


def case_sums(spread):
    view = spread.view
    n = view.size
    assert view.sum(view.rank + 1) == n * (n + 1) // 2
    assert type(view.sum(2)) is int
    assert type(view.sum(0.5)) is float
    assert view.sum(True) == n
    assert view.sum(np.array([True, False])).tolist() == [n, 0]
    assert view.sum(np.float32(0.5)).dtype == np.float32
    turned = np.ones((2, 3), np.int32).T
    np.testing.assert_array_equal(view.sum(turned), np.full((3, 2), n, np.int32))


def case_blocks_are_gathered_along_any_axis(spread):
    view = spread.view
    for dtype in ("float64", "float32", "int64", "int32", "bool", "complex128"):
        for axis in (0, 1, 2, -1):
            full = whole(4, 5, 6, dtype=dtype)
            mine = np.moveaxis(np.moveaxis(full, axis, 0)[view.block(full.shape[axis])], 0, axis)
            found = view.gathered(mine, axis)
            assert (found is not None) == view.root
            if found is not None:
                assert found.flags.c_contiguous
                assert found.dtype == full.dtype
                np.testing.assert_array_equal(found, full)


def case_empty_blocks_are_gathered(spread):
    view = spread.view
    for shape in ((2,), (2, 3), (0, 3), (2, 0)):
        found = view.gathered(whole(*shape)[view.block(shape[0])])
        if found is not None:
            np.testing.assert_array_equal(found, whole(*shape))


def case_blocks_that_do_not_join_are_refused_everywhere(spread):
    view = spread.view
    other = np.zeros(2, np.int64 if view.rank == 1 else np.float64)
    assert "float64 (2,), int64 (2,)" in refused(view.gathered, other)
    assert "do not join along axis 0" in refused(view.gathered, np.zeros((2, 3 + view.rank)))
    assert "do not join" in refused(view.gathered, np.zeros((1,) * (1 + (view.rank == 1))))


def case_halos_are_exchanged(spread):
    view = spread.view
    for axis, halo, dtype in ((0, 1, "float64"), (1, 2, "bool"), (-1, 2, "int32"), (0, 0, "int64")):
        full = whole(LENGTH, LENGTH, dtype=dtype)
        moved = np.moveaxis(full, axis, 0)
        own = view.block(LENGTH)
        mine = np.moveaxis(moved[own], 0, axis)
        around = np.moveaxis(moved[view.block(LENGTH, halo)], 0, axis)
        np.testing.assert_array_equal(view.exchanged(mine, axis, halo), around)
        turning = np.moveaxis(moved[np.arange(own.start - halo, own.stop + halo) % LENGTH], 0, axis)
        np.testing.assert_array_equal(view.exchanged(mine, axis, halo, periodic=True), turning)


def case_a_block_thinner_than_its_halo_is_refused(spread):
    sentence = refused(spread.view.exchanged, np.zeros((3, 1)), 1, 2)
    assert "holds 1 layers along axis 1 and its neighbours want 2; use fewer ranks" in sentence


def near(spread):
    """The message the root receives."""
    if not spread.root:
        return []
    fields = {
        "whole": np.asfortranarray(whole(2, 3, 4)),
        "point": np.array(2.5),
        "name": "copper",
        "rows": whole(3, LENGTH, 2)[::-1],
        "flags": whole(LENGTH, dtype="bool"),
        "little": whole(2, dtype="int32"),
        "secret": whole(LENGTH),
    }
    return [ms.Contact(1.5, 2.5, fields, 3, 4)]


def case_messages_are_shared_as_declared(spread):
    view = spread.view
    (found,) = spread.spread(Toy.ports["near"], near(spread))
    assert (found.time, found.next_time, found.window, found.iteration) == (1.5, 2.5, 3, 4)
    assert found.whole.flags.f_contiguous
    np.testing.assert_array_equal(found.whole, whole(2, 3, 4))
    assert found.point.shape == ()
    assert found.point == 2.5
    assert found.name == "copper"
    np.testing.assert_array_equal(
        found.rows, whole(3, LENGTH, 2)[::-1][:, view.block(LENGTH, halo=1)]
    )
    np.testing.assert_array_equal(found.flags, whole(LENGTH, dtype="bool")[view.block(LENGTH)])
    np.testing.assert_array_equal(found.little, whole(2, dtype="int32")[view.block(2)])
    assert ("secret" in found.fields) == spread.root


def case_slots_and_nothing_are_shared(spread):
    port = Toy.ports["far"]
    contacts = [ms.Contact(0.0, None, {"u": whole(n)}) if n else None for n in (3, 0, 5)]
    found = spread.spread(port, contacts if spread.root else [])
    assert found[1] is None
    np.testing.assert_array_equal(found[2].u, whole(5))
    assert spread.spread(port, []) == []
    assert spread.spread(Toy.ports["on_mesh"], [None] if spread.root else []) == [None]


def case_geometry_is_told_once(spread):
    shape = ms.grid(x=np.arange(LENGTH + 1.0))
    for _ in range(2):
        contacts = []
        if spread.root:
            fields = {"mesh_value": whole(LENGTH)}
            contacts = [ms.Contact(0.0, None, fields, meshes={"grid": shape})]
        (found,) = spread.spread(Toy.ports["on_mesh"], contacts)
        assert found.meshes["grid"].hash == shape.hash
        np.testing.assert_array_equal(
            found.meshes["grid"].arrays["edges_x"], np.arange(LENGTH + 1.0)
        )
    assert len(spread._geometry) == 1


def case_messages_are_joined(spread):
    view, port = spread.view, Toy.ports["told"]
    full = whole(3, LENGTH, 2)
    message = {"rows": full[:, view.block(LENGTH)]} | ({"root": 1.0} if spread.root else {})
    found = spread.collect(port, [message, message])
    assert (found is not None) == spread.root
    for part in found or []:
        np.testing.assert_array_equal(part["rows"], full)
        assert part["root"] == 1.0
        assert "some" not in part
    assert spread.collect(port, [None]) == ([None] if spread.root else None)


def case_a_field_of_some_ranks_is_refused_everywhere(spread):
    view = spread.view
    message = {"rows": np.zeros((1, 1, 1))} | ({} if view.rank == 1 else {"some": np.zeros(1)})
    sentence = refused(spread.collect, Toy.ports["told"], [message])
    assert f"told.some lies in blocks and only {view.size - 1} of {view.size} ranks" in sentence


def case_long_words_arrive(spread):
    word = {"text": "x" * 2_000_000, "numbers": [1, 2.5, True, None]}
    assert spread.tell(word if spread.root else None) == word


def main():
    from manyscale.hosting.mpi import world

    spread = world()
    failed = {}
    for name in CASES:
        try:
            globals()[name](spread)
        except BaseException:
            failed[name] = f"rank {spread.view.rank}: {traceback.format_exc()}"
    every = spread.view.comm.gather(failed)
    if every is not None:
        print(json.dumps({name: text for one in reversed(every) for name, text in one.items()}))


CASES = [name for name in globals() if name.startswith("case_")]

if __name__ == "__main__":
    sys.exit(main())
