"""The Numba backend: the fallback where there is no compiled core."""

from gradstep.backends.numba.backend import NumbaBackend

__all__ = ["NumbaBackend"]
