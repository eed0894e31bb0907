"""Arrays without a count of their owners.

Numba counts the owners of each array that one compiled function hands to another, in steps that all cores agree on;
where functions are called for every box that is half of the time. A borrowed array is only a place in memory: whoever
passed the array to the kernel keeps it alive until the kernel returns.
"""

from __future__ import annotations

from typing import Any

import numba

from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.starting import without_collection

_numba: Any = numba  # its annotations leave these names out
_types: Any = numba.types


def _at_place(element: Any, dimensions: int) -> Any:
    """Return a compiled function that makes an array of what stands at a place in memory."""
    shape = _types.intp if dimensions == 1 else _types.UniTuple(_types.intp, dimensions)
    signature = _types.Array(element, dimensions, "C")(_types.CPointer(element), shape)
    return _numba.njit(signature, cache=True)(_make_array)


def _make_array(place: Any, shape: Any) -> Any:
    return _numba.carray(place, shape)


with without_collection():  # the first that is compiled makes numba load all that it knows
    _bytes_at = _at_place(_types.uint8, 1)
    _words_at = _at_place(_types.int64, 2)


@compiled
def borrow_bytes(array: Any) -> Any:
    """Return an array of bytes, borrowed."""
    return _bytes_at(array.ctypes, len(array))


@compiled
def borrow_table(array: Any) -> Any:
    """Return a table of 64-bit integers, borrowed."""
    return _words_at(array.ctypes, array.shape)
