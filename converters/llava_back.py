"""The way back from the LLaVA-v1.5 layout: exact with provenance, best effort without, foreign records named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

import msgspec

from svit_datasets import grounding
from svit_datasets.boxes import Size
from svit_datasets.check import check_turns
from svit_datasets.converters import infer, provenance
from svit_datasets.converters.base import Back
from svit_datasets.converters.llava_layout import (
    ROLE_OF,
    Options,
    parse_id,
    strip_image,
    strip_sentence,
)
from svit_datasets.converters.llava_rows import Loose, decode_row
from svit_datasets.converters.rendering import renderer
from svit_datasets.converters.sums import text_sum, turn_sum
from svit_datasets.findings import Finding, finding, quote
from svit_datasets.images.visual_genome import parse_path
from svit_datasets.records import TASKS, Conversation, HubRecord, Turn

UNKNOWN = -1
_NATIVE_ROLE = {llava: native for native, llava in ROLE_OF.items()}


def from_row(
    raw: bytes | memoryview,
    sidecar: Callable[[str], bytes | None] | None,
    size_of: Callable[[int], Size | None],
    options: Options,
) -> Back:
    """Convert a record of the LLaVA-v1.5 layout back to the hub.

    Args:
        raw: The record's JSON text.
        sidecar: Gives the provenance kept beside the file for an id.
        size_of: Gives the size of an image, None if it is not known.
        options: How the file was written; ``coordinates`` counts where provenance is missing.

    Returns:
        The conversation, or why there is none.

    Raises:
        msgspec.DecodeError: It is no JSON object.
        UnicodeDecodeError: It is not UTF-8.

    >>> from_row(b'{"image": "coco/train2017/9.jpg", "conversations": []}', None, lambda i: None, Options()).outcome
    'foreign'
    """
    row = decode_row(raw)
    svit = row.svit or (sidecar(row.id) if sidecar and row.id else None)
    place = parse_path(row.image) if row.image else None
    unsafe = _check_path(row.image)
    if svit is not None:
        back = _with_provenance(row, svit, size_of, options)
    elif (
        options.infer
        and place is not None
        and row.turns
        and not infer.is_region_prompt([t.value for t in row.turns[::2]])
    ):
        back = _without_provenance(row, row.turns, place[1], size_of, options)
    else:
        warned = [msgspec.structs.replace(f, severity="warning") for f in unsafe]
        return Back("foreign", None, warned, row_id=row.id)
    record = None if unsafe else back.record
    return Back(back.outcome, record, unsafe + back.findings, back.inferred, row.id)


def _check_path(image: str | None) -> list[Finding]:
    if image is None:
        return []
    path = PurePosixPath(image.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        return [finding("image-path-unsafe", quote(image), path="$.image")]
    return []


def _with_provenance(row: Loose, svit: bytes, size_of: Callable[[int], Size | None], options: Options) -> Back:
    opened = _open(row, svit)
    if isinstance(opened, Finding):
        return Back("edited", None, [opened])
    kept, place, turns = opened
    found = [finding("row-extra-key", quote(k), path=f"$.{k}") for k in row.other_keys]
    shown = parse_path(row.image or "")
    if shown and shown[1] != place.image_id:
        found.append(finding("provenance-image", f"image {shown[1]}, made for {place.image_id}", path="$.image"))
    roles = [t.role for t in turns]
    values = [strip_image(turns[0].value), *(t.value for t in turns[1:])]
    pieces = provenance.pieces_of(kept, len(values))
    native_roles = [_NATIVE_ROLE.get(role, role) for role in roles]
    inferred: dict[str, float] = {}
    is_edited = pieces is None or kept.sum[:6] != text_sum(roles, values)
    try:
        if is_edited or pieces is None:
            texts, inferred = _edited(values, pieces, kept, size_of(place.image_id), options)
            found.append(finding("provenance-edited", "another text", path="$.conversations"))
            wrong = check_turns(native_roles, texts)
            if wrong:
                return Back("edited", None, found + in_rows(wrong))
        else:
            texts = [
                kept.text[str(i)] if str(i) in kept.text else provenance.restore_turn(value, piece)
                for i, (value, piece) in enumerate(zip(values, pieces, strict=True))
            ]
    except _SizeUnknownError:
        return Back("edited", None, [_size_unknown(place.image_id)])
    except ValueError as error:
        return Back("edited", None, [finding("provenance-damaged", str(error), path="$.svit.marks")])
    record = HubRecord(
        task=place.task,
        image_id=place.image_id,
        record_index=place.record_index,
        conversation_index=place.conversation_index,
        conversation=provenance.rebuild(kept, native_roles, texts, has_turns=pieces is not None),
        image=row.image or "",
        record_extra=kept.extra.record,
    )
    return Back("edited" if is_edited else "restored", record, found, inferred)


def _open(row: Loose, svit: bytes) -> tuple[provenance.Provenance, provenance.Place, list[Turn]] | Finding:
    """Return a row's provenance, its place and its turns, or what is wrong with them."""
    try:
        kept = provenance.decode(svit)
    except (ValueError, RecursionError) as error:
        return finding("provenance-damaged", str(error), path="$.svit")
    place = provenance.parse_place(kept.at)
    if place is None:
        return finding("provenance-damaged", quote(kept.at), path="$.svit.at")
    if not row.turns:
        return finding("record-shape", "no list of {from, value}", path="$.conversations")
    damage = provenance.find_damage(kept)
    if damage:
        return finding("provenance-damaged", damage, path="$.svit")
    return kept, place, row.turns


