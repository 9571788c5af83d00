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
    return word[:-2] + word[-1] + word[-2] if word[-1] != word[-2] else word + "e"


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
    for sender, receiver in pairs(models(document)[0]):
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


def pairs(model):
    """Every conduit as sender and receiver; those of one sender to several one by one."""
    return [
        (sender, receiver)
        for sender, some in model["conduits"].items()
        for receiver in ([some] if isinstance(some, str) else some)
    ]


def led(model, sender, receiver, to):
    """The conduit from sender to receiver leads elsewhere, or nowhere."""
    some = model["conduits"][sender]
    rest = [to if one == receiver else one for one in ([some] if isinstance(some, str) else some)]
    rest = [one for one in rest if one]
    if not rest:
        model["conduits"].pop(sender)
    else:
        model["conduits"][sender] = rest[0] if len(rest) == 1 else rest


def of_conduit(mutant, sender, receiver, document):
    yield mutant(f"no {sender} {receiver}", lambda d, m: led(m, sender, receiver, ""))
    yield mutant(
        f"{sender} misspelt", lambda d, m: renamed(m["conduits"], sender, misspelt(sender))
    )
    yield mutant(f"{receiver} misspelt", lambda d, m: led(m, sender, receiver, misspelt(receiver)))
    for word in ("last", "repeat", "pad"):
        yield mutant(
            f"{sender} {word} {receiver}",
            lambda d, m, w=word: led(m, sender, receiver, f"{w} {receiver}"),
        )
    if " " in receiver:
        bare = receiver.split()[-1]
        yield mutant(f"{sender} no filter", lambda d, m: led(m, sender, receiver, bare))
    for other, there in pairs(models(document)[0]):
        if other > sender:
            yield mutant(
                f"{sender} {receiver} and {other} {there} crossed",
                lambda d, m, o=other, t=there: (
                    led(m, sender, receiver, t),
                    led(m, o, t, receiver),
                ),
            )
    yield mutant(
        f"{sender} {receiver} turned round",
        lambda d, m: (
            led(m, sender, receiver, ""),
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
        yield mutant(f"{key}[9]", lambda d, m: renamed(d["settings"], key, f"{owner}[9].{name}"))
    for other in ("many", True, "5 candela", -1.0e30, [[1.0]]):
        if type(other) is not type(value):
            yield mutant(f"{key} = {other}", lambda d, m, o=other: d["settings"].update({key: o}))


def of_contracts(document):
    """Contracts in which one field of a connected port is something else."""
    (model,) = models(document)
    known = {entry.model.name: entry for entry in registry.load()}
    ends = {end.split()[-1] for pair in pairs(model) for end in pair}
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
    wires = [(sender, receiver.split()[-1]) for sender, receiver in pairs(model)]
    found = set()
    for sender, receiver in wires:
        if end not in (sender, receiver):
            continue
        other = receiver if end == sender else sender
        found |= set(fields_of(model, known, other))
        owner = other.split(".")[0]
        if port_of(model, known, other).like:  # it is compared with what its other ports carry
            ends = {e for pair in wires if owner in {w.split(".")[0] for w in pair} for e in pair}
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
