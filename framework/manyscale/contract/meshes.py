"""Meshes: the geometry fields live on, sent once per change and referenced by hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from manyscale.contract.fields import Array
from manyscale.contract.refusal import Refused


@dataclass(frozen=True)
class Mesh:
    """Declaration of a geometry a model's fields live on.

    `axes` names the axes of a regular grid in array order; `crs` the coordinate reference
    system of geographic data.
    """

    kind: Literal["rectilinear", "unstructured"]
    axes: str = ""
    crs: str = ""


@dataclass(frozen=True)
class Geometry:
    """The arrays of a mesh.

    rectilinear: `edges_<axis>` (n + 1,) in m for each axis. unstructured: `points`
    (point, dimension) in m and `cells` (cell, vertex) int64 of one cell type.
    """

    kind: str
    arrays: Mapping[str, Array]
    cell_type: str = ""
    crs: str = ""

    @cached_property
    def hash(self) -> str:
        """Content hash, the same on every host."""
        digest = hashlib.blake2b(
            repr((self.kind, self.cell_type, self.crs)).encode(), digest_size=16
        )
        for name, array in sorted(self.arrays.items()):
            digest.update(repr((name, array.dtype.str, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def to_wire(self) -> dict[str, Any]:
        """Return what travels in an envelope."""
        return {
            "kind": self.kind,
            "cell_type": self.cell_type,
            "crs": self.crs,
            "arrays": dict(self.arrays),
        }

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> Geometry:
        """Read an envelope's geometry back."""
        arrays = {n: getattr(a, "array", a) for n, a in wire["arrays"].items()}
        return cls(wire["kind"], arrays, wire["cell_type"], wire["crs"])


def grid(crs: str = "", **edges: Array) -> Geometry:
    """Return a rectilinear grid from its edges, `grid(x=..., y=...)`, each (n + 1,) ascending.

    Raises `Refused` if edges are not ascending.
    """
    for axis, values in edges.items():
        if np.ndim(values) != 1 or len(values) < 2 or not (np.diff(values) > 0).all():
            raise Refused(f"The edges of axis {axis} are not two or more ascending numbers.")
    return Geometry("rectilinear", {f"edges_{a}": np.asarray(e) for a, e in edges.items()}, crs=crs)