class _SizeUnknownError(Exception):
    """A box must be moved back and the image's size is not known."""


def _size_unknown(image_id: int) -> Finding:
    return finding("image-size-unknown", f"no size of image {image_id}", path="$.image")


def _edited(
    values: list[str],
    pieces: list[str] | None,
    kept: provenance.Provenance,
    size_wh: Size | None,
    options: Options,
) -> tuple[list[str], dict[str, float]]:
    """Return native texts of an edited conversation: exact for the turns that still render to what stands there."""
    texts: list[str] = []
    counts: Counter[str] = Counter()
    is_referring = kept.at.startswith(TASKS["referring_qa"].letter)
    for i, value in enumerate(values):
        is_same = pieces is not None and kept.sum[10 + i : 11 + i] == turn_sum(value)
        native = None
        if is_same and pieces:
            native = _untouched(value, pieces[i], kept.text.get(str(i)), size_wh, options)
        counts["turns_restored" if native is not None else "turns_inferred"] += 1
        if native is None:
            has_sentence = pieces[i].startswith(provenance.ADDED_LINE) if pieces else is_referring and i % 2 == 0
            native = _infer_turn(strip_sentence(value) if has_sentence else value, size_wh, options, counts)
        texts.append(native)
    return texts, _inferred(counts, size_wh)


def _untouched(value: str, piece: str, text: str | None, size_wh: Size | None, options: Options) -> str | None:
    """Return the native text of a turn if it renders to what stands there, in either frame; else None."""
    try:
        body = provenance.strip_added_line(value) if piece.startswith(provenance.ADDED_LINE) else value
        native = text if text is not None else provenance.restore_turn(value, piece)
    except ValueError:
        return None
    for coordinates in ("padded", "original"):
        for rounding in ("pixel", "exact"):
            written = replace(options, coordinates=coordinates, box_rounding=rounding)
            is_sure = coordinates == "original" or size_wh is not None or not any(grounding.find(body))
            if is_sure and renderer(size_wh, written).turn(native).text == body:
                return native
    return None


def _infer_turn(text: str, size_wh: Size | None, options: Options, counts: Counter[str]) -> str:
    is_padded = options.coordinates == "padded"
    if is_padded and size_wh is None and any(True for _ in grounding.find(text)):
        raise _SizeUnknownError
    return infer.infer_text(text, size_wh if is_padded else None, counts)


def _inferred(counts: Counter[str], size_wh: Size | None) -> dict[str, float]:
    bound = {"box_error_bound_max": infer.error_bound(size_wh)} if counts["boxes_inverted"] and size_wh else {}
    return {**counts, **bound}


def _without_provenance(
    row: Loose,
    turns: list[Turn],
    image_id: int,
    size_of: Callable[[int], Size | None],
    options: Options,
) -> Back:
    roles = [_NATIVE_ROLE.get(t.role, t.role) for t in turns]
    values = [strip_image(turns[0].value), *(t.value for t in turns[1:])]
    wrong = check_turns(roles, values)
    if wrong:
        return Back("inferred", None, in_rows(wrong))
    counts: Counter[str] = Counter()
    own_id = parse_id(row.id)
    if own_id and own_id.image_id != image_id:
        own_id = None
    task = own_id.task if own_id else infer.infer_task(values[0::2], values[1::2])
    counts["tasks_from_id" if own_id else "tasks_from_text"] = 1
    counts["places_from_id" if own_id else "places_from_order"] = 1
    if task == "referring_qa":
        stripped = [strip_sentence(v) for v in values[0::2]]
        counts["sentences_removed"] = sum(a != b for a, b in zip(stripped, values[0::2], strict=True))
        values[0::2] = stripped
    try:
        texts = [_infer_turn(v, size_of(image_id), options, counts) for v in values]
    except _SizeUnknownError:
        return Back("inferred", None, [_size_unknown(image_id)])
    record = HubRecord(
        task=task,
        image_id=image_id,
        record_index=UNKNOWN,
        conversation_index=own_id.conversation_index if own_id else UNKNOWN,
        copy=own_id.copy if own_id else 0,
        conversation=Conversation([Turn(r, t) for r, t in zip(roles, texts, strict=True)]),
        image=row.image or "",
    )
    found = [finding("row-extra-key", quote(k), path=f"$.{k}") for k in row.other_keys]
    if counts["boxes_in_padding"]:
        found.append(finding("box-in-padding", f"{counts['boxes_in_padding']} boxes", path="$.conversations"))
    return Back("inferred", record, found, _inferred(counts, size_of(image_id)))


def in_rows(found: list[Finding]) -> list[Finding]:
    """Return findings on a hub conversation with the roles and JSON paths of the LLaVA record.

    >>> in_rows(check_turns(["gpt"], ["So."]))[1].path
    '$.conversations[0].from'
    """
    return [
        msgspec.structs.replace(
            f,
            path=f.path.replace("$.content", "$.conversations"),
            expected=f.expected.replace("'user'", "'human'"),
            found=f.found.replace("'user'", "'human'") if f.code == "turn-role" else f.found,
        )
        for f in found
    ]
