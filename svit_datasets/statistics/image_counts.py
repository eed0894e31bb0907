"""How many conversations each image has, and how many images there are, in bounded memory. No I/O."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from svit_datasets.statistics.counters import Integers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIMIT = 1 << 20
_BUFFERED = 1 << 16
_HASHES = 1 << 64


class ImageCounts:
    """Conversations per image: exact up to ``limit`` different images, from a sample of ``limit`` images beyond.

    An image is known by 64 bits of a hash; at a million images two fall together with a chance of 1 in 10 million. Past
    the limit the images with the smallest hashes are kept, with all their conversations. They are a fair sample, and
    how close their hashes stand tells how many images there are, to about ``1 / sqrt(limit)``. Two counters add up
    to a third with the same promise.

    >>> seen = ImageCounts()
    >>> for image in ("2", "2", "7"):
    ...     seen.add(image, 3)
    >>> seen.images, dict(seen.per_image().counts), seen.is_exact
    (2, {3: 1, 6: 1}, True)
    """

    __slots__ = ("_buffer", "_hashes", "_times", "is_exact", "limit")

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.is_exact = limit, True
        self._buffer: dict[int, int] = {}
        self._hashes: NDArray[np.uint64] | None = None
        self._times: NDArray[np.int64] | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ImageCounts):
            return NotImplemented
        mine, theirs = (counts.arrays() for counts in (self, other))
        return all(a.tolist() == b.tolist() for a, b in zip(mine, theirs, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def add(self, image: str, conversations: int = 1) -> None:
        """Count conversations about an image, which is any name of it that is always the same."""
        key = int.from_bytes(blake2b(image.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        self._buffer[key] = self._buffer.get(key, 0) + conversations
        if len(self._buffer) >= _BUFFERED:
            self.arrays()

    def take(self, other: ImageCounts) -> None:
        """Count all that ``other`` has seen."""
        self._fold(*other.arrays())
        self.is_exact = self.is_exact and other.is_exact

    def arrays(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Return the hashes of the images that are kept, ascending, and how many conversations each has."""
        import numpy as np

        new = np.fromiter(self._buffer, np.uint64), np.fromiter(self._buffer.values(), np.int64)
        self._buffer = {}
        return self._fold(*new)

    def _fold(
        self, hashes: NDArray[np.uint64], times: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        import numpy as np

        if self._hashes is not None and self._times is not None:
            if not len(hashes):
                return self._hashes, self._times
            hashes, times = np.concatenate((self._hashes, hashes)), np.concatenate((self._times, times))
        known, places = np.unique(hashes, return_inverse=True)
        sums = np.zeros(len(known), np.int64)
        np.add.at(sums, places, times)
        self.is_exact = self.is_exact and len(known) <= self.limit
        self._hashes, self._times = known[: self.limit].copy(), sums[: self.limit].copy()
        return self._hashes, self._times

    @property
    def images(self) -> int:
        """How many images were seen; estimated where ``is_exact`` is false."""
        hashes, _ = self.arrays()
        if self.is_exact:
            return len(hashes)
        return round((len(hashes) - 1) * _HASHES / int(hashes[-1]))

    def per_image(self) -> Integers:
        """Return how many images have how many conversations; of a sample where ``is_exact`` is false."""
        import numpy as np

        seen = Integers()
        for value, times in zip(*np.unique(self.arrays()[1], return_counts=True), strict=True):
            seen.add(int(value), int(times))
        return seen
