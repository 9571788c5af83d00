"""Drawings of couplings: layout, diagram, text, and the scale separation map."""

import random
import sys
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise, product
from pathlib import Path

import pytest

from manyscale import cli
from manyscale.contract.scales import Scale
from manyscale.coupling.prove import diagnose
from manyscale.drawing import scale_figure, text
from manyscale.drawing.diagram import draw, save
from manyscale.drawing.geometry import Area
from manyscale.drawing.layers import directed, ranks
from manyscale.drawing.layout import layout
from manyscale.drawing.parts import Box, Conduit, Parts, parts
from manyscale.drawing.patterns import PATTERNS, pattern
from manyscale.drawing.scale_map import (
    LENGTH,
    TIME,
    Coupled,
    ScaleMap,
    Tile,
    ratio,
    reach,
    related,
    scale_map,
    shown,
)
from manyscale.testing.couple import Component, write_spec

SPEC = Path(__file__).parents[2] / "coupling_specs/pipe_diffusion"
BODIES = "toys.macro_micro:Body"
NESTED = """\
ymmsl_version: v0.2
description: a nested model
models:
  outer:
    description: a bulk and its farm
    components:
      bulk:
        {description: b, implementation: macro, ports: {o_i: cores, s: relaxed}}
      farm:
        {description: f, implementation: inner, multiplicity: 3,
         ports: {f_init: initial, o_f: final}}
    conduits:
      bulk.cores: farm.initial
      farm.final: bulk.relaxed
  inner:
    description: two levels
    ports: {f_init: initial, o_f: final}
    components:
      meso:
        {description: m, implementation: middle,
         ports: {f_init: initial, o_i: down, s: up, o_f: final}}
      core: {description: c, implementation: micro, ports: {f_init: initial, o_f: final}}
    conduits:
      initial: meso.initial
      meso.final: final
      meso.down: core.initial
      core.final: meso.up
programs:
  macro: {description: d, executable: macro, ports: {o_i: cores, s: relaxed}}
  middle: {description: d, executable: middle,
           ports: {f_init: initial, o_i: down, s: up, o_f: final}}
  micro: {description: d, executable: micro, ports: {f_init: initial, o_f: final}}
"""


def graph_of(spec, **settings):
    return diagnose([spec], settings, trusted=True, with_machine=False).readable().graph


@pytest.fixture(scope="module")
def pipe():
    return parts(graph_of(SPEC))


@pytest.fixture
def nested(tmp_path):
    file = tmp_path / "model.ymmsl"
    file.write_text(NESTED)
    return graph_of(file)


def random_parts(count, seed):
    """Components in frames and on their own, coupled at random in all four patterns."""
    chance = random.Random(seed)
    names = [("a.", "a.b.", "", "", "")[i % 5] + f"c{i}" for i in range(count)]
    boxes = [Box(name, "program", (4,) if chance.random() < 0.3 else ()) for name in names]
    conduits = []
    for number in range(int(1.4 * count)):
        sender, receiver = chance.sample(boxes, 2)
        (out, into), kind = chance.choice(list(PATTERNS.items()))
        sender.ports[f"out{number}"], receiver.ports[f"in{number}"] = out, into
        filters = ("repeat",) if chance.random() < 0.2 else ()
        ends = (sender, f"out{number}", receiver, f"in{number}")
        conduits.append(Conduit(*ends, kind, filters, ("1..4", "")))
    return Parts("random", boxes, conduits)


def along(points):
    """Points of a line as it is drawn, curves between heights included."""
    for (x, y), (u, v) in pairwise(points):
        for t in [i / 40 for i in range(41)]:
            if y == v:
                yield x + (u - x) * t, y
            else:
                bend = 0.55 * (u - x)
                a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
                yield a * x + b * (x + bend) + c * (u - bend) + d * u, (a + b) * y + (c + d) * v


def holds(area, point):
    inside = area.x + 1e-3 < point[0] < area.x + area.w - 1e-3
    return inside and area.y + 1e-3 < point[1] < area.y + area.h - 1e-3


