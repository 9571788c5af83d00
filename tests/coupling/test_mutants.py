"""Every shipped spec, broken in every way that is easily broken: the checks see it."""

import copy
from pathlib import Path

import pytest
import yaml

from manyscale.contract.state import pack
from manyscale.coupling.load import spec_files
from manyscale.coupling.prove import diagnose
from manyscale.hosting.in_process import Network
from manyscale.registry import registry
from manyscale.registry.catalog import HOST
from toys import mutants

SPECS = {p.parent.name: p.parent for p in Path("coupling_specs").resolve().glob("*/model.ymmsl")}
SMALL = {
    "lst_downscaling": {"writer.format": "none"},
    "lst_downscaling_tiles": {"writer.format": "none"},
    "lst_diurnal": {"scene.n_fine": [34, 34], "air.t_end": 7200.0, "scene.cloud_fraction": 0.0},
    "heat_slabs": {"interface.windows": 3, "steel.cells": 20, "rubber.cells": 20},
    "phonon_film": {
        "films.thicknesses": [1e-7, 1e-6], "films.temperatures": [100.0, 300.0],
        "films.table_thickness": 1e-6, "bte.ncell": 20, "bte.n_mu": 4, "modes.n_modes": 16,
        "fourier.nz": 20, "fourier.t_end": 2.0e-3,
    },
    "phonon_film_first_principles": {
        "films.thicknesses": [1e-7, 1e-6], "bte.ncell": 20, "bte.n_mu": 4,
    },
    "phonon_hotspot": {
        "interface.windows": 2, "hotspot.nx": 8, "hotspot.ny": 8, "hotspot.n_polar": 2,
        "modes.n_modes": 8, "substrate.nz": 100, "substrate.lz": 1.0e-5,
    },
    "elastic_tube": {"nodes": 21, "relaxation.windows": 2},
    "total_variance": {"n_outer": 6, "n_inner": 3},
    "plasma_radial_scan": {
        "dispersion.drift": "none", "dispersion.nk": 12, "ion_scale.exchanges": 1,
        "ion_scale.run_length": 2e-7, "electron_scale.run_length": 1.6e-7,
        "electron_scale.dt": 4e-8, "electron_scale.noise": 1e-3,  # mutants may run far longer
    },
    "plasma_cross_scale": {
        "ion_scale.n": 32, "ion_scale.box": 32.0, "ion_scale.run_length": 2.0e-7,
        "ion_scale.exchanges": 2, "electron_scale.run_length": 2.5e-8, "samples": 5,
        "dispersion.nk": 8,
    },
    "plasma_always_on": {
        "ion_scale.n": 32, "ion_scale.box": 32.0, "ion_scale.run_length": 2.0e-7,
        "ion_scale.exchanges": 2, "electron_scale.run_length": 2.5e-8, "samples": 5,
        "dispersion.nk": 8,
    },
    "plasma_direct": {
        "both_scales.n": 32, "both_scales.box": 32.0, "both_scales.run_length": 1.0e-7,
        "both_scales.exchanges": 1, "both_scales.samples": 5, "dispersion.nk": 8,
    },
    "pipe_diffusion": {
        "nz": 16, "lz": 2.0e-7, "bulk.nx": 8, "bulk.ny": 8, "bulk.lx": 1.0e-7, "bulk.ly": 1.0e-7,
        "bulk.dt": 1.0e3, "bulk.t_end": 4.0e3, "pipe.cell_size": 1.25e-8,
        "bulk.line_xy": [[1.875e-8, 1.875e-8], [1.875e-8, 8.125e-8],
                         [8.125e-8, 1.875e-8], [8.125e-8, 8.125e-8]],
    },
}  # fmt: skip
"""Settings that make a system small enough to run for every mutant; others stay as shipped."""
SWAPPED = {"f_init": "s", "s": "f_init", "o_i": "o_f", "o_f": "o_i"}


def whole(folder):
    """One document of a spec's files, made small."""
    document = {}
    for file in spec_files([folder]):
        for key, value in yaml.safe_load(file.read_text()).items():
            if isinstance(value, dict):
                document.setdefault(key, {}).update(value)
            else:
                document[key] = value
    document["settings"].update(SMALL[folder.name])
    return document


def misspelt(word):
    if len(word) < 2 or word[-1] == word[-2]:
        return word + "e"
    return word[:-2] + word[-1] + word[-2]


def renamed(mapping, old, new):
    """The mapping with one key renamed, in the same order."""
    items = [(new if key == old else key, value) for key, value in mapping.items()]
    mapping.clear()
    mapping.update(items)


