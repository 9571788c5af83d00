"""Fields are followed along conduits, through bridges and nested models, to where they differ."""

import pytest

from manyscale.coupling.prove import diagnose

HEAD = "ymmsl_version: v0.2\ndescription: Bridges in a row\nmodels:\n"
HOST = "manyscale.hosting.muscle"
ENDS = {"source": "toys.ends:Source", "drain": "toys.ends:Drain"}
BRIDGES = {
    name: f"toys.bridges:{name.capitalize()}" for name in ("bridge", "regrid", "turn", "kelvin")
}
BRIDGE = {"f_init": "field_in", "o_f": "field_out"}


def component(name, implementation, **ports):
    inside = ", ".join(f"{operator}: {names}" for operator, names in ports.items())
    return (
        f"      {name}:\n        description: One of them\n"
        f"        implementation: {implementation}\n        ports: {{{inside}}}\n"
    )


def model(name, components, conduits, ports=""):
    wires = "".join(f"      {sender}: {receiver}\n" for sender, receiver in conduits)
    inside = f"    ports: {{{ports}}}\n" if ports else ""
    return (
        f"  {name}:\n    description: A model\n{inside}    components:\n{''.join(components)}"
        f"    conduits:\n{wires}"
    )


def program(name, reference, **ports):
    inside = ", ".join(f"{operator}: {names}" for operator, names in ports.items())
    return (
        f"  {name}:\n    description: A program\n    ports: {{{inside}}}\n"
        f"    executable: python\n    args: -m {HOST} {reference}\n"
    )


def row(out, bridges, into, settings=""):
    """Source, bridges one behind the other, drain."""
    names = [f"{kind}{number}" for number, kind in enumerate(bridges)]
    parts = [component(n, k, **BRIDGE) for n, k in zip(names, bridges, strict=True)]
    ends = [component("source", "source", o_f=out), component("drain", "drain", f_init=into)]
    ways = [f"source.{out}", *(f"{n}.field_out" for n in names)]
    goals = [*(f"{n}.field_in" for n in names), f"drain.{into}"]
    text = model("row", [*ends, *parts], list(zip(ways, goals, strict=True)))
    return HEAD + text + settings + programs(set(bridges), out, into)


def programs(bridges, out, into):
    text = "programs:\n" + program("source", ENDS["source"], o_f=out)
    text += program("drain", ENDS["drain"], f_init=into)
    return text + "".join(program(name, BRIDGES[name], **BRIDGE) for name in sorted(bridges))


def told(tmp_path, text):
    file = tmp_path / "spec.ymmsl"
    file.write_text(text)
    return [
        f"{p.code} {p.text}"
        for p in diagnose([file], trusted=True, with_machine=False).problems
    ]  # fmt: skip


@pytest.mark.parametrize("bridges", [["bridge"], ["bridge", "bridge"], ["turn", "bridge"]])
def test_fields_pass_bridges(bridges, tmp_path):
    into = "upright" if "turn" in bridges else "line"
    assert told(tmp_path, row("line", bridges, into)) == []


@pytest.mark.parametrize("many", [1, 2])
def test_a_mistake_is_seen_behind_bridges(many, tmp_path):
    (problem,) = told(tmp_path, row("weight", ["bridge"] * many, "line"))
    assert problem.startswith(f"MS303 bridge{many - 1}.field_out sends c in kg/m3, drain.line expe")


def test_a_bridge_may_change_axes(tmp_path):
    (problem,) = told(tmp_path, row("line", ["bridge", "turn"], "line"))
    assert problem == "MS306 turn1.field_out sends c along z, drain.line expects it along x."


def test_a_bridge_may_change_lengths(tmp_path):
    settings = "settings:\n  regrid1.cells: 20\n"
    (problem,) = told(tmp_path, row("line", ["bridge", "regrid"], "line", settings))
    assert "regrid1.cells = 20 and drain.points = 16 by default" in problem
    assert told(tmp_path, row("line", ["regrid"], "line", "settings:\n  drain.points: 16\n")) == []


def test_a_bridge_that_gives_no_length_is_not_guessed_about(tmp_path):
    settings = "settings:\n  source.cells: 20\n"
    assert told(tmp_path, row("line", ["bridge"], "line", settings)) == []


def test_a_bridge_may_change_units(tmp_path):
    assert told(tmp_path, row("warmth", ["kelvin", "bridge"], "warmth")) == []
    (problem,) = told(tmp_path, row("weight", ["kelvin", "bridge"], "line"))
    assert problem.startswith("MS303 bridge1.field_out sends c in K, drain.line expects mol/m3;")


def test_the_mesh_is_that_of_the_first_sender(tmp_path):
    assert told(tmp_path, row("cells_of_grid", ["bridge"], "on_grid")) == []
    (problem,) = told(tmp_path, row("other_grid", ["bridge", "bridge"], "on_grid"))
    assert problem.startswith("MS311 bridge1.field_out sends T in coordinates of EPSG:4326")


def nested(out):
    """A source and a bridge in a nested model, another bridge and the drain outside."""
    inner = model(
        "inner",
        [component("source", "source", o_f=out), component("bridge", "bridge", **BRIDGE)],
        [(f"source.{out}", "bridge.field_in"), ("bridge.field_out", "given")],
        ports="o_f: given",
    )
    outer = model(
        "outer",
        [
            component("house", "inner", o_f="given"),
            component("bridge", "bridge", **BRIDGE),
            component("drain", "drain", f_init="line"),
        ],
        [("house.given", "bridge.field_in"), ("bridge.field_out", "drain.line")],
    )
    return HEAD + outer + inner + programs({"bridge"}, out, "line")


def test_fields_pass_nested_models(tmp_path):
    assert told(tmp_path, nested("line")) == []
    (problem,) = told(tmp_path, nested("single"))
    assert problem == "MS308 bridge.field_out sends c as float32, drain.line expects float64."
    (problem,) = told(tmp_path, nested("plane"))
    assert problem.startswith("MS301 bridge.field_out sends T; drain.line needs c (concentration")


def test_plain_ports_need_no_common_name(tmp_path):
    (problem,) = told(tmp_path, row("bare_celsius", [], "bare"))
    assert problem.startswith("MS304 source.bare_celsius sends t in degC, drain.bare expects K")


def test_every_mistake_of_a_field_is_told_at_once(tmp_path):
    parts = [
        component("source", "source", o_f="weight plane turned some_heat"),
        component("drain", "drain", f_init="line plane heat"),
    ]
    wires = [("weight", "line"), ("turned", "plane"), ("some_heat", "heat")]
    text = model("many", parts, [(f"source.{a}", f"drain.{b}") for a, b in wires])
    spec = HEAD + text + programs((), "weight plane turned some_heat", "line plane heat")
    assert [problem.split()[0] for problem in told(tmp_path, spec)] == ["MS303", "MS305", "MS310"]
