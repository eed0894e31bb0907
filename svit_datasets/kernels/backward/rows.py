"""Rows as ``to_llava`` writes them, from their JSON text to that of native conversations, a whole run at a time.

A row is taken where everything is as it was written: keys, order, roles, path, place, and both sums, whatever white
space stands between tokens. The first row that is not ends the run.
"""

from __future__ import annotations

from typing import Any

from svit_datasets.converters.llava_layout import IMAGE_TOKEN, SENTENCES
from svit_datasets.kernels.backward.boxes import restore_turn
from svit_datasets.kernels.backward.read import (
    AT,
    BODY,
    IMAGE,
    MARKS,
    MOST_TURNS,
    START,
    SUM,
    TOPIC,
    end_of_word,
    image_of,
    read_place,
    read_svit,
    read_turns,
    word,
)
from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.crc import CRC_BEGIN, crc_run
from svit_datasets.kernels.json_tokens import skip_key, skip_space, skip_token
from svit_datasets.kernels.sums import OWN_CHARACTERS, TEXT_CHARACTERS, add_turn, has_sum, own_crc
from svit_datasets.kernels.text import as_bytes, stands, write_bytes, write_part

_ID, _IMAGE, _TURNS, _SVIT = map(as_bytes, ('"id"', '"image"', '"conversations"', '"svit"'))
_OPEN, _CLOSE, _CLOSE_LIST, _COMMA, _QUOTE = map(as_bytes, '{}],"')
_HEAD = as_bytes(f"{IMAGE_TOKEN}\n")
_SENTENCES = tuple(as_bytes(f"\n{sentence}") for sentence in SENTENCES)
_TOPIC_TO, _NULL_TO = as_bytes('"topic":"'), as_bytes('"topic":null,')
_CONTENT_TO, _NEXT_TO = as_bytes('"content":['), as_bytes('",')
_ROLES_TO = (as_bytes('{"from":"user","value":"'), as_bytes('{"from":"gpt","value":"'))
_PIPE, _TILDE, _LINE_BREAK = b"|~\n"


@compiled
def _question_end(text: Any, begin: int, end: int) -> int:
    """Return where a question ends and its formatting sentence begins; -1 without one."""
    for sentence in _SENTENCES:
        at = end - len(sentence)
        if at >= begin and stands(text, at, end, sentence):
            return at
    return -1


@compiled
def _put_turns(data: Any, place: Any, text: Any, turns: Any, count: int, out: Any, to: int) -> int:
    """Write the native turns; return the place behind, -1 where pieces do not fit."""
    piece, marks_end = place[MARKS], place[MARKS + 1]
    has_marks = piece < marks_end
    for turn in range(count):
        stop = piece
        while stop < marks_end and data[stop] != _PIPE:
            stop += 1
        if has_marks and (stop < marks_end) != (turn < count - 1):
            return -1
        begin, end = turns[turn], turns[turn + 1]
        if piece < stop and data[piece] == _TILDE:
            end, piece = _question_end(text, begin, end), piece + 1
            if end < 0:
                return -1
        to = write_bytes(out, to, _ROLES_TO[1]) if turn & 1 else write_bytes(out, to, _ROLES_TO[0])
        to = restore_turn(text, begin, end, data, piece, stop, out, to)
        if to < 0:
            return -1
        out[to], out[to + 1] = _QUOTE[0], _CLOSE[0]
        out[to + 2] = _COMMA[0] if turn < count - 1 else _CLOSE_LIST[0]
        to += 3
        piece = stop + 1 if has_marks else marks_end
    return to


@compiled
def _put_conversation(data: Any, place: Any, text: Any, turns: Any, count: int, out: Any, to: int) -> int:
    """Write the native conversation; return the place behind, -1 where pieces do not fit."""
    out[to] = _OPEN[0]
    to += 1
    if place[TOPIC] >= 0 and place[TOPIC + 1] < 0:
        to = write_bytes(out, to, _NULL_TO)
    elif place[TOPIC] >= 0:
        to = write_bytes(out, to, _TOPIC_TO)
        to = write_bytes(out, write_part(out, to, data, place[TOPIC], place[TOPIC + 1]), _NEXT_TO)
    to = _put_turns(data, place, text, turns, count, out, write_bytes(out, to, _CONTENT_TO))
    if to < 0:
        return -1
    out[to] = _CLOSE[0]
    return to + 1