def mutations(document):
    """Yield (what, document) for every mutant."""

    def mutant(what, change):
        changed = copy.deepcopy(document)
        change(changed, *models(changed))
        return what, changed

    for name, component in models(document)[0]["components"].items():
        yield from of_component(mutant, name, component)
    for sender, receiver in wires(models(document)[0]):
        yield from of_conduit(mutant, sender, receiver, document)
    for key, value in document["settings"].items():
        yield from of_setting(mutant, key, value)
    for number in range(len(document["imports"])):
        yield mutant(f"import {number} gone", lambda d, m, n=number: d["imports"].pop(n))
        yield mutant(
            f"import {number} misspelt",
            lambda d, m, n=number: d["imports"].__setitem__(n, misspelt(d["imports"][n])),
        )
    yield from of_contracts(document)


def models(document):
    return list(document["models"].values())


def wires(model):
    """Every sender with one receiver of it, as they are written."""
    for sender, some in model["conduits"].items():
        yield from ((sender, one) for one in ([some] if isinstance(some, str) else some))


def rewired(model, sender, receiver, new):
    """Let a sender send elsewhere instead of to one of its receivers."""
    before = model["conduits"][sender]
    several = [new if one == receiver else one for one in before]
    model["conduits"][sender] = new if isinstance(before, str) else several


def of_component(mutant, name, component):
    def parts(m):
        return m["components"][name]

    yield mutant(f"{name} gone", lambda d, m: m["components"].pop(name))
    yield mutant(
        f"{name} renamed", lambda d, m: renamed(m["components"], name, misspelt(name) + "x")
    )
    yield mutant(
        f"{name} misspelt implementation",
        lambda d, m: parts(m).update(implementation=misspelt(component["implementation"])),
    )
    for entry in registry.load():
        if entry.model.name != component["implementation"]:
            other = entry.model.name
            line = f"from manyscale import implementation {other}"
            yield mutant(
                f"{name} is a {other}",
                lambda d, m, o=other, ln=line: (
                    parts(m).update(implementation=o),
                    ln in d["imports"] or d["imports"].append(ln),
                ),
            )
    for size in (2, 3, 5):
        yield mutant(f"{name} x{size}", lambda d, m, s=size: parts(m).update(multiplicity=s))
    if "multiplicity" in component:
        yield mutant(f"{name} alone", lambda d, m: parts(m).pop("multiplicity"))
    for operator, ports in component["ports"].items():
        if SWAPPED[operator] not in component["ports"]:
            yield mutant(
                f"{name} {operator} as {SWAPPED[operator]}",
                lambda d, m, o=operator: renamed(parts(m)["ports"], o, SWAPPED[o]),
            )
        yield mutant(
            f"{name} without {operator}", lambda d, m, o=operator: parts(m)["ports"].pop(o)
        )
        for port in ports.split():
            text = ports.replace(port, misspelt(port))
            yield mutant(
                f"{name}.{port} misspelt",
                lambda d, m, o=operator, t=text: parts(m)["ports"].update({o: t}),
            )


def of_conduit(mutant, sender, receiver, document):
    yield mutant(f"no {sender}", lambda d, m: m["conduits"].pop(sender))
    alone = isinstance(models(document)[0]["conduits"][sender], str)
    if not alone:
        yield mutant(
            f"{sender} not to {receiver}", lambda d, m: m["conduits"][sender].remove(receiver)
        )
    yield mutant(
        f"{sender} misspelt", lambda d, m: renamed(m["conduits"], sender, misspelt(sender))
    )
    yield mutant(
        f"{receiver} misspelt", lambda d, m: rewired(m, sender, receiver, misspelt(receiver))
    )
    for word in ("last", "repeat", "pad"):
        yield mutant(
            f"{sender} {word}",
            lambda d, m, w=word: rewired(m, sender, receiver, f"{w} {receiver}"),
        )
    if " " in receiver:
        bare = receiver.split()[-1]
        yield mutant(f"{sender} no filter", lambda d, m: rewired(m, sender, receiver, bare))
    for other, there in wires(models(document)[0]):
        if other > sender:
            yield mutant(
                f"{sender} and {other} crossed",
                lambda d, m, o=other, t=there: (
                    rewired(m, sender, receiver, t),
                    rewired(m, o, t, receiver),
                ),
            )
    yield mutant(
        f"{sender} turned round",
        lambda d, m: (
            m["conduits"].pop(sender),
            m["conduits"].update({receiver.split()[-1]: sender}),
        ),
    )


