"""The decorator that compiles kernels.

Only kernels and their callers import this: numba takes half a second. What was compiled is kept beside the module, or
in the user's cache folder where that cannot be written, and is used again as long as no kernel changed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from svit_datasets.kernels.starting import without_collection

with without_collection():
    import numba

P = ParamSpec("P")
R = TypeVar("R")
_HERE = Path(__file__).parent
_CONSTANTS = ("records.py", "converters/llava_layout.py")  # of which kernels have values in them


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` compiled on its first call; it runs without the interpreter's lock."""
    # numba looks for changes in the function's own file alone, and calls other kernels as they were compiled with it.
    function.__qualname__ = f"{function.__qualname__}_{_version()}"
    return cast(Callable[P, R], numba.njit(cache=True, nogil=True)(function))


@cache
def _version() -> str:
    """Return a digest of all that is compiled."""
    files = [*sorted(_HERE.rglob("*.py")), *(_HERE.parent / name for name in _CONSTANTS)]
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
