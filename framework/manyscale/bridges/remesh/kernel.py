"""First-order conservative maps between two meshes of convex cells of the plane."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

_FULL = 1e-9  # how much more than itself a mesh may cover before its cells overlap


@dataclass(frozen=True)
class Weights:
    """The areas that cells of two meshes have in common.

    Attributes
    ----------
    common
        Areas (target, source) in m2.
    source, target
        Areas of the cells themselves in m2.
    """

    common: csr_array
    source: Floats
    target: Floats


def read_mesh(path: str) -> tuple[Floats, Whole]:
    """Return points (p, 2) [m] and cells (c, v) of an .npz file with arrays of these names.

    Raises `ValueError` for a file that is not there or is no such mesh.
    """
    file = Path(path)
    if not file.is_absolute():
        raise ValueError(
            f"the target mesh {path!r} is no full path: components run in folders of their own"
        )
    try:
        with np.load(file, allow_pickle=False) as arrays:
            points, cells = arrays["points"], arrays["cells"]
    except (OSError, KeyError, ValueError, AttributeError, zipfile.BadZipFile) as exc:
        reason = "is not there" if not file.exists() else "is no .npz with `points` and `cells`"
        raise ValueError(f"the target mesh {path} {reason}: write it with numpy.savez") from exc
    if points.dtype.kind != "f" or cells.dtype.kind not in "iu":
        raise ValueError(
            f"the target mesh {path} has points of {points.dtype} and cells of {cells.dtype},"
            " expected float64 and int64"
        )
    return points.astype(np.float64), cells.astype(np.int64)


def weigh(source: tuple[Floats, Whole], target: tuple[Floats, Whole]) -> Weights:
    """Return the overlaps of two meshes, each points (p, 2) [m] and cells (c, v).

    Raises `ValueError` for cells that are not convex and for meshes whose cells overlap.
    """
    from manyscale.bridges.regrid import polygons

    common = polygons.overlap(*target, *source)
    found = Weights(common, polygons.areas(*source), polygons.areas(*target))
    for name, axis, own in (("source", 1, found.target), ("target", 0, found.source)):
        covered = np.asarray(common.sum(axis=axis))
        twice = covered > own * (1.0 + _FULL)
        if twice.any():
            raise ValueError(
                f"cells of the {name} mesh overlap each other: they cover a cell of the other mesh"
                f" {covered[twice][0] / own[twice][0]:.6g} times"
            )
    return found


def remap(weights: Weights, values: Floats, mask: Flags, extensive: bool, normalise: str) -> Floats:
    """Return values (target, ...) from values (source, ...); nothing comes from masked cells.

    Means are mixed by area and divided by the area covered (`fracarea`) or that of the whole cell
    (`dstarea`); totals are shared out by area. Where nothing is covered the result is 0.

    Parameters
    ----------
    values
        Values of the source cells; axes after the first are carried along.
    mask
        Source cells (source,) that do not count.
    extensive
        Whether the values are totals rather than means.
    """
    flat = np.where(mask[:, None], 0.0, values.reshape(len(values), -1))
    if extensive:
        mixed = weights.common @ (flat / weights.source[:, None])
    else:
        area = covered(weights, mask) if normalise == "fracarea" else weights.target
        mixed = (weights.common @ flat) / np.where(area > 0.0, area, 1.0)[:, None]
    return np.asarray(mixed.reshape(len(weights.target), *values.shape[1:]))


def covered(weights: Weights, mask: Flags) -> Floats:
    """Return the area (target,) [m2] that source cells that count cover of each target cell."""
    return np.asarray(weights.common @ np.where(mask, 0.0, 1.0))


def packed(weights: Weights) -> dict[str, Any]:
    """Return weights as arrays."""
    return {
        "common": weights.common.data,
        "columns": weights.common.indices.astype(np.int64),
        "ends": weights.common.indptr.astype(np.int64),
        "source_areas": weights.source,
        "target_areas": weights.target,
    }


def unpacked(arrays: dict[str, Any]) -> Weights:
    """Return weights from what `packed` made of them."""
    from scipy.sparse import csr_array

    source, target = arrays["source_areas"], arrays["target_areas"]
    parts = arrays["common"], arrays["columns"], arrays["ends"]
    return Weights(csr_array(parts, shape=(len(target), len(source))), source, target)
