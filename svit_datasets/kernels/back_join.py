"""Native conversations, already JSON text, put together as native records."""

from __future__ import annotations

from typing import Any

import numpy as np

from svit_datasets.kernels.back_bytes import copy, put
from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.text import write_number

_IMAGE = np.frombuffer(b'{"image_id":', np.uint8)
_CONVERSATIONS = np.frombuffer(b',"conversations":[', np.uint8)
_BETWEEN, _BEHIND, _NEXT = (np.frombuffer(text, np.uint8) for text in (b",", b"]}", b",\n"))
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

    >>> stored, out = np.frombuffer(b"{}", np.uint8), np.zeros(99, np.uint8)
    >>> begins, ends, firsts, images = (np.array(n) for n in ([0, 0], [2, 2], [0, 2], [7]))
    >>> bytes(out[: join_records(stored, begins, ends, firsts, images, out)[1]])
    b'{"image_id":7,"conversations":[{},{}]}'
    """
    to, first_end = 0, 0
    for record in range(len(images)):
        if record:
            to = put(_NEXT, out, to)
        to = write_number(out, put(_IMAGE, out, to), images[record])
        to = put(_CONVERSATIONS, out, to)
        for i in range(firsts[record], firsts[record + 1]):
            if i > firsts[record]:
                to = put(_BETWEEN, out, to)
            to = copy(stored, begins[i], ends[i], out, to)
        to = put(_BEHIND, out, to)
        if not record:
            first_end = to
    return first_end, to
