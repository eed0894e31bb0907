"""Grounded text as LLaVA's trainer reads it: marks dropped, boxes moved, and what restores them in short."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from svit_datasets import grounding
from svit_datasets.boxes import Size, Table, pad_tables
from svit_datasets.converters.llava_layout import Options

_ORDINARY = re.compile(r"0(?:\.[0-9]+)?|1(?:\.0+)?")


class Rendered(NamedTuple):
    """One turn as rendered.

    Attributes:
        text: The text for the trainer.
        piece: The turn's piece of ``marks``, see ``provenance``.
        is_plain: The native text was surely without faults, and ``piece`` surely restores it.
    """

    text: str
    piece: str
    is_plain: bool


def _pack_ordinary(coordinate: str) -> str:
    if not _ORDINARY.fullmatch(coordinate):
        raise ValueError(coordinate)
    return pack_coordinate(coordinate)


def pack_coordinate(coordinate: str) -> str:
    """Return a coordinate in short, without the 0 before its point.

    >>> pack_coordinate("0.25"), pack_coordinate("0"), pack_coordinate("1.0")
    ('.25', '0', '1.0')
    """
    return coordinate[1:] if coordinate[:2] == "0." else coordinate


PACKED = Table(_pack_ordinary)


class Renderer:
    """Renders the grounded texts of images of one size.

    Args:
        size_wh: Size of the image in pixels; None where no box is moved.
        options: How boxes are written.
    """

    def __init__(self, size_wh: Size | None, options: Options) -> None:
        self._tables: tuple[Mapping[str, str], Mapping[str, str]] | None = None
        if size_wh and options.coordinates == "padded":
            self._tables = pad_tables(size_wh, options.box_rounding)

    def turn(self, native: str) -> Rendered:
        """Render the text of a turn.

        A turn is *plain* when every ``[`` opens a box of a group, every ``<`` a mark of one, boxes are spelt in SVIT's
        way, within 0..1 and in order, and every phrase begins with a letter or digit. Then nothing is at fault;
        and since no bracket is left over and phrases keep groups apart, the same groups are found in the rendered
        text, so the piece restores the native text. Other turns deserve a closer look at both.

        >>> Renderer((640, 480), Options()).turn("A <st>man<ed> [0.25, 0, 0.5, 1.0].")
        Rendered(text='A man [0.25, 0.125, 0.5, 0.875].', piece='3:.25 0 .5 1.0', is_plain=True)
        """
        if not grounding.is_grounded(native):
            return Rendered(native, "", True)
        pieces: list[str] = []
        phrases, boxes_moved = 0, 0

        def render(phrase: str | None, gap: str, boxes: str) -> str:
            nonlocal phrases, boxes_moved
            try:
                moved, packed = self._plain(boxes)
                boxes_moved += 1 + packed.count(" ") // 4
            except (ValueError, OverflowError):
                moved, packed = self._odd(boxes)
            if phrase is None:
                pieces.append(packed)
                return moved
            if gap == " " and phrase[:1].isalnum():
                phrases += 1
            pieces.append(f"{len(phrase)}:{packed}")
            return f"{phrase}{gap}{moved}"

        text = grounding.rewrite(native, render)
        is_plain = native.count("[") == boxes_moved and native.count("<") == 2 * phrases
        return Rendered(text, ";".join(pieces), is_plain)

    def _plain(self, boxes: str) -> tuple[str, str]:
        """Return boxes moved and packed; ValueError where a coordinate or the spelling is out of the ordinary."""
        coordinates = boxes[1:-1].split(", ")
        if len(coordinates) != 4:
            return self._several(boxes)
        x1, y1, x2, y2 = coordinates
        packed = f"{PACKED[x1]} {PACKED[y1]} {PACKED[x2]} {PACKED[y2]}"
        if x1 > x2 or y1 > y2:  # ordinary numbers sort as text
            raise ValueError(boxes)
        if self._tables is None:
            return boxes, packed
        x, y = self._tables
        return f"[{x[x1]}, {y[y1]}, {x[x2]}, {y[y2]}]", packed

    def _several(self, boxes: str) -> tuple[str, str]:
        parts = boxes[1:-1].split("], [")
        if len(parts) == 1:
            raise ValueError(boxes)
        done = [self._plain(f"[{part}]") for part in parts]
        return ", ".join(moved for moved, _ in done), " ".join(packed for _, packed in done)

    def _odd(self, boxes: str) -> tuple[str, str]:
        """Return boxes moved and packed whatever their spelling; as they stand where a number is beyond a float."""
        coordinates = grounding.coordinates(boxes)
        packed = " ".join(map(pack_coordinate, coordinates))
        if self._tables is None:
            return boxes, packed
        moved = coordinates[:]
        try:
            moved[0::2] = map(self._tables[0].__getitem__, coordinates[0::2])
            moved[1::2] = map(self._tables[1].__getitem__, coordinates[1::2])
        except OverflowError:
            return boxes, packed
        return grounding.write_boxes(moved), packed


@lru_cache(maxsize=512)
def renderer(size_wh: Size | None, options: Options) -> Renderer:
    """Return the renderer for a size, made once.

    >>> renderer((640, 480), Options()).turn("none").text
    'none'
    """
    return Renderer(size_wh, options)
