"""The peer: a cosine that decays in a closed box of 40^3 cells, by FiPy. Prints s and error."""

import sys
import time

sys.modules["mpi4py"] = None  # one process; without an MPI library its import would fail

import numpy as np  # noqa: E402
from fipy import (  # noqa: E402
    CellVariable,
    DiffusionTerm,
    Grid3D,
    LinearCGSolver,
    TransientTerm,
)

CELLS, STEPS, DT = 40, 20, 0.01

mesh = Grid3D(nx=CELLS, ny=CELLS, nz=CELLS, dx=1 / CELLS, dy=1 / CELLS, dz=1 / CELLS)
z = mesh.cellCenters[2].value
c = CellVariable(mesh=mesh, value=1.0 + np.cos(np.pi * z))
equation = TransientTerm() == DiffusionTerm(coeff=1.0)
solver = LinearCGSolver(tolerance=1e-10, criterion="RHS")
start = time.perf_counter()
for _ in range(STEPS):
    equation.solve(var=c, dt=DT, solver=solver)
seconds = time.perf_counter() - start
exact = 1.0 + np.cos(np.pi * z) * np.exp(-(np.pi**2) * STEPS * DT)
print(seconds, float(np.abs(c.value - exact).max()))
