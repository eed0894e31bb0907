"""What stands between the strings of JSON text: white space, punctuation, keys.

Each takes bytes and an index and returns the index behind what it took, or -1 where something else stands; given -1, it
returns that, so that steps follow each other without a question between them.
"""

from __future__ import annotations

from typing import Any

from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.text import stands

_COLON = 58


@compiled
def skip_mark(data: Any, at: int, mark: int) -> int:
    """Pass over one byte and the space that may follow it.

    >>> import numpy as np
    >>> skip_mark(np.frombuffer(b'"a": 1', np.uint8), 3, ord(":"))
    5
    """
    if at < 0 or at + 1 >= len(data) or data[at] != mark:
        return -1
    return at + 2 if data[at + 1] == 32 else at + 1


@compiled
def skip_space(data: Any, at: int, end: int) -> int:
    """Return the index of the next byte that is no white space, ``end`` if there is none.

    >>> import numpy as np
    >>> skip_space(np.frombuffer(b"[  ]", np.uint8), 1, 4)
    3
    """
    while 0 <= at < end and (data[at] == 32 or data[at] == 10 or data[at] == 13 or data[at] == 9):
        at += 1
    return at


@compiled
def skip_byte(data: Any, at: int, end: int, byte: int) -> int:
    """Pass over white space and one byte.

    >>> import numpy as np
    >>> skip_byte(np.frombuffer(b" : 1", np.uint8), 0, 4, ord(":"))
    2
    """
    at = skip_space(data, at, end)
    return at + 1 if 0 <= at < end and data[at] == byte else -1


@compiled
def skip_token(data: Any, at: int, end: int, token: Any) -> int:
    """Pass over white space and some bytes.

    >>> import numpy as np
    >>> data = np.frombuffer(b"[ 12]", np.uint8)
    >>> skip_token(data, 1, 5, np.frombuffer(b"12", np.uint8)), skip_token(data, 1, 5, np.frombuffer(b"2", np.uint8))
    (4, -1)
    """
    at = skip_space(data, at, end)
    return at + len(token) if at >= 0 and stands(data, at, end, token) else -1


@compiled
def skip_key(data: Any, at: int, end: int, key: Any) -> int:
    """Pass over white space, a key with its quotes, and the colon.

    >>> import numpy as np
    >>> skip_key(np.frombuffer(b'"from": "user"', np.uint8), 0, 14, np.frombuffer(b'"from"', np.uint8))
    7
    """
    return skip_byte(data, skip_token(data, at, end, key), end, _COLON)
