"""Sizes of files, in words: ``500MB`` to bytes and back. No I/O."""

from __future__ import annotations

import re

from svit_datasets.errors import UsageError

_UNITS = {"": 1, "B": 1} | {
    f"{letter}{base}": (1024 if base else 1000) ** power for power, letter in enumerate("KMGT", 1) for base in ("", "i")
}
_MOST = 1 << 62  # more is all
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?i?)B?", re.I)


def parse_size(text: str | int) -> int:
    """Return a size in bytes.

    Args:
        text: A number of bytes, or a number with a unit as ``datasets`` takes it: ``500MB``, ``1GiB``.

    Returns:
        The number of bytes, at least 1.

    Raises:
        UsageError: It is none.

    >>> parse_size("500MB"), parse_size("1.5 GiB"), parse_size(4096)
    (500000000, 1610612736, 4096)
    """
    match = _SIZE.fullmatch(str(text).strip())
    size = 0
    if match:
        unit = match[2].upper().replace("I", "i")
        size = int(min(float(match[1]) * _UNITS.get(unit, 0), _MOST))
    if size < 1:
        raise UsageError(f"{text!r} is no size; write it as 500MB or 1GiB")
    return size


def show_size(number: int) -> str:
    """Return a number of bytes in a few characters.

    >>> show_size(480_000_000), show_size(12_345), show_size(999), show_size(15_300_000_000)
    ('480 MB', '12 kB', '999 B', '15.3 GB')
    """
    for power, unit in ((3, "GB"), (2, "MB"), (1, "kB")):
        value = number / 1000**power
        if value >= 1:
            return f"{value:.1f} {unit}" if power == 3 and value < 100 else f"{value:.0f} {unit}"
    return f"{number} B"