@compiled
def _has_sums(data: Any, place: Any, text: Any, turns: Any, count: int) -> bool:
    """Tell whether the checksums of a row are right, but for those of single turns, which only say where it is not."""
    total = 0
    for turn in range(count):
        total = add_turn(total, turn, crc_run(CRC_BEGIN, text, turns[turn], turns[turn + 1]) ^ CRC_BEGIN)
    own = own_crc(
        data, place[AT], place[AT + 1], place[TOPIC] >= 0, data, place[TOPIC], place[TOPIC + 1],
        data, place[MARKS], place[MARKS + 1],
    )  # fmt: skip
    at, own_at = place[SUM], place[SUM] + TEXT_CHARACTERS
    if place[SUM + 1] < own_at + OWN_CHARACTERS or not has_sum(data, own_at, own, OWN_CHARACTERS):
        return False
    return has_sum(data, at, total, TEXT_CHARACTERS)


@compiled
def take_row(data: Any, at: int, end: int, work: Any, out: Any, to: int, table: Any, row: int) -> tuple[int, int]:
    """Take one row.

    Args:
        data: JSON text.
        at: Where the row begins.
        end: End of the text.
        work: Scratch space: bytes, and whole numbers.
        out: Where to write the row's id and its native conversation.
        to: Place to write at.
        table: Takes down what is known of the row.
        row: The row's column in it.

    Returns:
        The places behind the row and behind what was written; -1 where the row is not plain.
    """
    text, numbers = work
    turns, place = numbers[: MOST_TURNS + 1], numbers[MOST_TURNS + 1 :]
    at = skip_token(data, skip_key(data, skip_token(data, at, end, _OPEN), end, _ID), end, _QUOTE)
    id_begin, id_end = at, end_of_word(data, at, end)
    at = id_end + 1 if id_end >= 0 else -1
    at = word(data, skip_key(data, skip_token(data, at, end, _COMMA), end, _IMAGE), end, place, AT)
    if at < 0:
        return -1, to
    image = image_of(data, place[AT], place[AT + 1])
    turns[0] = 0
    at, count = read_turns(data, skip_key(data, skip_token(data, at, end, _COMMA), end, _TURNS), end, text, turns)
    at = read_svit(data, skip_key(data, skip_token(data, at, end, _COMMA), end, _SVIT), end, place)
    at = skip_token(data, at, end, _CLOSE)
    if at < 0 or image < 0 or read_place(data, place[AT], place[AT + 1], table, row) < 0 or table[IMAGE, row] != image:
        return -1, to
    if not stands(text, 0, turns[1], _HEAD):
        return -1, to
    turns[0] = len(_HEAD)
    if not _has_sums(data, place, text, turns, count):
        return -1, to
    table[START, row] = to
    to = write_part(out, to, data, id_begin, id_end)
    table[BODY, row] = to
    to = _put_conversation(data, place, text, turns, count, out, to)
    return (at, to) if to >= 0 else (-1, 0)


@compiled
def _after_row(data: Any, at: int, end: int, is_line: bool) -> int:
    """Return the place behind the comma, or the line break, that follows a row; -1 where another byte does."""
    if not is_line:
        return skip_token(data, at, end, _COMMA)
    while at < end and (data[at] == 32 or data[at] == 9 or data[at] == 13):
        at += 1
    return at + 1 if at < end and data[at] == _LINE_BREAK else -1


@compiled
def _has_line_break(data: Any, begin: int, end: int) -> bool:
    for i in range(begin, end):  # noqa: SIM110
        if data[i] == _LINE_BREAK:
            return True
    return False


@compiled
def take_rows(
    data: Any, at: int, stop: int, is_lines: bool, longest: int, head: Any, work: Any, out: Any, table: Any
) -> tuple[int, int, int]:
    """Take rows as long as they are plain and a comma or a line break follows them.

    Args:
        data: JSON text.
        at: Where a row begins.
        stop: A row whose comma or line break stands there or behind is not taken.
        is_lines: Whether rows are lines, not elements of a list.
        longest: Most bytes of a row.
        head: What every row must begin with.
        work: See ``take_row``.
        out: Likewise.
        table: Likewise.

    Returns:
        How many rows were taken, the place behind the last one's comma or line break, and that behind what was written.
    """
    count, to, behind, end = 0, 0, at, len(data)
    while count < table.shape[1] and stands(data, at, end, head):
        row_end, wrote = take_row(data, at, end, work, out, to, table, count)
        if row_end < 0 or row_end - at > longest or (is_lines and _has_line_break(data, at, row_end)):
            break
        after = _after_row(data, row_end, end, is_lines)
        if after < 0 or after > stop:
            break
        count, to, behind = count + 1, wrote, after
        at = after if is_lines else skip_space(data, after, end)
    return count, behind, to
