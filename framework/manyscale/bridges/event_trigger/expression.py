"""Arithmetic on named fields, read by a parser of its own: nothing is ever run as Python.

    sum    = product (("+" | "-") product)*
    product = sign (("*" | "/") sign)*
    sign   = ("-" | "+") sign | power
    power  = atom ("**" sign)?
    atom   = number | field | field "[" integer ("," integer)* "]"
           | function "(" sum ")" | "(" sum ")"

Values carry a leading axis of samples, so one evaluation serves many times of a step.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = Mapping[str, NDArray[np.float64]]
"""By field, (sample, ...)."""

_Term = Callable[[Values], Any]

_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|(\w+)|(\*\*|\S))")
_ELEMENTWISE: Mapping[str, Callable[[Any], Any]] = {
    "abs": np.abs, "sqrt": np.sqrt, "exp": np.exp, "log": np.log,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "tanh": np.tanh,
}  # fmt: skip
_OVER_CELLS: Mapping[str, Callable[..., Any]] = {
    "min": np.nanmin, "max": np.nanmax, "mean": np.nanmean, "sum": np.nansum,
}  # fmt: skip
_DEEPEST = 50
_LONGEST = 1000


@dataclass(frozen=True)
class Expression:
    """A parsed expression: the fields it names, and how to evaluate it."""

    text: str
    names: tuple[str, ...]
    term: _Term

    def __call__(self, values: Values) -> NDArray[np.float64]:
        """Return the expression at every sample, (sample,).

        Raises ValueError if a field is missing, an index is out of range, or the result is no
        finite number per sample.
        """
        with np.errstate(all="ignore"):
            found = np.asarray(self.term(values), dtype=float)
        if found.ndim != 1:
            raise ValueError(
                f"{self.text!r} gives an array {found.shape[1:]}, expected one number;"
                " take one element, or min, max, mean or sum."
            )
        if not math.isfinite(np.add.reduce(found)) and not np.isfinite(found).all():
            raise ValueError(f"{self.text!r} is not finite for the fields that came.")
        return found


@cache
def parse(text: str) -> Expression:
    """Read an expression.

    Raises ValueError naming the column of what cannot be read.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"The expression has {len(text)} characters, at most {_LONGEST} are read.")
    parser = _Parser(text)
    term = parser.sum()
    if parser.kind:
        raise parser.unexpected("an operator")
    if not parser.names:
        raise ValueError(f"{text!r} names no field; without one it never changes.")
    return Expression(text, tuple(dict.fromkeys(parser.names)), term)


