"""Area and shape of boxes, as whole numbers that counters keep exactly. No I/O."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from svit_datasets.boxes import Size, padded_axes, unpad_tables
from svit_datasets.statistics.counters import Integers
from svit_datasets.validation.box_screen import Frame as FrameName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MILLION = 1_000_000
STEPS_AN_OCTAVE = 100
_OCTAVES = 6
_LIMIT = _OCTAVES * STEPS_AN_OCTAVE
_BUFFERED = 1 << 16
_FAULTS = ("outside", "inverted", "empty", "in_padding")
REASONS = (*_FAULTS, "frame_unknown", "area_unknown", "aspect_unknown")


class Frame(NamedTuple):
    """The frame that boxes are in, and what is known of its image.

    Attributes:
        kind: ``original`` where they are fractions of the image, ``padded`` where they are fractions of the padded
            square, ``unknown`` where nothing tells of what.
        size_wh: Size of the image in pixels; None where nothing tells.
    """

    kind: FrameName
    size_wh: Size | None

    @property
    def shape(self) -> float | None:
        """Width of the frame over its height: 1 for the square; None where nothing tells.

        >>> [Frame(kind, (640, 320)).shape for kind in ("original", "padded", "unknown")]
        [2.0, 1.0, None]
        """
        if self.kind == "padded":
            return 1.0
        return None if self.kind == "unknown" or self.size_wh is None else self.size_wh[0] / self.size_wh[1]

    @property
    def tells_areas(self) -> bool:
        """Whether areas in fractions of the image can be known."""
        return self.kind == "original" or (self.kind == "padded" and self.size_wh is not None)

    @property
    def image_xyxy(self) -> tuple[float, float, float, float]:
        """Where the image lies, in fractions of the frame; the whole frame where nothing tells.

        >>> Frame("padded", (640, 480)).image_xyxy
        (0.0, 0.125, 1.0, 0.875)
        """
        if self.kind != "padded" or self.size_wh is None:
            return 0.0, 0.0, 1.0, 1.0
        x, y = padded_axes(self.size_wh)
        x1, y1 = (axis.offset_px / axis.side_px for axis in (x, y))
        x2, y2 = ((axis.offset_px + axis.length_px) / axis.side_px for axis in (x, y))
        return x1, y1, x2, y2


def area_keys(areas: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return areas in millionths of the image, zeros behind their first 4 digits: 28,000 values at most.

    >>> import numpy as np
    >>> area_keys(np.array([0.5, 0.123456, 0.019999, 0.000123])).tolist()
    [500000, 123400, 19990, 123]
    """
    import numpy as np

    millionths = np.rint(areas * MILLION).astype(np.int64)
    steps = 10 ** np.searchsorted([10_000, 100_000, MILLION], millionths, side="right")
    return np.asarray(millionths // steps * steps, np.int64)


def aspect_keys(ratios: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return width over height in hundredths of an octave, rounded down, between 1:64 and 64:1.

    >>> import numpy as np
    >>> aspect_keys(np.array([1, 2, 0.5, 1e9])).tolist()
    [0, 100, -100, 599]
    """
    import numpy as np

    steps = np.floor(np.round(np.log2(ratios) * STEPS_AN_OCTAVE, 6)).astype(np.int64)
    return np.clip(steps, -_LIMIT, _LIMIT - 1)


def ratio_of(step: float) -> float:
    """Return the width over height that a step of ``aspect_key`` begins at.

    >>> ratio_of(100), ratio_of(-50)
    (2.0, 0.7071067811865476)
    """
    return float(2 ** (step / STEPS_AN_OCTAVE))


class BoxCounts:
    """Areas and shapes of boxes, and why some have none.

    >>> counts = BoxCounts()
    >>> counts.add(["0.25", "0.125", "0.75", "0.875"], Frame("padded", (640, 480)))
    >>> counts.area.counts, counts.aspect.counts
    (Counter({500000: 1}), Counter({-59: 1}))
    """

    __slots__ = ("_area", "_aspect", "_frames", "_moved", "_numbers", "_times", "_unmeasured")

    def __init__(self) -> None:
        self._area, self._aspect = Integers(), Integers()
        self._unmeasured = dict.fromkeys(REASONS, 0)
        self._clear()

    def _clear(self) -> None:
        self._numbers: list[float] = []
        self._moved: list[float] = []  # the same in fractions of the image, where that is known
        self._times: list[int] = []  # boxes of each frame
        self._frames: list[tuple[float, ...]] = []  # shape, whether frame and areas are known, image_xyxy

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BoxCounts):
            return NotImplemented
        return (self.area, self.aspect, self.unmeasured) == (other.area, other.aspect, other.unmeasured)

    __hash__ = None  # type: ignore[assignment]

    @property
    def area(self) -> Integers:
        """Areas as ``area_keys`` gives them, in fractions of the image itself, also where boxes are padded."""
        self._fold()
        return self._area

    @property
    def aspect(self) -> Integers:
        """Shapes as ``aspect_keys`` gives them."""
        self._fold()
        return self._aspect

    @property
    def unmeasured(self) -> dict[str, int]:
        """Boxes without an area or a shape, by the reason."""
        self._fold()
        return self._unmeasured

    def take(self, other: BoxCounts) -> None:
        """Count all that ``other`` has seen."""
        self._area.take(other.area)
        self._aspect.take(other.aspect)
        for reason, times in other.unmeasured.items():
            self._unmeasured[reason] += times

    def add(self, coordinates: list[str], frame: Frame) -> None:
        """Count boxes.

        Args:
            coordinates: x1, y1, x2, y2 of each, as written, fractions of the frame.
            frame: Their frame.
        """
        numbers = list(map(float, coordinates))
        self._numbers += numbers
        is_moved = frame.kind == "padded" and frame.size_wh is not None
        self._moved += _on_image(coordinates, numbers, frame.size_wh) if is_moved and frame.size_wh else numbers
        self._times.append(len(numbers) // 4)
        is_known = frame.kind != "unknown"
        self._frames.append((frame.shape or math.nan, is_known, frame.tells_areas, *frame.image_xyxy))
        if len(self._numbers) >= _BUFFERED:
            self._fold()

    def _fold(self) -> None:
        import numpy as np

        if not self._frames:
            return
        # what is beyond 1 is outside, however far
        boxes_xyxy = np.minimum(np.array(self._numbers), 2).reshape(-1, 4)
        moved_xyxy = np.array(self._moved).reshape(-1, 4)
        frames = np.repeat(np.array(self._frames, np.float64), self._times, axis=0)
        shapes, is_known, has_area, images_xyxy = frames[:, 0], frames[:, 1] == 1, frames[:, 2] == 1, frames[:, 3:]
        self._clear()
        reasons = _reasons(boxes_xyxy, images_xyxy)
        self._unmeasured["frame_unknown"] += int(((reasons == len(REASONS)) & ~is_known).sum())
        is_good = (reasons == len(REASONS)) & is_known
        self._count(self._area, area_keys(_area(moved_xyxy[is_good & has_area])))
        self._unmeasured["area_unknown"] += int((is_good & ~has_area).sum())
        has_shape = is_good & ~np.isnan(shapes)
        wide, high = (boxes_xyxy[has_shape, side + 2] - boxes_xyxy[has_shape, side] for side in (0, 1))
        self._count(self._aspect, aspect_keys(wide / high * shapes[has_shape]))
        self._unmeasured["aspect_unknown"] += int((is_good & np.isnan(shapes)).sum())
        for i, reason in enumerate(_FAULTS):
            self._unmeasured[reason] += int((reasons == i).sum())

    @staticmethod
    def _count(counts: Integers, keys: NDArray[np.int64]) -> None:
        import numpy as np

        for key, times in zip(*np.unique(keys, return_counts=True), strict=True):
            counts.add(int(key), int(times))


def _on_image(coordinates: list[str], numbers: list[float], size_wh: Size) -> list[float]:
    """Return coordinates on the padded square in fractions of the image; what lies in the padding moves to its edge."""
    x, y = unpad_tables(size_wh)
    inside = (
        coordinates if max(numbers) <= 1 else [c if n <= 1 else "1" for c, n in zip(coordinates, numbers, strict=True)]
    )
    moved = list[float]()
    for i in range(0, len(inside), 4):
        x1, y1, x2, y2 = inside[i : i + 4]
        moved += float(x[x1]), float(y[y1]), float(x[x2]), float(y[y2])
    return moved


def _area(boxes_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    x1, y1, x2, y2 = boxes_xyxy.T
    area: NDArray[np.float64] = (x2 - x1) * (y2 - y1)
    return area


def _reasons(boxes_xyxy: NDArray[np.float64], images_xyxy: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the index in ``REASONS`` of what is wrong with each box, their number where nothing is."""
    import numpy as np

    x1, y1, x2, y2 = boxes_xyxy.T
    is_beside = (boxes_xyxy[:, 2:] <= images_xyxy[:, :2]) | (boxes_xyxy[:, :2] >= images_xyxy[:, 2:])
    wrong = [boxes_xyxy.max(axis=1) > 1, (x1 > x2) | (y1 > y2), (x1 == x2) | (y1 == y2), is_beside.any(axis=1)]
    return np.select(wrong, range(len(wrong)), len(REASONS))