def of_setting(mutant, key, value):
    owner, _, name = key.rpartition(".")
    front = f"{owner}." if owner else ""
    yield mutant(
        f"{key} misspelt", lambda d, m: renamed(d["settings"], key, front + misspelt(name))
    )
    if owner:
        yield mutant(
            f"{key} of nobody", lambda d, m: renamed(d["settings"], key, f"{owner}x.{name}")
        )
        # one member of a set may have a setting of its own, a member that is not there may not
        yield mutant(f"{key}[99]", lambda d, m: renamed(d["settings"], key, f"{owner}[99].{name}"))
    for other in ("many", True, "5 candela", -1.0e30, [[1.0]]):
        if type(other) is not type(value):
            yield mutant(f"{key} = {other}", lambda d, m, o=other: d["settings"].update({key: o}))


def of_contracts(document):
    """Contracts in which one field of a connected port is something else."""
    (model,) = models(document)
    known = {**registry.load().farms, **registry.load().models}
    ends = {end.split()[-1] for pair in wires(model) for end in pair}
    for end in sorted(ends):
        name, port = end.split(".")
        entry = known[model["components"][name]["implementation"]]
        compared = names_beyond(model, known, end)
        for field, declared in entry.model.ports[port].fields.items():
            if field not in compared:
                continue  # nobody else says what it is
            lies = {"quantity": "luminous_flux", "unit": "cd", "dtype": "float32", "axes": "a b c"}
            for attribute, value in lies.items():
                if declared.dtype == "str" and attribute in ("dtype", "axes", "unit"):
                    continue
                if attribute == "axes" and declared.axes.partition("=")[0] == field:
                    continue  # a coordinate has no other axis
                changed = copy.deepcopy(document)
                liar = mutants.reference(port, field, attribute, value, entry.reference)
                host_by_hand(changed, name, entry.model, liar)
                yield f"{end} {field} {attribute} {value}", changed


def names_beyond(model, known, end):
    """Names of the fields that something else along the conduits of a port declares."""
    pairs = [(sender, receiver.split()[-1]) for sender, receiver in wires(model)]
    found = set()
    for sender, receiver in pairs:
        if end not in (sender, receiver):
            continue
        other = receiver if end == sender else sender
        found |= set(fields_of(model, known, other))
        owner = other.split(".")[0]
        if port_of(model, known, other).like:  # it is compared with what its other ports carry
            ends = {e for pair in pairs if owner in {w.split(".")[0] for w in pair} for e in pair}
            found |= {field for e in ends - {end} for field in fields_of(model, known, e)}
    return found


def port_of(model, known, end):
    name, port = end.split(".")
    return known[model["components"][name]["implementation"]].model.ports[port]


def fields_of(model, known, end):
    return port_of(model, known, end).fields


def host_by_hand(document, component, model, reference):
    """Let a component run a program that is written in the spec and hosts `reference`."""
    ports = {}
    for port in model.ports.values():
        ports[port.operator] = f"{ports.get(port.operator, '')} {port.name}".strip()
    document["programs"] = {
        "liar": {
            "ports": ports,
            "description": "a model whose contract tells a lie",
            "executable": "python3",
            "args": ["-m", HOST, reference],
            "keeps_state_for_next_use": "no",
        }
    }
    models(document)[0]["components"][component]["implementation"] = "liar"


def final_fields(coupling):
    """Final States of all instances as plain text, or why there are none."""
    try:
        states = Network(coupling, (), None).run().states
    except Exception as exc:
        return f"{type(exc).__name__}: {exc}"
    return {name: state and pack(state) for name, state in states.items()}


def looked_at(document, path):
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    diagnosis = diagnose([path], trusted=True, with_machine=False)
    caught = any(problem.severity != "note" for problem in diagnosis.problems)
    found = final_fields(diagnosis.coupling) if diagnosis.coupling else "unreadable"
    return caught, found


@pytest.mark.parametrize(
    "name",
    [n if n == "pipe_diffusion" else pytest.param(n, marks=pytest.mark.nightly) for n in SPECS],
)
def test_what_changes_behaviour_is_caught(name, tmp_path, capsys):
    document = whole(SPECS[name])
    caught, right = looked_at(document, tmp_path / "right.ymmsl")
    assert not caught
    assert isinstance(right, dict)
    changed, missed = 0, []
    for number, (what, mutant) in enumerate(mutations(document)):
        caught, found = looked_at(mutant, tmp_path / f"{number}.ymmsl")
        if found != right:
            changed += 1
            missed += [] if caught else [what]
    with capsys.disabled():
        print(f"\n{name}: {changed} of {number + 1} mutants change behaviour, missed: {missed}")
    assert changed >= 50
    assert len(missed) <= 0.01 * changed
