"""Ends of conduits that fit or do not, and settings that can be wrong; only declared."""

from typing import Annotated, Literal

import manyscale as ms
from manyscale import Field, Ge, Gt


class Nothing(ms.State):
    """No state."""


class Source(ms.ScaleModel):
    """Sends what was asked of it, once."""

    warmth = ms.O_F(T=Field("temperature", "K"))
    rise = ms.O_F(T=Field("temperature_difference", "K"))
    plane = ms.O_F(T=Field("temperature", "K", "x y"))
    turned = ms.O_F(T=Field("temperature", "K", "y x"))
    disc = ms.O_F(T=Field("temperature", "K", "r phi"))
    pair = ms.O_F(v=Field("velocity", "m/s", "xyz=2"))
    triple = ms.O_F(v=Field("velocity", "m/s", "xyz=3"))
    line = ms.O_F(c=Field("concentration", "mol/m3", "x=cells"))
    single = ms.O_F(c=Field("concentration", "mol/m3", "x=cells", dtype="float32"))
    weight = ms.O_F(c=Field("concentration", "kg/m3", "x=cells"))
    maybe = ms.O_F(c=Field("concentration", "mol/m3", "x=cells", optional=True))
    gappy = ms.O_F(c=Field("concentration", "mol/m3", "x=cells", finite=False))
    dozens = ms.O_F(n=Field("count", "dozen", dtype="int64"))
    ones = ms.O_F(n=Field("count", dtype="int64"))
    bare_kelvin = ms.O_F(plain=True, T=Field("temperature", "K"))
    bare_celsius = ms.O_F(plain=True, t=Field("temperature", "degC"))
    heat = ms.O_F(h=Field("energy", "J", extensive=True))
    some_heat = ms.O_F(h=Field("energy", "J"))
    voigt = ms.O_F(s=Field("stress", "Pa", "ij=6", tensor="voigt", frame="sample"))
    mandel = ms.O_F(s=Field("stress", "Pa", "ij=6", tensor="mandel", frame="sample"))
    crystal = ms.O_F(s=Field("stress", "Pa", "ij=6", tensor="voigt", frame="crystal"))
    cells_of_grid = ms.O_F(T=Field("temperature", "K", "x y", mesh="grid", location="cell"))
    points_of_grid = ms.O_F(T=Field("temperature", "K", "x y", mesh="grid", location="vertex"))
    other_grid = ms.O_F(T=Field("temperature", "K", "x y", mesh="other", location="cell"))

    grid = ms.Mesh("rectilinear", "x y", "EPSG:25832")
    other = ms.Mesh("rectilinear", "x y", "EPSG:4326")
    cells: Annotated[int, "1", "points along x", Ge(1)] = 16
    State = Nothing


class Drain(ms.ScaleModel):
    """Takes one of many, once."""

    warmth = ms.F_INIT(optional=True, T=Field("temperature", "degC"))
    plane = ms.F_INIT(optional=True, T=Field("temperature", "K", "x y"))
    vector = ms.F_INIT(optional=True, v=Field("velocity", "m/s", "xyz=3"))
    line = ms.F_INIT(optional=True, c=Field("concentration", "mol/m3", "x=points"))
    upright = ms.F_INIT(optional=True, c=Field("concentration", "mol/m3", "z"))
    ones = ms.F_INIT(optional=True, n=Field("count", dtype="int64"))
    bare = ms.F_INIT(optional=True, plain=True, T=Field("temperature", "K"))
    heat = ms.F_INIT(optional=True, h=Field("energy", "J", extensive=True))
    voigt = ms.F_INIT(
        optional=True, s=Field("stress", "Pa", "ij=6", tensor="voigt", frame="sample")
    )
    on_grid = ms.F_INIT(
        optional=True, T=Field("temperature", "K", "x y", mesh="grid", location="cell")
    )

    grid = ms.Mesh("rectilinear", "x y", "EPSG:25832")
    points: Annotated[int, "1", "points along x", Ge(1)] = 16
    State = Nothing


class Rod(ms.ScaleModel):
    """A rod whose length nobody can guess."""

    out = ms.O_F(T=Field("temperature", "K"))

    length: Annotated[float, "m", "length of the rod", Gt(0)]
    begin: Annotated[float, "s", "begin of heating", Ge(0)] = 0.0
    end: Annotated[float, "s", "end of heating", Ge(0)] = 1.0
    insulated: Annotated[bool, "1", "whether heat is kept in"] = True
    title: Annotated[str, "1", "what the report calls it"] = "rod"
    shape: Annotated[Literal["round", "square"], "1", "of the cross section"] = "round"
    segments: Annotated[list[float], "m", "lengths of its parts"] = [1.0]
    tables: Annotated[str, "1", "conductivities", ms.InputFiles()] = "measured"
    State = Nothing

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.begin > self.end:
            raise ms.Refused(f"begin = {self.begin:g} s comes after end = {self.end:g} s")


class Millimetres(ms.ScaleModel):
    """Gives its length in another unit."""

    out = ms.O_F(T=Field("temperature", "K"))
    length: Annotated[float, "mm", "length of it", Gt(0)] = 1.0
    State = Nothing
