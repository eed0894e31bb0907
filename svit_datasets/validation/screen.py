"""Tell quickly which texts are certainly good; the rules look at the rest.

The rules on texts are Python and take about 5 us a text; nearly all texts are good. A screen over a batch of records
finds those that *may* be at fault: one pass of an automaton over all words, and arithmetic on all boxes at once. A
record that passes is proved good; what it stops is only looked at. ``tests/test_validation_screen.py`` holds that
against the rules for generated texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from svit_datasets.boxes import Size
from svit_datasets.validation.box_screen import Frame, suspect_boxes

Suspects = frozenset[int] | None
BREAK = "\0"  # stands before, between and behind the texts of a record

# In RE2's language, where \s and \b know ASCII alone.
_SPACE = r"[\s\x0b\x1c-\x1f\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]"
_EDGES = rf"\x00{_SPACE}*\x00|\x00{_SPACE}|{_SPACE}\x00"
_GARBLED = r"[\x{fffd}\x{c3}\x01-\x08\x0b\x0c\x0e-\x1f\x7f\x{80}-\x{84}\x{86}-\x{9f}]|\x{e2}\x{20ac}"
_TOKENS = r"</s>|<image>|ASSISTANT:|<s>|<unk>|<pad>|<im_"
_WORDS = (
    r"(?i:captions?\b|descriptions?\b|\bmessages?\b|apologi|\bsorry\b"
    rf"|\b(?:on|to|in|from|per){_SPACE}+(?:all{_SPACE}+)?(?:the|these|this|your|both){_SPACE}+(?:[^\x00]{{1,40}})?bounding"
    rf"|(?:given|provided|supplied){_SPACE}+(?:[^\x00]{{1,40}})?bounding|boxes{_SPACE}+(?:given|provided)"
    r"|\bas an?(?:[^a-z])|\bi(?:['\x{2019}]m| am| can| could| do)(?:['\x{2019}n]|\b))"
    r"|[\x{130}\x{131}\x{17f}\x{212a}]"  # letters that Python takes for i, s and k whatever their case
)
_OPEN_END = r"[^.!?\x{2026}\"'\x{2019}\x{201d})\]}>*`%\x{3002}\x{ff01}\x{ff1f}\x00]\x00"
_ENDS = (
    r"[,;:(\[{<&/\x{2013}\x{2014}-]\x00|\[[^\]\x00]*\x00"
    rf"|(?i:{_SPACE}(?:a|an|the|and|or|but|because|while|than|which|into|their|its)\x00)"
    rf"|[a-z]{{2}}[.!?][\"')\x{{2019}}\x{{201d}}]?{_SPACE}+[A-Z](?:\x00|[^\x00]*{_OPEN_END})"
    r"|\x00[^A-Za-z0-9\x00]*\x00"
)
_SUSPECT = "|".join((_EDGES, _GARBLED, _TOKENS, _WORDS, _ENDS))


class Texts(NamedTuple):
    """The texts of one record, as they are screened.

    Attributes:
        joined: They, with ``BREAK`` before, between and behind them.
        size_wh: Size of its image; None leaves out what needs it.
        frame: See ``suspect_boxes``.
    """

    joined: str
    size_wh: Size | None
    frame: Frame


def join_texts(values: Sequence[str], size_wh: Size | None, frame: Frame) -> Texts | None:
    """Return the texts of a record, ready to be screened; None where one holds ``BREAK`` itself.

    >>> join_texts(["Why?", "So."], None, "original").joined
    '\\x00Why?\\x00So.\\x00'
    """
    joined = f"{BREAK}{BREAK.join(values)}{BREAK}"
    return Texts(joined, size_wh, frame) if joined.count(BREAK) == len(values) + 1 else None


def suspects(batch: Sequence[Texts]) -> list[Suspects]:
    """Return for each record the texts in which a rule may find something; that it finds nothing in others is certain.

    Args:
        batch: The records.

    Returns:
        For each, the numbers of such texts from 0; None for any of them.

    >>> [suspects([join_texts(["Why?", text], None, "original")]) for text in ("So.", "So, ", "a <st>cat<ed>.")]
    [[frozenset()], [None], [frozenset({1})]]
    """
    import pyarrow.compute as pc

    if not batch:
        return []
    joined = _to_arrow([texts.joined.encode() for texts in batch])
    sizes = [(*(texts.size_wh or (0, 0)), texts.frame) for texts in batch]
    found: list[set[int]] = [set() for _ in batch]
    for record, number in suspect_boxes(joined, sizes):
        found[record].add(number)
    is_stopped = pc.match_substring_regex(joined, pattern=_SUSPECT).to_pylist()
    return [None if any_text else frozenset(texts) for any_text, texts in zip(is_stopped, found, strict=True)]


def _to_arrow(texts: Sequence[bytes]) -> Any:
    """Return texts as an Arrow array of large strings; four times as fast as from ``str``."""
    import numpy as np
    import pyarrow as pa

    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)))
