"""Values inside native records: whole numbers, and strings decoded to UTF-8.

Each takes bytes and an index and returns the index behind what it took, or ``ODD`` where it is not ordinary JSON; given
``ODD``, it returns that, so that steps follow each other without a question between them.
"""

from __future__ import annotations

from typing import Any

from svit_datasets.kernels import json_text
from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.json_tokens import skip_byte, skip_space
from svit_datasets.kernels.text import read_digits

ODD = -1  # as in ``json_tokens``
_decode = json_text.read_string


@compiled
def read_whole(data: Any, at: int, stop: int) -> tuple[int, int]:
    """Read a whole number of 0 or more behind white space; it must be followed by white space or a comma.

    >>> import numpy as np
    >>> read_whole(np.frombuffer(b" 2315,", np.uint8), 0, 6)
    (5, 2315)
    """
    begin = skip_space(data, at, stop)
    number, at = read_digits(data, begin, stop)
    is_whole = begin < at < stop and (data[begin] != 48 or at == begin + 1)
    if is_whole and (data[at] == 44 or skip_space(data, at, at + 1) > at):
        return at, number
    return ODD, 0


@compiled
def read_string(data: Any, at: int, stop: int, out: Any, to: int) -> tuple[int, int]:
    """Decode a string behind white space into ``out`` from ``to`` on; also return where its text ends there.

    Not ordinary are control characters, lone surrogates, and what is no UTF-8.

    >>> import numpy as np
    >>> out = np.zeros(9, np.uint8)
    >>> read_string(np.frombuffer(b' "caf\\\\u00e9"', np.uint8), 0, 12, out, 0), bytes(out[:5]).decode()
    ((12, 5), 'café')
    """
    return _decode(data, skip_byte(data, at, stop, 34), stop, out, to)
