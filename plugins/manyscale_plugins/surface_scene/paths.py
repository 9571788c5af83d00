"""Paths of the files of a scene, and what a misspelt one may mean."""

import difflib
import os

SHIPPED = "shipped"
"""Stands for the files of the scene that comes with the model."""
_FOLDER = os.path.join(os.path.dirname(__file__), "scene")
_NAMES = {"coarse": "lst_500m.tif", "fine": "surface_30m.tif", "truth": "truth_30m.tif"}


def shipped(which: str) -> str:
    """Return the path of a file of the shipped scene: coarse, fine or truth."""
    return os.path.join(_FOLDER, _NAMES[which])


def paths(files: str) -> list[str]:
    """Return the words of a setting that names files."""
    return [word for word in map(str.strip, files.split(";")) if word]


def nearby(path: str) -> str:
    """Return `; did you mean ...?` if a file of a similar name lies where one is missing."""
    folder = os.path.dirname(path) or "."
    names = os.listdir(folder) if os.path.isdir(folder) else []
    close = difflib.get_close_matches(os.path.basename(path), names, 1)
    return f"; did you mean {os.path.join(folder, close[0])}?" if close else ""
