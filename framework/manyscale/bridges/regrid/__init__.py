"""Puts fields on another grid, keeping what must be conserved, and enforces coarse means."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

import manyscale as ms
from manyscale import Array, Clock, Field, Ge, Gt

if TYPE_CHECKING:
    from manyscale import testing
    from manyscale.bridges.regrid.grids import Grid
    from manyscale.bridges.regrid.kernel import Rule
    from manyscale.bridges.regrid.messages import Message


class Sent(ms.State):
    """One value of a message."""

    value: Any


class Regrid(ms.ScaleModel):
    """g_i = sum_j W_ij f_j / |T_i| for means, sum_j W_ij f_j / |S_j| for totals, W the overlaps.

    First order, or second with slopes within the source cells (Jones 1999); rectilinear grids of
    any dimension, axis by axis. `restrict` and `prolong` are the same operators between nested or
    straddling grids. `constrain` changes a fine guess until its coarse means are what came.
    `nearest` and `rbf` (radial basis functions) interpolate between points. Valid for cell means
    and totals on Cartesian grids.
    """

    field_in = ms.F_INIT(like="*")
    guess_in = ms.F_INIT(like="*", optional=True)
    field_out = ms.O_F(like="field_in", axes={"*": ""}, finite=True)

    method: Annotated[
        Literal[
            "conservative1",
            "conservative2",
            "nearest",
            "rbf",
            "restrict",
            "prolong",
            "constrain",
        ],
        "1",
        "operator; constrain takes the fine guess from guess_in",
    ] = "conservative1"
    kind: Annotated[
        Literal["declared", "intensive", "extensive"],
        "1",
        "means or totals: as the fields are declared, or refused if they are declared otherwise",
    ] = "declared"
    target_edges: Annotated[
        list[list[float]], "m", "target grid: ascending edges per axis; [] keeps an axis"
    ] = [[]]
    target_points: Annotated[
        list[list[float]], "m", "target points, one row of coordinates each; nearest and rbf"
    ] = [[]]
    axes: Annotated[str, "1", "names of coordinate fields, in the order of the axes of arrays"] = (
        "x;y;z"
    )
    normalise: Annotated[
        Literal["fracarea", "dstarea"], "1", "means over the covered part of a cell or all of it"
    ] = "fracarea"
    slopes: Annotated[
        Literal["free", "limited"], "1", "conservative2: within the range of neighbours if limited"
    ] = "free"
    outside: Annotated[
        Literal["error", "fill", "nearest"], "1", "target cells that lie wholly outside the source"
    ] = "error"
    fill_value: Annotated[float, "1", "what target cells that receive nothing hold"] = 0.0
    flavour: Annotated[
        Literal["consistent", "conservative"], "1", "point maps: for means, or for totals"
    ] = "consistent"
    rbf_neighbours: Annotated[int, "1", "source points per target point", Ge(3)] = 50
    rbf_kernel: Annotated[
        Literal["linear", "thin_plate_spline", "cubic", "quintic"], "1", "radial function"
    ] = "thin_plate_spline"
    rbf_degree: Annotated[int, "1", "degree of the polynomials that are exact", Ge(0)] = 1
    constraint: Annotated[
        Literal["additive", "multiplicative", "tikhonov"], "1", "constrain: how the guess changes"
    ] = "additive"
    weight: Annotated[float, "1", "tikhonov: weight of the constraint over the guess", Gt(0)] = 1.0

    version: ClassVar[str] = "1"
    determinism: ClassVar[Literal["bitwise", "tolerance", "statistical"]] = "bitwise"
    citations: ClassVar[tuple[ms.Citation, ...]] = (
        ms.Citation(
            "jones1999",
            "P. W. Jones, First- and second-order conservative remapping schemes for grids in "
            "spherical coordinates, Monthly Weather Review 127 (1999) 2204",
        ),
    )
    Member = Sent

    class State(ms.State):
        """The message that goes out, and the grid of its mesh if one came."""

        time: float  # s
        fields: Mapping[str, Sent]
        mesh: str
        crs: str
        edges: Mapping[str, Sent]  # m

    def f_init(self, start: ms.Start, received: ms.Received) -> State:
        """Put every field of the message on the target, in the units in which it came."""
        came, guess = received.field_in, received.guess_in
        if (guess is None) == (self.method == "constrain"):
            raise ms.Refused(
                "regrid.guess_in is not connected, and method = constrain changes what it brings"
                if guess is None
                else f"regrid.guess_in is connected, and method = {self.method} takes no guess"
            )
        try:
            return self._state(start, came, guess)
        except ValueError as exc:
            raise ms.Refused(f"regrid.field_in: {exc}.") from None

    def clock(self, state: State) -> Clock:
        """End at once: the answer belongs to the time of what came."""
        return Clock(state.time)

    def o_f(self, state: State) -> ms.Messages:
        """Send the fields under the names they came with."""
        return {"field_out": {name: sent.value for name, sent in state.fields.items()}}

    def geometries(self, state: State) -> Mapping[str, ms.Geometry]:
        """Return the target grid if the fields came on a declared mesh."""
        if not state.mesh:
            return {}
        arrays = {name: sent.value for name, sent in state.edges.items()}
        return {state.mesh: ms.Geometry("rectilinear", arrays, crs=state.crs)}

    def scales(self) -> ms.Scales:
        """Return the smallest cell to the longest side of the target grid."""
        edges = [np.array(one) for one in self.target_edges if len(one) > 1]
        if not edges:
            return ms.Scales()
        grain, extent = min(np.diff(e).min() for e in edges), max(e[-1] - e[0] for e in edges)
        return ms.Scales(length=ms.Scale(float(max(grain, 0.0)), float(max(extent, grain, 0.0))))

    @classmethod
    def example(cls) -> "testing.Example":
        """Return coarse means and a fine guess that has to meet them."""
        from manyscale import testing

        axes = {"x": Field("length", "m", "x"), "y": Field("length", "m", "y")}
        fields = {"c": Field("concentration", "mol/m3", "x y"), **axes}
        amount = {"mass": Field("amount_of_substance", "mol")}
        coarse = {"x": np.array([0.5, 1.5]), "y": np.array([1.0, 3.0, 5.0])}
        fine = {"x": np.arange(4) * 0.5 + 0.25, "y": np.arange(6) + 0.5}
        edges = [[0.0, 0.5, 1.0, 1.5, 2.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]
        guess = 1.0 + np.arange(24.0).reshape(4, 6)
        return testing.Example(
            {"method": "constrain", "target_edges": edges},
            {
                "field_in": {"c": np.arange(6.0).reshape(2, 3), **coarse, "mass": 3.0},
                "guess_in": {"c": guess, **fine},
            },
            fields={"field_in": {**fields, **amount}, "guess_in": fields},
        )

    def _state(self, start: ms.Start, came: ms.Contact, guess: ms.Contact | None) -> State:
        message, mesh = _message(came), next(iter(came.meshes), "")
        edges: Mapping[str, Array] = {}
        if self.method in ("nearest", "rbf") and message.points() is not None:
            values = self._at_points(message)
        else:
            source = message.grid(self._axes)
            fine = None if guess is None else _message(_in_units(guess, came.units))
            target = self._target(source, fine)
            values = self._on_grid(message, fine, source, target)
            edges = target.mesh() if mesh else {}
        return self.State(
            time=start.time,
            fields={name: Sent(value=values[name]) for name in came.fields},
            mesh=mesh if edges else "",
            crs=came.meshes[mesh].crs if mesh else "",
            edges={name: Sent(value=value) for name, value in edges.items()},
        )

    @property
    def _axes(self) -> list[str]:
        return [name.strip() for name in self.axes.split(";")]

    def _target(self, source: "Grid", guess: "Message | None") -> "Grid":
        """Return the target grid, that of the guess if the setting leaves it open."""
        from manyscale.bridges.regrid import grids

        fine = None if guess is None else guess.grid(self._axes)
        if fine is not None and not any(self.target_edges):
            return fine
        target = grids.target_grid(source, self.target_edges)
        if fine is not None and not fine.same(target):
            raise ValueError("the guess in guess_in is on another grid than target_edges")
        pairs = list(zip(source.shape, target.shape, strict=True))
        wrong = {"restrict": [n < m for n, m in pairs], "prolong": [n > m for n, m in pairs]}
        if any(wrong.get(self.method, [])):
            raise ValueError(
                f"method = {self.method} from {source.shape} to {target.shape} cells: restrict goes"
                " to fewer cells and prolong to more; exchange the grids or take conservative1"
            )
        return target

    def _on_grid(
        self, message: "Message", guess: "Message | None", source: "Grid", target: "Grid"
    ) -> dict[str, Any]:
        """Return the fields of a message on the target grid."""
        carried: dict[str, Any] = message.coordinates(target)
        for name, value in message.others(source).items():
            if np.ndim(value) == 0:  # a number or a text has no place on the grid
                carried[name] = value
                continue
            try:
                message.refuse_unfit(name, source.shape, self.kind)
                mask = message.mask(name, source.shape)
                found, bare = self._field(name, message, guess, mask, (source, target))
            except ValueError as exc:
                raise ValueError(f"{name} cannot be put on the target grid: {exc}") from None
            carried[name] = found.astype(value.dtype, copy=False)
            carried |= {} if mask is None else {f"{name}_mask": bare}
        return carried

    def _field(
        self,
        name: str,
        message: "Message",
        guess: "Message | None",
        mask: Array | None,
        grids: "tuple[Grid, Grid]",
    ) -> tuple[Array, Array]:
        """Return a field on the target grid, and the target cells that received nothing."""
        from manyscale.bridges.regrid import constraints, kernel, overlaps

        source, target = grids
        value, extensive = message.fields[name], name in message.extensive
        nothing = np.zeros(target.shape, dtype=bool)
        if self.method in ("nearest", "rbf"):
            flat = value.reshape(-1, *value.shape[len(source.shape) :])
            found = self._mapped(flat, source.points, target.points, extensive, mask)
            return found.reshape(*target.shape, *flat.shape[1:]), nothing
        pairs = zip(source.edges, target.edges, strict=True)
        both = [overlaps.overlap(a, b) for a, b in pairs]
        if guess is None:
            return kernel.regrid(value, both, self._rule(extensive), mask, source.axes)
        fine = guess.guess(name, target.shape, extensive)
        known = kernel.held_values(value, mask, np.nan)
        constrain = constraints.constrain_totals if extensive else constraints.constrain
        return constrain(fine, known, both, self.constraint, self.weight), nothing

    def _rule(self, extensive: bool) -> "Rule":
        from manyscale.bridges.regrid.kernel import Rule

        return Rule(
            extensive=extensive,
            order=2 if self.method == "conservative2" else 1,
            normalise=self.normalise,
            outside=self.outside,
            fill_value=self.fill_value,
            limited=self.slopes == "limited",
        )

    def _at_points(self, message: "Message") -> dict[str, Any]:
        """Return the fields of a message at the target points."""
        if not any(self.target_points):
            raise ValueError("target_points is missing: give one row of coordinates in m per point")
        lengths = sorted({len(row) for row in self.target_points})
        if len(lengths) > 1:
            raise ValueError(
                f"target_points has rows of {' and of '.join(map(str, lengths))} numbers: give"
                " every point as many coordinates"
            )
        target = np.array(self.target_points)
        carried: dict[str, Any] = {}
        for name, value in message.fields.items():
            if name == "points":
                carried[name] = target / message.metre(name)
            elif np.ndim(value) == 0:
                carried[name] = value
            elif not message.is_mask(name):
                try:
                    carried |= self._field_at_points(name, message, target)
                except ValueError as exc:
                    raise ValueError(f"{name} cannot be put on the points: {exc}") from None
        return carried

    def _field_at_points(self, name: str, message: "Message", target: Array) -> dict[str, Array]:
        value = message.fields[name]
        source = message.points(len(value))
        if source is None:
            raise ValueError("no points came")
        shape = (len(source),)
        message.refuse_unfit(name, shape, self.kind)
        mask = message.mask(name, shape)
        found = self._mapped(value, source, target, name in message.extensive, mask)
        masks = {} if mask is None else {f"{name}_mask": np.zeros(len(target), dtype=bool)}
        return {name: found.astype(value.dtype, copy=False), **masks}

    def _mapped(
        self, value: Array, source: Array, target: Array, extensive: bool, mask: Array | None
    ) -> Array:
        """Return values (n, ...) at the points (n, d) as values (m, ...) at the points (m, d)."""
        from manyscale.bridges.regrid import points
        from manyscale.bridges.regrid.kernel import refuse_not_finite

        wanted = "conservative" if extensive else "consistent"
        if self.flavour != wanted:
            kind = "extensive" if extensive else "intensive"
            raise ValueError(f"it is {kind}, and flavour = {self.flavour}: use flavour = {wanted}")
        if mask is not None:
            value, source = value[~mask.ravel()], source[~mask.ravel()]
        refuse_not_finite(value)
        one, other = (target, source) if extensive else (source, target)
        if self.method == "nearest":
            found = points.nearest_map(one, other)
        else:
            found = points.rbf_map(
                one, other, self.rbf_neighbours, self.rbf_kernel, self.rbf_degree
            )
        if extensive:
            found = points.conservative(found)
        flat = found @ value.reshape(len(value), -1)
        return np.asarray(flat).reshape(len(target), *value.shape[1:])


def _message(came: ms.Contact) -> "Message":
    """Return what a contact holds."""
    from manyscale.bridges.regrid.messages import Message

    if len(came.meshes) > 1:
        raise ValueError(
            f"the fields are on {len(came.meshes)} meshes, {', '.join(sorted(came.meshes))}; send"
            " those of one mesh"
        )

    def metre(name: str) -> float:
        return _line(came.units.get(name, "m"), "m", f"the coordinate {name} is no length")[0]

    shape = next(iter(came.meshes.values()), None)
    arrays = None if shape is None else shape.arrays
    rectilinear = shape is None or shape.kind == "rectilinear"
    return Message(came.fields, metre, came.extensive, arrays, rectilinear)


def _in_units(came: ms.Contact, units: Mapping[str, str]) -> ms.Contact:
    """Return a contact with the fields of these names in these units."""
    fields = dict(came.fields)
    for name in fields.keys() & units.keys():
        if came.units[name] != units[name]:
            a, b = _line(came.units[name], units[name], f"the guess for {name} has another unit")
            fields[name] = a * fields[name] + b
    return dataclasses.replace(came, fields=fields, units={**came.units, **units})


def _line(have: str, want: str, otherwise: str) -> tuple[float, float]:
    from manyscale.contract.units import affine

    try:
        return affine(have, want)
    except ms.Refused as exc:
        raise ValueError(f"{otherwise}: {str(exc).rstrip('.')}") from None


@ms.hookimpl
def manyscale_models() -> list[type[ms.ScaleModel]]:
    """Offer the model."""
    return [Regrid]
