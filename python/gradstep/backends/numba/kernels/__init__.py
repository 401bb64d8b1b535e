"""The kernels of the Numba backend: the loops that numba compiles, and the arrays they take."""
