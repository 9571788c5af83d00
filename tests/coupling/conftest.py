"""Specs of these tests say `executable: python`; they mean the one that runs the tests."""

import os
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def our_python_first(monkeypatch):
    ours = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{ours}{os.pathsep}{os.environ.get('PATH', '')}")
    for name in ("SLURM_JOB_ID", "LOADEDMODULES"):
        monkeypatch.delenv(name, raising=False)
