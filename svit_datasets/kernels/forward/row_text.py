"""Plain native records to rows of a LLaVA file as bytes, as ``encode_ascii`` writes what ``to_rows`` makes."""

from __future__ import annotations

from typing import Any

from svit_datasets.converters.llava_layout import IMAGE_TOKEN, SENTENCES
from svit_datasets.kernels.borrowed import borrow_bytes, borrow_table
from svit_datasets.kernels.compiled import compiled
from svit_datasets.kernels.crc import CRC_BEGIN, crc_add, crc_number, crc_run
from svit_datasets.kernels.forward.plain_records import (
    BEGIN,
    COUNT,
    END,
    FIRST,
    FIRST_TEXT,
    ID_BEGIN,
    ID_END,
    TEXTS,
)
from svit_datasets.kernels.forward.provenance import write_svit
from svit_datasets.kernels.forward.turn_text import write_text
from svit_datasets.kernels.json_text import crc_spelt
from svit_datasets.kernels.sums import add_turn, character
from svit_datasets.kernels.text import as_bytes, write_bytes, write_number, write_part

# Columns of ``places``: folder, how often the image came before, its width (``ORIGINAL``, ``UNKNOWN``) and height.
FOLDER, COPY, WIDTH, HEIGHT = range(4)
FOLDERS = ("vg/VG_100K/", "vg/VG_100K_2/")
_ROOM_PER_BYTE, _ROOM = 8, 4096  # a record's rows are never longer than so many times its own bytes, and so many more
_SENTENCES = tuple(as_bytes(f"\\n{sentence}") for sentence in SENTENCES)
_FIRST_SENTENCE, _SECOND_SENTENCE, _THIRD_SENTENCE = _SENTENCES
_OPEN_ID, _OPEN_IMAGE, _OPEN_TURNS = map(as_bytes, ('{"id":"', '","image":"', '.jpg","conversations":['))
_FIRST_FOLDER, _SECOND_FOLDER = map(as_bytes, FOLDERS)
_OPEN_FIRST = as_bytes(f'{{"from":"human","value":"{IMAGE_TOKEN}\\n')
_OPEN_HUMAN, _OPEN_GPT, _CLOSE_TURN = map(as_bytes, ('{"from":"human","value":"', '{"from":"gpt","value":"', '"},'))
_CLOSE_ROW, _NEXT_ROW = as_bytes("]}"), as_bytes(",\n")


@compiled
def write_rows(
    data: Any,
    records: Any,
    conversations: Any,
    texts: Any,
    first: int,
    last: int,
    index: int,
    places: Any,
    is_exact: bool,
    task: Any,
    letter: int,
    seed_crc: int,
    has_sentences: bool,
    has_provenance: bool,
    out: Any,
    marks: Any,
    sums: Any,
) -> tuple[int, int, int]:
    """Write the rows of plain records until one is not plain or has no room, with ",\\n" between rows.

    Args:
        data: The bytes that the tables are of.
        records: See ``native_scan``.
        conversations: Likewise.
        texts: Likewise.
        first: Number of the first record to write, in the tables.
        last: Number behind the last.
        index: Number of the first among the records of its task.
        places: Columns ``FOLDER`` (-1: the record is not plain) to ``HEIGHT`` for each record of the table.
        is_exact: Whether boxes are moved without rounding to whole pixels.
        task: The task's name.
        letter: Its letter.
        seed_crc: Running CRC-32 behind what the choice of each sentence begins with.
        has_sentences: Whether formatting sentences are put behind questions.
        has_provenance: Whether rows have the key ``svit``.
        out: Where the rows go.
        marks: Room for the marks of a row.
        sums: Room for a character for each turn of a row.

    Returns:
        The number behind the last record that was written; the index behind the last row, and behind the first.
    """
    data, task, out, marks, sums = (
        borrow_bytes(data),
        borrow_bytes(task),
        borrow_bytes(out),
        borrow_bytes(marks),
        borrow_bytes(sums),
    )
    records, conversations, texts = borrow_table(records), borrow_table(conversations), borrow_table(texts)
    places = borrow_table(places)
    at, end_of_first = 0, 0
    for number in range(first, last):
        record, place = records[number], places[number]
        room = (record[END] - record[BEGIN]) * _ROOM_PER_BYTE + _ROOM
        if at + room > len(out) or room > len(marks) or place[FOLDER] < 0:
            return number, at, end_of_first
        id_crc = crc_run(seed_crc, data, record[ID_BEGIN], record[ID_END])
        if place[COPY]:
            id_crc = crc_number(crc_add(id_crc, 46), place[COPY])
        id_crc = crc_add(id_crc, 45) if has_sentences else -1
        position = index + number - first if has_provenance else -1
        behind, end_of_row = _write_record(
            data, record, conversations, texts, position, place, is_exact, task, letter, id_crc, out, at, marks, sums
        )
        if behind < 0:
            return number, at, end_of_first
        at, end_of_first = behind, end_of_first if at else end_of_row
    return last, at, end_of_first


