"""Rows of cells to regrid between."""

import numpy as np

from manyscale.bridges.regrid import kernel, overlaps


def random_edges(cells, rng):
    return np.concatenate([[0.0], np.sort(rng.random(cells - 1)), [1.0]])


def even(cells):
    return np.linspace(0.0, 1.0, cells + 1)


def pairs(source, target):
    return [overlaps.overlap(a, b) for a, b in zip(source, target, strict=True)]


def volumes(edges):
    return kernel.outer([np.diff(e) for e in edges])


def put(values, source, target, mask=None, **rule):
    return kernel.regrid(values, pairs(source, target), kernel.Rule(**rule), mask)