@pytest.mark.parametrize("form", [text.dot, text.mermaid])
def test_text_names_components_ports_and_filters(pipe, form):
    written = form(pipe)
    for word in ("properties", "bulk", "pipe ×4", "mass_diffusion", "sample_out [1..4]", "repeat"):
        assert word in written
    kinds = "◇●○◆" if form is text.mermaid else ("odiamond", '="dot', "odot", '="diamond')
    for kind in kinds:
        assert kind in written


def test_text_puts_nested_models_around_their_components(nested):
    whole, folded = parts(nested), parts(nested, folded=True)
    assert 'subgraph "cluster_farm"' in text.dot(whole)
    assert "peripheries=2" in text.dot(folded)
    assert '["farm"]' in text.mermaid(whole)
    assert '[["<b>farm ×3</b><br/>inner"]]' in text.mermaid(folded)


def test_svg_is_well_formed_and_the_same_every_time(pipe, tmp_path):
    for name in ("one.svg", "two.svg"):
        save(draw(pipe), tmp_path / name, "pipe")
    written = (tmp_path / "one.svg").read_text()
    ids = {element.get("id") for element in ET.fromstring(written).iter()}
    assert {"component-properties", "component-bulk", "component-pipe"} <= ids
    assert "conduit-bulk.sample_out-pipe.bulk_in" in ids
    assert written == (tmp_path / "two.svg").read_text()
    assert "<dc:date>" not in written


def test_callers_stand_left_of_what_they_call(pipe):
    assert layout(pipe).columns == {"properties": 0, "bulk": 1, "pipe": 2}


def test_a_circle_of_calls_still_has_columns():
    found = ranks("abc", directed([("a", "b", "call"), ("b", "c", "call"), ("c", "a", "call")]))
    assert found == {"a": 0, "b": 1, "c": 2}


def test_an_answer_comes_back_and_does_not_lead_on():
    links = [("macro", "micro", "call"), ("micro", "macro", "release"), ("a", "b", "interact")]
    found = ranks(["macro", "micro", "a", "b"], directed([*links, ("b", "a", "interact")]))
    assert found["macro"] < found["micro"]
    assert found["a"] < found["b"]


def test_call_and_answer_run_side_by_side(pipe):
    lines = {c.out: points for c, points in layout(pipe).lines.items()}
    call, answer = lines["sample_out"], lines["line_out"]
    assert len({y for _, y in call}) == len({y for _, y in answer}) == 1
    assert call[0][1] != answer[0][1]
    assert call[0][0] == answer[-1][0]


@pytest.mark.parametrize(("count", "seed"), [(5, 0), (20, 1), (20, 2), (20, 3), (40, 4)])
def test_nothing_lies_on_anything_else(count, seed):
    found = layout(random_parts(count, seed))
    assert not any(a.overlaps(b) for a, b in combinations(found.boxes.values(), 2))
    for conduit, points in found.lines.items():
        trail = list(along(points))
        for box, area in found.boxes.items():
            assert not any(holds(area, p) for p in trail), f"{conduit} runs through {box}"
    levels = [(round(y, 3), sorted((x, u)), c) for c, points in found.lines.items()
              for (x, y), (u, v) in pairwise(points) if y == v]  # fmt: skip
    for (y, one, c), (v, other, d) in combinations(levels, 2):
        if c is not d and abs(y - v) < 0.01:
            assert min(one[1], other[1]) <= max(one[0], other[0]) + 1e-6, f"{c} lies on {d}"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_frame_holds_what_is_in_its_model_and_nothing_else(seed):
    found = layout(random_parts(20, seed))
    for (path, frame), (box, area) in product(found.frames.items(), found.boxes.items()):
        assert frame.overlaps(area) == box.name.startswith(f"{path}.")


def test_everything_is_on_the_sheet():
    found = layout(random_parts(20, 1))
    sheet = Area(-1e-6, -1e-6, found.size[0] + 2e-6, found.size[1] + 2e-6)
    for area in [*found.boxes.values(), *found.frames.values()]:
        assert holds(Area(sheet.x - 1, sheet.y - 1, sheet.w + 2, sheet.h + 2), (area.x, area.y))
        assert area.x + area.w <= sheet.x + sheet.w
        assert area.y + area.h <= sheet.y + sheet.h


