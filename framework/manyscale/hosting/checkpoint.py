"""Snapshots of an instance: everything it needs to go on, in one file that is whole or not there.

libmuscle keeps its own small snapshot of message counts; ours lies beside it and is named and
sealed in it. MessagePack and bytes only, nothing that could run when it is read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from manyscale.contract.meshes import Geometry
from manyscale.contract.model import ScaleModel
from manyscale.contract.refusal import Refused
from manyscale.contract.state import pack, packed_value, unpack, unpacked_value
from manyscale.hosting.door import Envelope, GeometryStore
from manyscale.hosting.memory import Memory, Progress
from manyscale.hosting.plug import Plug
from manyscale.results.record import Recorder

FORMAT = 1
REQUEST = "snapshot_request"  # in the run directory: a simulated time in s
SUFFIX, ENGINE = ".state", ".engine"
_PIECE = 2**26  # bytes written and hashed at a time


def pack_progress(model: type[ScaleModel], progress: Progress, plug: Plug) -> dict[str, Any]:
    """Return where an instance stands as plain data."""
    memory = progress.memory
    return {
        "format": FORMAT,
        "model": model.name,
        "state_version": model.state_version,
        "now": progress.now,
        "state": _packed(progress.state),
        "committed": _packed(memory.committed),
        "trial": _packed(memory.trial),
        "envelope": list(progress.envelope),
        "remembered": list(memory.envelope),
        "tries": list(progress.tries),
        "turns": plug.turns,
        "carried": plug.carried,
        "geometry": {
            port: {key: packed_geometry(shape) for key, shape in store.known.items()}
            for port, store in plug.geometry.items()
            if store.known
        },
    }


def _packed(state: Any) -> bytes | None:
    return None if state is None else pack(state)


def packed_geometry(shape: Geometry) -> dict[str, Any]:
    """Return a geometry as msgpack carries it."""
    wire = shape.to_wire()
    arrays = {n: packed_value(n, np.asarray(a)) for n, a in shape.arrays.items()}
    return {**wire, "arrays": arrays}


def unpack_progress(model: type[ScaleModel], data: Mapping[str, Any], plug: Plug) -> Progress:
    """Return where an instance stood, and give its plug the geometries it knew.

    Raises `Refused` for a snapshot of another model, format or state that cannot be migrated.
    """
    if data.get("format") != FORMAT or data.get("model") != model.name:
        raise Refused(
            f"The snapshot is of {data.get('model')!r} in format {data.get('format')!r},"
            f" expected {model.name!r} in format {FORMAT}; resume with the spec it was made with."
        )
    version = int(data["state_version"])

    def state(name: str) -> Any:
        return None if data[name] is None else _state(model, version, data[name])

    memory = Memory(state("committed"), state("trial"), Envelope(*data["remembered"]))
    plug.turns = data["turns"]
    for port, fields in data["carried"].items():
        plug.carried.setdefault(port, {}).update({n: tuple(kind) for n, kind in fields.items()})
    for port, shapes in data["geometry"].items():
        known = {key: unpacked_geometry(shape) for key, shape in shapes.items()}
        plug.geometry[port] = GeometryStore(known=known)
    engine = Path(data["engine"]) if "engine" in data else None
    came, tries = Envelope(*data["envelope"]), Envelope(*data["tries"])
    return Progress(state("state"), data["now"], memory, came, tries, engine)


def unpacked_geometry(data: Mapping[str, Any]) -> Geometry:
    """Return the geometry that `packed_geometry` packed."""
    arrays = {name: unpacked_value(array) for name, array in data["arrays"].items()}
    return Geometry.from_wire({**data, "arrays": arrays})


def _state(model: type[ScaleModel], version: int, data: bytes) -> Any:
    member = getattr(model, "Member", None)
    if version == model.state_version:
        return unpack(model.State, data, member)
    return unpack(model.State, data, member, lambda old: model.migrate(version, old))


def write(path: Path, data: Mapping[str, Any]) -> str:
    """Write a snapshot file whole or not at all; return its checksum."""
    digest = hashlib.blake2b(digest_size=16)
    new = path.with_name(f".{path.name}.new")
    view = memoryview(msgpack.packb(data))
    with new.open("wb") as file:
        for start in range(0, len(view), _PIECE):
            digest.update(view[start : start + _PIECE])
            file.write(view[start : start + _PIECE])
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(path.parent)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    """Flush a file that others wrote, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path, checksum: str) -> dict[str, Any]:
    """Read a snapshot file; refuse one that is not what was written."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise Refused(f"The snapshot {path} cannot be read: {exc.strerror}.") from None
    if hashlib.blake2b(data, digest_size=16).hexdigest() != checksum:
        raise Refused(f"The snapshot {path} is damaged; resume from an older one.")
    found: dict[str, Any] = msgpack.unpackb(data, strict_map_key=False)
    return found


def save(path: Path, rank: int, data: dict[str, Any], plug: Plug) -> str:
    """Write one rank's part of a snapshot, its engine first; return the checksum."""
    if plug.engine is not None:
        file = of_rank(path, rank, ENGINE)
        new = file.with_name(f".{file.name}.new")
        plug.engine.save(new)
        data["engine"] = [file.name, _checksum(new)]
        _sync(new)
        new.replace(file)
    return write(of_rank(path, rank), data)


def load(path: Path, rank: int, checksums: Sequence[str]) -> dict[str, Any]:
    """Read one rank's part of a snapshot, and make sure that its engine's file is whole."""
    data = read(of_rank(path, rank), checksums[rank])
    if "engine" in data:
        name, checksum = data["engine"]
        file = path.with_name(name)
        if not file.is_file() or _checksum(file) != checksum:
            raise Refused(f"The snapshot {file} is damaged; resume from an older one.")
        data["engine"] = str(file)
    return data


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").hexdigest()


def of_rank(path: Path, rank: int, suffix: str = SUFFIX) -> Path:
    """Return the file that one rank writes its part of a snapshot to."""
    return path.with_name(f"{path.name}.{rank}{suffix}")


def refuse_other(seal: Any, ranks: int) -> None:
    """Refuse a snapshot of another framework or of another number of ranks."""
    if not isinstance(seal, dict) or "checksums" not in seal:
        raise Refused("The snapshot was not made by this framework; resume with its own spec.")
    made = len(seal["checksums"])
    if made != ranks:
        raise Refused(
            f"The snapshot was made on {made} MPI ranks, this run has {ranks}; resume with {made}."
        )


def keep_record(path: Path, recorder: Recorder | None) -> str:
    """Copy what is recorded so far beside a snapshot; return the copy's path or nothing."""
    if recorder is None:
        return ""
    copy = path.with_name(f"{path.name}.nc")
    recorder.copy(copy)
    return str(copy)


def refuse_damaged(seal: Any) -> None:
    """Refuse a snapshot of which some file is missing or not what was written."""
    refuse_other(seal, len(seal["checksums"]) if isinstance(seal, dict) else 0)
    path = Path(seal["path"])
    for rank in range(len(seal["checksums"])):
        load(path, rank, seal["checksums"])
    if seal["record"] and not Path(seal["record"]).is_file():
        raise Refused(f"The record {seal['record']} is missing; resume from an older snapshot.")