@compiled
def _write_record(
    data: Any,
    record: Any,
    conversations: Any,
    texts: Any,
    position: int,
    place: Any,
    is_exact: bool,
    task: Any,
    letter: int,
    id_crc: int,
    out: Any,
    at: int,
    marks: Any,
    sums: Any,
) -> tuple[int, int]:
    """Write the rows of a record; return the index behind them (-1: not plain), and behind the first of them.

    ``position`` is -1 for no provenance, ``id_crc`` for no formatting sentences.
    """
    end_of_first = 0
    for i in range(record[COUNT]):
        conversation = conversations[record[FIRST] + i]
        at = write_bytes(out, at, _NEXT_ROW) if at else at
        sentence_crc = crc_add(crc_number(id_crc, i), 47) if id_crc >= 0 else -1
        at = _write_head(data, record, place, task, i, out, at)
        at, mark_end, total = _write_turns(
            data, conversation, texts, place, is_exact, sentence_crc, out, at, marks, sums
        )
        if at >= 0 and position >= 0:
            at = write_svit(data, record, conversation, position, i, letter, total, out, at, marks, mark_end, sums)
        elif at >= 0:
            at = write_bytes(out, at, _CLOSE_ROW)
        if at < 0:
            return -1, 0
        end_of_first = end_of_first if i else at
    return at, end_of_first


@compiled
def _write_head(data: Any, record: Any, place: Any, task: Any, i: int, out: Any, at: int) -> int:
    """Write the id and the image of a row."""
    at = write_bytes(out, write_bytes(out, at, _OPEN_ID), task)
    out[at] = 45
    at = write_part(out, at + 1, data, record[ID_BEGIN], record[ID_END])
    if place[COPY]:
        out[at] = 46
        at = write_number(out, at + 1, place[COPY])
    out[at] = 45
    at = write_bytes(out, write_number(out, at + 1, i), _OPEN_IMAGE)
    at = write_bytes(out, at, _SECOND_FOLDER) if place[FOLDER] else write_bytes(out, at, _FIRST_FOLDER)
    return write_bytes(out, write_part(out, at, data, record[ID_BEGIN], record[ID_END]), _OPEN_TURNS)


@compiled
def _write_turns(
    data: Any,
    conversation: Any,
    texts: Any,
    place: Any,
    is_exact: bool,
    sentence_crc: int,
    out: Any,
    at: int,
    marks: Any,
    sums: Any,
) -> tuple[int, int, int]:
    """Write the turns of a row; return the index behind them (-1: not plain), behind the marks, and the sum of all."""
    mark_at, total = 0, 0
    for turn in range(conversation[TEXTS]):
        number = conversation[FIRST_TEXT] + turn
        begin, end = texts[number, 0], texts[number, 1]
        is_question = turn % 2 == 0
        if turn:
            marks[mark_at] = 124
            mark_at += 1
        if is_question and sentence_crc >= 0:
            marks[mark_at] = 126
            mark_at += 1
        if turn == 0:
            at = write_bytes(out, at, _OPEN_FIRST)
        else:
            at = write_bytes(out, at, _OPEN_HUMAN) if is_question else write_bytes(out, at, _OPEN_GPT)
        text_at = at
        at, mark_at, has_escapes = write_text(
            data, begin, end, out, at, marks, mark_at, is_exact, place[WIDTH], place[HEIGHT]
        )
        if at < 0:
            return -1, 0, 0
        crc = crc_spelt(CRC_BEGIN, out, text_at, at) if has_escapes else crc_run(CRC_BEGIN, out, text_at, at)
        if is_question and sentence_crc >= 0:
            sentence_at = at
            at = _write_sentence(out, at, (crc_number(sentence_crc, turn) ^ CRC_BEGIN) % 3)
            crc = crc_run(crc_add(crc, 10), out, sentence_at + 2, at)
        crc ^= CRC_BEGIN
        total = add_turn(total, turn, crc)
        sums[turn] = character(crc)
        at = write_bytes(out, at, _CLOSE_TURN)
    return at - 1, mark_at, total


@compiled
def _write_sentence(out: Any, at: int, number: int) -> int:
    if number == 0:
        return write_bytes(out, at, _FIRST_SENTENCE)
    return write_bytes(out, at, _SECOND_SENTENCE) if number == 1 else write_bytes(out, at, _THIRD_SENTENCE)
