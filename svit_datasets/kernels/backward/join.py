"""Native conversations, already JSON text, put together as native records."""

from __future__ import annotations

from typing import Any

from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.text import as_bytes, write_bytes, write_number, write_part

_IMAGE, _CONVERSATIONS = as_bytes('{"image_id":'), as_bytes(',"conversations":[')
_BETWEEN, _BEHIND, _NEXT = map(as_bytes, (",", "]}", ",\n"))
RECORD_BYTES = len(_IMAGE) + len(_CONVERSATIONS) + len(_BEHIND) + len(_NEXT) + 20  # beside its conversations, at most


@compiled
def join_records(stored: Any, begins: Any, ends: Any, firsts: Any, images: Any, out: Any) -> tuple[int, int]:
    r"""Write native records as the elements of a list are written, joined by a comma and a line break.

    Args:
        stored: Holds the conversations.
        begins: Where each begins.
        ends: Where each ends.
        firsts: Number of the first conversation of each record, and behind them the number of all.
        images: The image id of each record.
        out: Where to write.

    Returns:
        The place behind the first record, and behind all.

    >>> import numpy as np
    >>> stored, out = np.frombuffer(b"{}", np.uint8), np.zeros(99, np.uint8)
    >>> begins, ends, firsts, images = (np.array(n) for n in ([0, 0], [2, 2], [0, 2], [7]))
    >>> bytes(out[: join_records(stored, begins, ends, firsts, images, out)[1]])
    b'{"image_id":7,"conversations":[{},{}]}'
    """
    to, first_end = 0, 0
    for record in range(len(images)):
        if record:
            to = write_bytes(out, to, _NEXT)
        to = write_number(out, write_bytes(out, to, _IMAGE), images[record])
        to = write_bytes(out, to, _CONVERSATIONS)
        for i in range(firsts[record], firsts[record + 1]):
            if i > firsts[record]:
                to = write_bytes(out, to, _BETWEEN)
            to = write_part(out, to, stored, begins[i], ends[i])
        to = write_bytes(out, to, _BEHIND)
        if not record:
            first_end = to
    return first_end, to
