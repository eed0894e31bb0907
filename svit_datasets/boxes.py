"""Box conventions and their arithmetic. All pure; coordinates travel as the text that stands in the data.

Two frames matter here. *Original*: fractions of the stored image's width and height. *Padded*: fractions of
the square that LLaVA's loader makes by centring the image on a canvas of side ``max(w, h)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

Size: TypeAlias = tuple[int, int]
Rounding = Literal["pixel", "exact"]


class Axis(NamedTuple):
    """One axis of an image on its padded square, in pixels.

    Attributes:
        length_px: Width (x) or height (y) of the image.
        offset_px: Where the image begins on the square: ``(side - length) // 2``.
        side_px: Side of the square.
    """

    length_px: int
    offset_px: int
    side_px: int


def padded_axes(size_wh: Size) -> tuple[Axis, Axis]:
    """Return the x and y axis of an image that is centred on a square, as LLaVA's ``expand2square`` does.

    Args:
        size_wh: Width and height in pixels.

    Returns:
        The x axis and the y axis.

    >>> padded_axes((640, 480))
    (Axis(length_px=640, offset_px=0, side_px=640), Axis(length_px=480, offset_px=80, side_px=640))
    """
    side = max(size_wh)
    x, y = (Axis(length, (side - length) // 2, side) for length in size_wh)
    return x, y


def pad(coordinate: str, axis: Axis, *, rounding: Rounding = "pixel") -> str:
    """Move a coordinate from the original frame to the padded one.

    ``pixel`` is the arithmetic of SVIT's own LLaVA copy: to whole pixels with Python's ``round``, plus the
    offset, then to 3 decimals. ``exact`` leaves the whole pixels out. Both print as Python prints the float.

    Args:
        coordinate: Fraction of the original image along ``axis``, as text.
        axis: The axis.
        rounding: ``pixel`` or ``exact``.

    Returns:
        Fraction of the padded square, as text.

    Raises:
        OverflowError: The number is beyond what a float holds.

    >>> x, y = padded_axes((640, 480))
    >>> pad("0.471", x), pad("0", y), pad("1.0", y), pad("0.471", x, rounding="exact")
    ('0.47', '0.125', '0.875', '0.471')
    """
    length_px, offset_px, side_px = axis
    position_px: float = float(coordinate) * length_px
    if rounding == "pixel":
        position_px = round(position_px)
    padded = round((position_px + offset_px) / side_px, 3)
    if padded == float("inf"):
        raise OverflowError(coordinate)
    return repr(padded)


def unpad(coordinate: str, axis: Axis) -> str:
    """Move a coordinate from the padded frame back to the original one, as near as can be known.

    The result differs from the coordinate that ``pad`` was given by at most ``unpad_error_bound``.

    Args:
        coordinate: Fraction of the padded square, as text.
        axis: The axis.

    Returns:
        Fraction of the original image, 3 decimals, within 0 and 1, as text.

    Raises:
        OverflowError: The number is beyond what a float holds.

    >>> x, y = padded_axes((640, 480))
    >>> unpad("0.47", x), unpad("0.125", y)
    ('0.47', '0.0')
    """
    length_px, offset_px, side_px = axis
    position_px = round(float(coordinate) * side_px) - offset_px
    return repr(min(1.0, max(0.0, round(position_px / length_px, 3))))


def unpad_error_bound(axis: Axis) -> float:
    """Return the most by which ``unpad(pad(v))`` can differ from ``v``, for v in 0..1, in fractions of the image.

    With ``pixel``, ``pad`` moves v by at most half a pixel, its 3 decimals move it by 0.0005 of the side, and ``unpad``
    rounds to a whole pixel, so that it errs by a whole number d <= 0.0005 * side + 0.5 (0 below 1000 px). With
    ``exact`` the 3 decimals move it by 0.0005 of the side and ``unpad`` by half a pixel. Its own 3 decimals add 0.0005.
    The bound holds for both.

    >>> x, y = padded_axes((640, 480))
    >>> round(unpad_error_bound(y), 6)
    0.002208
    """
    decimals_px = 0.0005 * axis.side_px
    pixels = 0.5 + max(decimals_px, int(decimals_px + 0.5))
    return pixels / axis.length_px + 0.0005 + 1e-9


class Table(dict[str, str]):
    """Coordinate text to coordinate text, each worked out on first use."""

    def __init__(self, convert: Callable[[str], str]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, coordinate: str) -> str:
        text = self._convert(coordinate)
        if len(self) < 4096:  # genuine data has 1,002 spellings; a bound for the rest
            self[coordinate] = text
        return text


@lru_cache(maxsize=512)
def pad_tables(size_wh: Size, rounding: Rounding) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the tables of ``pad`` for the x and the y axis of an image size.

    >>> x, y = pad_tables((640, 480), "pixel")
    >>> y["0.5"]
    '0.5'
    """
    x, y = padded_axes(size_wh)
    return Table(lambda c: pad(c, x, rounding=rounding)), Table(lambda c: pad(c, y, rounding=rounding))


@lru_cache(maxsize=512)
def unpad_tables(size_wh: Size) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the tables of ``unpad`` for the x and the y axis of an image size.

    >>> x, y = unpad_tables((640, 480))
    >>> y["0.5"]
    '0.5'
    """
    x, y = padded_axes(size_wh)
    return Table(lambda c: unpad(c, x)), Table(lambda c: unpad(c, y))
