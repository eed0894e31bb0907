"""Whether kernels can be compiled, and the decorator that compiles them.

Only kernels and their callers import this: numba takes half a second. What was compiled is kept beside the module, or
in the user's cache folder where that cannot be written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` compiled on its first call; it runs without the interpreter's lock."""
    return cast(Callable[P, R], numba.njit(cache=True, nogil=True)(function))
