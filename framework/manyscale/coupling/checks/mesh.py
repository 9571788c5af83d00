"""MS311: the mesh a field lives on."""

from __future__ import annotations

from collections.abc import Iterator

from manyscale.contract.diagnostics import Finding, check
from manyscale.contract.fields import Field
from manyscale.contract.meshes import Mesh
from manyscale.coupling.graph import Graph, Node, matched


@check("MS311")
def mesh(graph: Graph) -> Iterator[Finding]:
    """The two ends of a conduit put a field on different meshes.

    A field on a mesh has a value for each cell, vertex, edge or point of it, and its geometry
    travels with it. Both ends need the same kind of mesh (rectilinear or unstructured), the
    same axes in the same order, the same coordinate reference system if the receiver names
    one, and values at the same places. A receiver that wants a geometry needs a sender that
    has one.

    Put a bridge between that maps the field from the one mesh to the other.
    """
    for link, name, sent, wanted in matched(graph):
        if wanted.mesh and sent.quantity == wanted.quantity:
            have = _mesh(graph, link.sender, link.out, sent, 0)
            want = _mesh(graph, link.receiver, link.into, wanted, 0)
            said = _difference(sent, wanted, have, want)
            if said:
                yield Finding(
                    link.at,
                    f"{link.sender.name}.{link.out} sends {name} {said[0]},"
                    f" {link.receiver.name}.{link.into} expects it {said[1]}.",
                )


def _mesh(graph: Graph, node: Node, name: str, field: Field, depth: int) -> Mesh | None:
    """Return the mesh of a field, that of a generic port where its fields come from."""
    port = node.port(name)
    if port is None or node.contract is None or depth > len(graph.links) + len(graph.nodes):
        return None
    if not port.like or port.mesh:
        return node.contract.meshes.get(field.mesh)
    if port.like != "*":
        return _mesh(graph, node, port.like, field, depth + 1)
    links = graph.into(node, name)
    return _mesh(graph, links[0].sender, links[0].out, field, depth + 1) if links else None


def _difference(
    sent: Field, wanted: Field, have: Mesh | None, want: Mesh | None
) -> tuple[str, str] | None:
    """Return in words what differs first."""
    if not sent.mesh:
        return "on no mesh", f"on the mesh {wanted.mesh}"
    if have is None or want is None:
        return None
    if have.kind != want.kind:
        return f"on a mesh that is {have.kind}", f"on one that is {want.kind}"
    if want.axes and have.axes != want.axes:
        return f"on a mesh with axes {have.axes or 'without names'}", f"on axes {want.axes}"
    if want.crs and have.crs != want.crs:
        return f"in coordinates of {have.crs or 'no reference system'}", f"in {want.crs}"
    if sent.location != wanted.location:
        return f"at every {sent.location}", f"at every {wanted.location}"
    return None
