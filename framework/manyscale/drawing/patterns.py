"""The coupling patterns: what a conduit means, by the operators at its two ends."""

from __future__ import annotations

from manyscale.coupling.graph import Link, Node

PATTERNS = {
    ("o_i", "f_init"): "call",
    ("o_f", "s"): "release",
    ("o_i", "s"): "interact",
    ("o_f", "f_init"): "dispatch",
}
"""Names by the operators of sender and receiver, as in Borgdorff et al. (2013)."""
COLOURS = {"call": "#0072b2", "release": "#009e73", "interact": "#d55e00", "dispatch": "#4d4d4d"}
"""Told apart by colour-blind readers (Okabe and Ito) and by their greys in print."""
UNKNOWN = "#999999"
SYMBOLS = {"f_init": "◇", "o_i": "●", "s": "○", "o_f": "◆"}
"""MMSL: circles within the loop, diamonds at its ends; filled ones send."""


def operator(node: Node, port: str) -> str:
    """Return the operator of a port in small letters, empty if nothing is known of it."""
    ending = node.ports.get(port) or node.port(port)
    return "" if ending is None else ending.operator


def pattern(link: Link) -> str:
    """Return the name of a conduit's pattern, empty if an operator does not fit."""
    ends = operator(link.sender, link.out), operator(link.receiver, link.into)
    return PATTERNS.get(ends, "")
