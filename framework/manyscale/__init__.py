"""manyscale: couple models across scales over MUSCLE3. These are the public names."""

from annotated_types import Ge, Gt, Le, Lt

from manyscale.contract.diagnostics import Check, Finding, check
from manyscale.contract.distribution import REPLICATED, ROOT, Held, block
from manyscale.contract.engine import Capabilities, Engine
from manyscale.contract.fields import Array, Field
from manyscale.contract.meshes import Geometry, Mesh, grid
from manyscale.contract.messages import Clock, Contact, Messages, Received, Start
from manyscale.contract.model import Citation, ScaleModel
from manyscale.contract.ports import F_INIT, O_F, O_I, Port, S
from manyscale.contract.pure import pure
from manyscale.contract.quantities import Quantity
from manyscale.contract.random_numbers import random_numbers
from manyscale.contract.ranks import Ranks
from manyscale.contract.refusal import Refused
from manyscale.contract.scales import Scale, Scales
from manyscale.contract.settings import InputFiles
from manyscale.contract.state import State
from manyscale.coupling.graph import Graph
from manyscale.registry.hooks import hookimpl

__version__ = "0.1.0"

__all__ = [
    "F_INIT",
    "O_F",
    "O_I",
    "REPLICATED",
    "ROOT",
    "Array",
    "Capabilities",
    "Check",
    "Citation",
    "Clock",
    "Contact",
    "Engine",
    "Field",
    "Finding",
    "Ge",
    "Geometry",
    "Graph",
    "Gt",
    "Held",
    "InputFiles",
    "Le",
    "Lt",
    "Mesh",
    "Messages",
    "Port",
    "Quantity",
    "Ranks",
    "Received",
    "Refused",
    "S",
    "Scale",
    "ScaleModel",
    "Scales",
    "Start",
    "State",
    "block",
    "check",
    "grid",
    "hookimpl",
    "pure",
    "random_numbers",
]
