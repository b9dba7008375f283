"""How many threads linear algebra may have in a process: one, since several wait for each other."""

from __future__ import annotations

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""Environment variables that NumPy's and SciPy's libraries read when they are imported."""
