"""Loops over bytes, compiled to machine code where numba can be imported; what they leave alone goes the plain way.

A kernel takes only what is surely ordinary and says how far it came; the modules above go on from there, record by
record, so that the same bytes come out with and without it. Kernels are plain functions over numpy arrays.
"""