def test_a_folded_model_is_one_box_with_its_outer_ports(nested):
    found = parts(nested, folded=True)
    (farm,) = [box for box in found.boxes if box.folded]
    assert (farm.name, farm.program, farm.times) == ("farm", "inner", "×3")
    assert farm.ports == {"meso.initial": "f_init", "meso.final": "o_f"}
    assert [c.pattern for c in found.conduits] == ["call", "release"]


def test_an_unfolded_model_has_a_frame(nested, tmp_path):
    found = layout(parts(nested))
    assert list(found.frames) == ["farm"]
    save(draw(parts(nested)), tmp_path / "nested.png", "nested")
    assert (tmp_path / "nested.png").stat().st_size > 1000


def test_a_component_without_contract_is_drawn(nested, tmp_path):
    assert not any(box.known for box in parts(nested).boxes)
    save(draw(parts(nested)), tmp_path / "x.svg", "x")
    written = (tmp_path / "x.svg").read_text()
    assert "component-farm.meso" in written
    assert "contract not known" in written


def test_a_component_coupled_to_itself_is_drawn():
    box = Box("mirror", "", ports={"out": "o_i", "into": "s"})
    found = layout(Parts("x", [box], [Conduit(box, "out", box, "into", "interact")]))
    (line,) = found.lines.values()
    assert min(y for _, y in line) < found.boxes[box].y


@pytest.mark.parametrize(("ends", "name"), PATTERNS.items())
def test_patterns_go_by_the_operators(ends, name, tmp_path):
    spec = tmp_path / "model.ymmsl"
    out, into = ends
    spec.write_text(
        "ymmsl_version: v0.2\nmodels:\n  m:\n    components:\n"
        f"      a: {{description: a, implementation: p, ports: {{{out}: x}}}}\n"
        f"      b: {{description: b, implementation: q, ports: {{{into}: y}}}}\n"
        "    conduits: {a.x: b.y}\n"
        "programs:\n"
        f"  p: {{executable: p, ports: {{{out}: x}}}}\n"
        f"  q: {{executable: q, ports: {{{into}: y}}}}\n"
    )
    (link,) = graph_of(spec).links
    assert pattern(link) == name


def test_scales_of_instances_are_one_tile():
    found = scale_map(graph_of(SPEC))
    assert [tile.label for tile in found.tiles] == ["properties", "bulk", "pipe ×4"]
    assert [tile.label for tile in found.unplaced] == ["properties"]
    assert [c.pattern for c in found.coupled] == ["dispatch", "dispatch", "call", "release"]
    call = found.coupled[2].relation
    assert related(call.time) == "separated"
    assert related(call.length) == "overlapping"


def test_scales_that_are_the_same_are_one_tile(tmp_path):
    both = {"left": Component(BODIES), "right": Component(BODIES)}
    conduits = {"left.temperature": "right.other", "right.temperature": "left.other"}
    spec = write_spec(tmp_path, both, conduits, matching={"left": "right"})
    found = scale_map(graph_of(spec))
    assert [tile.names for tile in found.tiles] == [("left", "right")]
    assert {c.pattern for c in found.coupled} == {"interact"}
    save(scale_figure.draw_scales(found), tmp_path / "x.svg", "x")
    assert "scales-left,_right" in (tmp_path / "x.svg").read_text()


def test_the_map_places_tiles_at_their_scales():
    fine = Tile(("fine",), Scale(1e-6, 1e-3), Scale(1e-9, 1e-6))
    coarse = Tile(("coarse",), Scale(1e0, 1e3), Scale(1e-3, 1e0))
    plan = scale_figure.Plan(ScaleMap("x", [fine, coarse], [Coupled(coarse, fine, ("", ""), "")]))
    per_decade = plan.time.room / (plan.time.high - plan.time.low)
    a, b = plan.areas[fine], plan.areas[coarse]
    assert a.x == pytest.approx(per_decade * (-6 - plan.time.low))
    assert a.w == pytest.approx(3 * per_decade)
    assert b.x - a.x == pytest.approx(6 * per_decade)
    assert plan.length.at(1e-9) == pytest.approx(a.y)
    assert plan.length.at(1.0) == pytest.approx(b.y + b.h)


