"""Tell quickly which records have boxes or marks that may be at fault: arithmetic on all boxes of a batch at once.

A box passes where it stands in SVIT's own spelling, ``[0.1, 0.25, 0.333, 1]``, inside the image, with width and height
that padding keeps. A mark passes where ``<st>`` and ``<ed>`` take turns inside one text and each ``<ed>`` has a box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Places = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]

Frame = Literal["original", "padded", "unknown"]
_FRAMES: dict[Frame, int] = {"original": 1, "padded": 2, "unknown": 0}
_PAD = 64  # a box in this spelling is at most 31 bytes long
_OPEN, _CLOSE, _COMMA, _SPACE, _DOT, _ZERO, _LESS, _MORE, _BREAK = b"[], .0<>\0"
_S, _T, _E, _D = b"sted"


def suspect_boxes(joined: Any, sizes: Sequence[tuple[int, int, Frame]]) -> Iterator[tuple[int, int]]:
    """Yield the texts that have a box or mark that may be at fault.

    Args:
        joined: An Arrow array of large strings: the texts of each record with NUL before, between and behind them.
        sizes: Width and height of each record's image in pixels, 0 where unknown, and the frame of its boxes:
            ``original`` in native markup; ``padded`` where ``to-llava`` wrote them; ``unknown`` else.

    Yields:
        Number of the record and of the text in it, from 0; some more than once.
    """
    import numpy as np

    offsets = np.frombuffer(joined.buffers()[1], np.int64)[: len(joined) + 1]
    text = np.zeros(int(offsets[-1]) + 2 * _PAD, np.uint8)
    text[_PAD:-_PAD] = np.frombuffer(joined.buffers()[2], np.uint8)[: offsets[-1]]
    offsets = offsets + _PAD
    opens, marks = np.flatnonzero(text == _OPEN), np.flatnonzero(text == _LESS)
    if len(opens) or len(marks):
        wh = np.array([(w, h, _FRAMES[frame]) for w, h, frame in sizes], np.int64).reshape(-1, 3)
        breaks = np.flatnonzero(text[_PAD:-_PAD] == _BREAK) + _PAD
        of_boxes, of_marks = (np.searchsorted(offsets, places, side="right") - 1 for places in (opens, marks))
        bad_boxes = _bad_boxes(text, opens, wh[of_boxes])
        bad_marks = _bad_marks(text, marks, breaks, wh[of_marks, 2] == _FRAMES["original"])
        bad = np.concatenate([opens[bad_boxes], marks[bad_marks]])
        records = np.concatenate([of_boxes[bad_boxes], of_marks[bad_marks]])
        numbers = np.searchsorted(breaks, bad) - np.searchsorted(breaks, offsets[records]) - 1
        yield from zip(records.tolist(), numbers.tolist(), strict=True)


def _bad_boxes(text: Bytes, opens: Places, wh: Places) -> Flags:
    """Tell which ``[`` begin anything else than a good box behind a marked phrase or another box."""
    import numpy as np

    (x1, y1, x2, y2), ends, is_good = _parse(text, opens)
    is_native, is_padded = wh[:, 2] == _FRAMES["original"], wh[:, 2] == _FRAMES["padded"]
    side = wh[:, :2].max(axis=1, initial=0)
    for low, high, length in ((x1, x2, wh[:, 0]), (y1, y2, wh[:, 1])):
        # Pixels that differ by more than 0.001 of the square's side differ at 3 decimals too.
        kept_px = np.rint(high / 1000 * length) - np.rint(low / 1000 * length)
        is_kept = 1000 * kept_px > 1.001 * side
        offset = (side - length) // 2
        is_inside = (low * side >= 1000 * (offset - 1)) & (high * side <= 1000 * (offset + length + 1))
        is_good &= (high > low) & (~is_native | (side == 0) | is_kept) & (~is_padded | (side == 0) | is_inside)
    before, second = text[opens - 1], text[opens - 2]
    last_end = np.concatenate([[-1], ends])[: len(opens)]
    is_behind_box = (before == _SPACE) & (second == _COMMA) & (opens - 3 == last_end)
    shift = (before == _SPACE).astype("int64")
    mark = opens - 4 - shift
    is_behind_mark = (text[mark] == _LESS) & (text[mark + 1] == _E) & (text[mark + 2] == _D) & (text[mark + 3] == _MORE)
    is_bad: Flags = ~is_good | (is_native & ~is_behind_box & ~is_behind_mark)
    return is_bad


def _parse(text: Bytes, opens: Places) -> tuple[list[Places], Places, Flags]:
    """Return boxes in thousandths, where each ends, and whether it is in the usual spelling and within 0..1."""
    import numpy as np

    at, is_good, found = opens + 1, np.ones(len(opens), bool), []
    for number in range(4):
        value = (text[at] - _ZERO).astype(np.int64)
        is_good &= value <= 1
        has_next = text[at + 1] == _DOT
        at, has_dot, scale = at + 1 + has_next, has_next, 1000
        value = value * scale
        for place in range(3):
            digit = (text[at] - _ZERO).astype(np.int64)
            has_next = has_next & (digit <= 9)
            if place == 0:
                is_good &= has_next | ~has_dot
            scale //= 10
            value += np.where(has_next, digit * scale, 0)
            at = at + has_next
        is_good &= value <= 1000
        found.append(value)
        if number < 3:
            is_good &= (text[at] == _COMMA) & (text[at + 1] == _SPACE)
            at = at + 2
    is_good &= text[at] == _CLOSE
    return found, at, is_good


def _bad_marks(text: Bytes, marks: Places, breaks: Places, is_native: Flags) -> Flags:
    """Tell which ``<`` are no ``<st>`` or ``<ed>`` in turn, or an ``<ed>`` without a box behind it."""
    import numpy as np

    first, second, third = text[marks + 1], text[marks + 2], text[marks + 3]
    is_st = (first == _S) & (second == _T) & (third == _MORE)
    is_ed = (first == _E) & (second == _D) & (third == _MORE)
    shift = (text[marks + 4] == _SPACE).astype(np.int64)
    has_box = text[marks + 4 + shift] == _OPEN
    of_text = np.searchsorted(breaks, marks)
    nth = np.arange(len(marks)) - np.searchsorted(of_text, of_text)
    is_last = np.append(of_text[1:] != of_text[:-1], True)[: len(marks)]
    in_turn = np.where(nth % 2 == 0, is_st & ~is_last, is_ed & has_box)
    is_bad: Flags = ~in_turn | (~is_native & (is_st | is_ed))
    return is_bad
