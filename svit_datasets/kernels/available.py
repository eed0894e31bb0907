"""Whether kernels are used: numba is there, and nobody said no."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

SWITCH = "SVIT_KERNELS"  # 0 takes the plain way everywhere, 1 kernels from the first byte on
_FROM_BYTES = 16 << 20  # less than that the plain way reads in the time that kernels take to load


@cache
def has_kernels() -> bool:
    """Tell whether kernels can be compiled here."""
    return find_spec("numba") is not None


def use_kernels(total_bytes: int | None) -> bool:
    """Tell whether kernels are worth their start for an input of so many bytes; None is an input of unknown size.

    >>> use_kernels(1000)
    False
    """
    said = os.environ.get(SWITCH, "")
    if said in ("0", "1"):
        return said == "1" and has_kernels()
    return (total_bytes is None or total_bytes >= _FROM_BYTES) and has_kernels()
