"""A site profile starts single components in its own way: modules, environments, images."""

import os

import pytest

from faults.runs import Launched, spec
from manyscale import testing
from manyscale.coupling.prove import prove
from manyscale.launching import slurm
from manyscale.launching.site import ProgramSite, Site
from manyscale.testing.couple import run_with_muscle


def at_site(folder, **programs):
    """A coupling of two and the overlay of a site."""
    made = spec(folder)
    graph = prove([made]).graph
    known = {node.name: graph.programs[node.program] for node in graph.nodes.values()}
    return [made, *slurm.site_programs(known, Site(programs=programs), folder, graph.name)]


def test_the_overlay_is_a_spec_that_holds(tmp_path):
    wanted = ProgramSite(modules=("GCC", "OpenMPI"), virtual_env=str(tmp_path))
    graph = prove(at_site(tmp_path, a=wanted)).graph
    program = graph.programs[graph.nodes["a"].program]
    assert program.modules == ["GCC", "OpenMPI"]
    assert program.virtual_env == tmp_path
    assert graph.nodes["a"].contract is not None
    assert graph.nodes["b"].program == "program_of_b"


@pytest.mark.coupled
def test_a_component_in_an_image_carries_the_guard(tmp_path):
    """A stand-in for apptainer takes its options and starts what is in the image."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    stub = bin_ / "apptainer"
    stub.write_text(
        '#!/bin/bash\n[ "$1" = exec ] && [ "$2" = --nv ] && [ "$3" = some.sif ] || exit 9\n'
        f'echo "$@" > {tmp_path}/called\nshift 3; shift\nexec {os.sys.executable} "$@"\n'
    )
    stub.chmod(0o755)
    wanted = ProgramSite(image="some.sif", apptainer=("--nv",))
    files = at_site(tmp_path, a=wanted)
    path = f"{bin_}:{os.environ['PATH']}"
    launched = Launched(files, tmp_path / "run", "--no-check", environment={"PATH": path})
    assert launched.end() == 0, launched.errors
    assert "manyscale.hosting.muscle" in (tmp_path / "called").read_text()
    plain = run_with_muscle(spec(tmp_path / "plain"), tmp_path / "alone")
    assert not testing.differences(plain, tmp_path / "run")
