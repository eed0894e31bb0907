"""Boxes in both frames: as they are written, and moved by the arithmetic of ``boxes``. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from svit_datasets.boxes import Size, pad_tables, padded_axes, unpad_tables
from svit_datasets.viewer.segments import to_fractions
from svit_datasets.viewer.shapes import Box, Fractions, Frames

Frame = Literal["original", "padded"]
_Tables = tuple[Mapping[str, str], Mapping[str, str]]


def _pad(size_wh: Size) -> _Tables:
    return pad_tables(size_wh, "pixel")


# From the frame that boxes are written in to the other one.
_TO_OTHER: dict[Frame, Callable[[Size], _Tables]] = {"original": _pad, "padded": unpad_tables}


def to_frames(size_wh: Size, written: Frame, *, is_assumed: bool = False) -> Frames:
    """Return the frames of a photo.

    Args:
        size_wh: Its size in stored pixels.
        written: The frame that boxes are written in.
        is_assumed: Whether nothing tells that frame.

    Returns:
        The frames, in pixels.

    >>> to_frames((640, 480), "original")
    Frames(size_wh=(640, 480), side_px=640, offset_xy_px=(0, 80), written='original', is_assumed=False)
    """
    x, y = padded_axes(size_wh)
    return Frames(size_wh, x.side_px, (x.offset_px, y.offset_px), written, is_assumed)


def to_boxes(coordinates: list[str], size_wh: Size | None, written: Frame) -> list[Box]:
    """Return a group's boxes in both frames.

    Args:
        coordinates: Its numbers as written, 4 a box.
        size_wh: Size of the photo in stored pixels; None leaves the other frame out.
        written: The frame that they are written in.

    Returns:
        The boxes.

    >>> to_boxes(["0.25", "0", "0.5", "1"], (640, 480), "original")
    [Box(original=(0.25, 0.0, 0.5, 1.0), padded=(0.25, 0.125, 0.5, 0.875))]
    """
    return [_to_box(coordinates[i : i + 4], size_wh, written) for i in range(0, len(coordinates), 4)]


def _to_box(box: list[str], size_wh: Size | None, written: Frame) -> Box:
    as_written = to_fractions(box)
    moved = as_written and _move(box, size_wh, written)
    pair: dict[Frame, Fractions | None] = {"original": moved, "padded": moved, written: as_written}
    return Box(**pair)


def _move(box: list[str], size_wh: Size | None, written: Frame) -> Fractions | None:
    if size_wh is None:
        return None
    x, y = _TO_OTHER[written](size_wh)
    return to_fractions([x[box[0]], y[box[1]], x[box[2]], y[box[3]]])
