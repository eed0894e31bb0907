"""The axes of a padded image, and what becomes of a thousandth on one: ``boxes.pad`` as a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.compiled import compiled

ORIGINAL, UNKNOWN = -1, 0  # in place of a width: boxes stay as they are; boxes are not plain
_NEAR_HALF = 1e-6  # nearer to the middle of two thousandths, the last bits tell
_SPLIT = 134217729.0  # 2**27 + 1: what a product with it keeps of a float has half the bits


@compiled
def pad_thousandth(number: int, length_px: int, offset_px: int, side_px: int, is_exact: bool) -> int:
    """Return the thousandth that ``boxes.pad`` gives for one: the same arithmetic on the same floats.

    Args:
        number: The thousandth, 0 to 1000.
        length_px: See ``boxes.Axis``.
        offset_px: Likewise.
        side_px: Likewise.
        is_exact: Whether the position is not rounded to whole pixels.

    >>> [pad_thousandth(number, 480, 80, 640, False) for number in (0, 471, 1000)]
    [125, 478, 875]
    """
    position_px = number / 1000 * length_px
    if not is_exact:
        position_px = np.rint(position_px)
    padded = (position_px + offset_px) / side_px
    thousandths = padded * 1000
    below = int(thousandths)
    beyond = thousandths - below - 0.5
    if abs(beyond) < _NEAR_HALF:
        beyond = _compare(padded, 2 * below + 1)
        if beyond == 0:
            return below + below % 2
    return below + 1 if beyond > 0 else below


@compiled
def _compare(padded: float, two_thousandths: int) -> float:
    """Return by how much a fraction is more than some two-thousandths, with the right sign; it must be near them."""
    product = padded * _SPLIT
    upper = product - (product - padded)
    difference: Any = (upper * 2000 - two_thousandths) + (padded - upper) * 2000
    return float(difference)