def test_what_lacks_a_scale_stands_in_the_margin(tmp_path):
    hour, metre = Scale(1.0, 3600.0), Scale(1e-3, 1.0)
    tiles = [Tile(("a",), hour, None), Tile(("b",), None, metre), Tile(("c",), hour, None)]
    plan = scale_figure.Plan(ScaleMap("x", tiles, []))
    a, b, c = plan.areas.values()
    assert a.y + a.h < plan.length.begin
    assert b.x + b.w < plan.time.begin
    assert not a.overlaps(c)
    none = ScaleMap("x", [Tile(("d",), None, None)], [])
    save(scale_figure.draw_scales(none), tmp_path / "none.svg", "x")
    assert "Neither a scale of time nor of length: d" in (tmp_path / "none.svg").read_text()


def test_ratio_of_scales():
    assert ratio(Scale(10.0, 100.0), Scale(0.1, 1.0)) == pytest.approx(10.0)
    assert ratio(Scale(0.1, 1.0), Scale(1.0, 100.0)) == pytest.approx(1.0)
    assert related(1.0) == "separated"
    assert related(ratio(Scale(0.1, 5.0), Scale(1.0, 100.0))) == "overlapping"
    assert ratio(None, Scale(0.1, 1.0)) is None


def test_units_are_readable():
    assert shown(3.872e5, TIME) == "4.48 d"
    assert shown(2.5e-5, TIME) == "25 µs"
    assert shown(0.0, TIME) == "0"
    assert reach(Scale(1.25e-8, 3.2e-6), LENGTH) == "12.5 nm .. 3.2 µm"
    axis = scale_figure.Axis([Scale(1e-15, 1e9)], 5.6, margin=False)
    assert {"1 fs", "1 ns", "1 s", "1 d", "1 a"} <= axis.units(TIME, 0.1).keys()


def manyscale(monkeypatch, capsys, *args):
    """Run the command in this process; return exit code, output and errors."""
    monkeypatch.setattr(sys, "argv", ["manyscale", *map(str, args)])
    try:
        cli.main()
        code = 0
    except SystemExit as exc:
        code = exc.code
    return code, *capsys.readouterr()


def test_graph_writes_pictures(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, out, err = manyscale(monkeypatch, capsys, "graph", SPEC)
    assert (code, err) == (0, "")
    assert out.split() == ["pipe_diffusion.svg", "pipe_diffusion.png"]
    assert all(Path(name).stat().st_size > 1000 for name in out.split())
    assert manyscale(monkeypatch, capsys, "graph", SPEC, "-o", "one.pdf")[:2] == (0, "one.pdf\n")
    assert Path("one.pdf").is_file()


def test_graph_prints_text(monkeypatch, capsys):
    code, out, _ = manyscale(monkeypatch, capsys, "graph", SPEC, "--format", "mermaid")
    assert code == 0
    assert "flowchart LR" in out


def test_scales_prints_tables_and_writes_pictures(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, out, _ = manyscale(monkeypatch, capsys, "scales", SPEC, "--format", "svg")
    assert code == 0
    for word in ("4.48 d .. 1.23 a", "12.5 nm .. 3.2 µm", "call", "separated", "overlapping"):
        assert word in out
    assert Path("pipe_diffusion_scales.svg").is_file()
    assert not Path("pipe_diffusion_scales.png").exists()


@pytest.mark.parametrize("command", ["graph", "scales"])
def test_bad_input_ends_in_one_sentence(monkeypatch, capsys, command, tmp_path):
    code, _, err = manyscale(monkeypatch, capsys, command, SPEC, "-o", tmp_path / "x.jpg")
    assert code == 2
    assert "expected a name that ends in .svg, .png, .pdf" in err
    code, _, err = manyscale(monkeypatch, capsys, command, tmp_path / "nowhere")
    assert code == 1
    assert "There is no spec at" in err


def test_a_spec_with_errors_is_drawn_with_a_note(monkeypatch, capsys, tmp_path):
    spec = tmp_path / "model.ymmsl"
    spec.write_text((SPEC / "model.ymmsl").read_text())
    code, _, err = manyscale(monkeypatch, capsys, "graph", spec, "-o", tmp_path / "x.svg")
    assert code == 0
    assert "manyscale check shows what is wrong" in err