class _Parser:
    """Recursive descent with one token of look-ahead."""

    def __init__(self, text: str) -> None:
        self.text, self.end, self.depth = text, 0, 0
        self.names: list[str] = []
        self.step()

    def step(self) -> None:
        found = _TOKEN.match(self.text, self.end)
        self.kind, self.token, self.column = "", "", len(self.text.rstrip()) + 1
        if found:
            number, word, sign = found.groups()
            self.kind = "number" if number else "word" if word else "sign"
            self.token, self.end = number or word or sign, found.end()
            self.column = self.end - len(self.token) + 1

    def unexpected(self, wanted: str) -> ValueError:
        found = repr(self.token) if self.kind else "the end"
        return ValueError(f"{self.text!r}, column {self.column}: found {found}, expected {wanted}.")

    def take(self, *tokens: str) -> str:
        """Return the present token and go on if it is one of these signs, else nothing."""
        if self.kind != "sign" or self.token not in tokens:
            return ""
        token = self.token
        self.step()
        return token

    def demand(self, sign: str) -> None:
        if not self.take(sign):
            raise self.unexpected(repr(sign))

    def sum(self) -> _Term:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError(f"{self.text!r} is nested more than {_DEEPEST} deep.")
        left = self.product()
        while sign := self.take("+", "-"):
            left = _binary(sign, left, self.product())
        self.depth -= 1
        return left

    def product(self) -> _Term:
        left = self.sign()
        while sign := self.take("*", "/"):
            left = _binary(sign, left, self.sign())
        return left

    def sign(self) -> _Term:
        minus = False
        while sign := self.take("-", "+"):
            minus ^= sign == "-"
        term = self.power()
        return (lambda values: -term(values)) if minus else term

    def power(self) -> _Term:
        base = self.atom()
        return _binary("**", base, self.exponent()) if self.take("**") else base

    def exponent(self) -> _Term:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError(f"{self.text!r} is nested more than {_DEEPEST} deep.")
        term = self.sign()
        self.depth -= 1
        return term

    def atom(self) -> _Term:
        if self.take("("):
            term = self.sum()
            self.demand(")")
            return term
        kind, token = self.kind, self.token
        if kind not in ("number", "word"):
            raise self.unexpected("a number, a field or '('")
        self.step()
        if kind == "number":
            number = float(token)
            return lambda values: number
        return self.function(token) if self.take("(") else self.field(token)

    def function(self, name: str) -> _Term:
        known = {**_ELEMENTWISE, **_OVER_CELLS}
        if name not in known:
            raise ValueError(f"{self.text!r}: there is no function {name!r}.{near(name, known)}")
        argument = self.sum()
        self.demand(")")
        if name in _OVER_CELLS:
            over = _OVER_CELLS[name]
            return lambda values: _over_cells(over, argument(values))
        each = _ELEMENTWISE[name]
        return lambda values: each(argument(values))

    def field(self, name: str) -> _Term:
        self.names.append(name)
        if not self.take("["):
            return lambda values: values[name]
        index = [self.integer()]
        while self.take(","):
            index.append(self.integer())
        self.demand("]")
        return lambda values: _element(name, values[name], tuple(index))

    def integer(self) -> int:
        minus = self.take("-")
        if self.kind != "number" or not self.token.isdigit():
            raise self.unexpected("a whole number")
        number = int(self.token)
        self.step()
        return -number if minus else number


def near(name: str, known: Iterable[str]) -> str:
    """Return a hint at the nearest known name, or at all of them."""
    close = difflib.get_close_matches(name, known, 1)
    return f" Did you mean {close[0]}?" if close else f" There are: {', '.join(sorted(known))}."


def _binary(sign: str, left: _Term, right: _Term) -> _Term:
    operation: Callable[[Any, Any], Any] = {
        "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power,
    }[sign]  # fmt: skip

    def term(values: Values) -> Any:
        return operation(*_aligned(left(values), right(values)))

    return term


def _aligned(one: Any, other: Any) -> tuple[Any, Any]:
    """Give a number per sample the axes of an array per sample."""
    ranks = np.ndim(one), np.ndim(other)
    if 1 in ranks and max(ranks) > 1:
        shape = (-1, *[1] * (max(ranks) - 1))
        return (one, other.reshape(shape)) if ranks[1] == 1 else (one.reshape(shape), other)
    if min(ranks) > 1 and one.shape != other.shape:
        raise ValueError(f"Arrays {one.shape[1:]} and {other.shape[1:]} have different shapes.")
    return one, other


def _over_cells(over: Callable[..., Any], values: Any) -> Any:
    if np.ndim(values) < 2:
        return values
    cells = values.reshape(len(values), -1)
    if cells.shape[1] == 0 or np.isnan(cells).all(axis=1).any():
        raise ValueError(f"{over.__name__[3:]} has no cell to look at: none came, or all masked.")
    return over(cells, axis=1)


def _element(name: str, values: NDArray[Any], index: tuple[int, ...]) -> Any:
    shape = values.shape[1:]
    inside = len(index) == len(shape) and all(
        -n <= i < n for i, n in zip(index, shape, strict=True)
    )
    if not inside:
        place = ", ".join(map(str, index))
        raise ValueError(f"{name}[{place}] is outside of {name}, which has the shape {shape}.")
    selected: tuple[Any, ...] = (slice(None), *index)
    return values[selected]
