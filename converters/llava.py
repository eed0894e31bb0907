"""The LLaVA-v1.5 mix-665K layout: one record a conversation, boxes on the image padded to a square."""

from __future__ import annotations

from collections.abc import Sequence

from svit_datasets import grounding
from svit_datasets.check import check_turns
from svit_datasets.converters import provenance
from svit_datasets.converters.base import Format, Row
from svit_datasets.converters.llava_back import from_row
from svit_datasets.converters.llava_layout import (
    IMAGE_TOKEN,
    ROLE_OF,
    LlavaRow,
    LlavaTurn,
    Options,
    Rendering,
    choose_sentence,
    make_id,
)
from svit_datasets.findings import Finding, finding
from svit_datasets.records import HubRecord, Turn


def to_row(hub: HubRecord, options: Options) -> Row:
    """Convert a conversation to a record of the LLaVA-v1.5 layout.

    Args:
        hub: The conversation.
        options: How to write it.

    Returns:
        The row, or what keeps it from being written.

    >>> from svit_datasets.records import Conversation, Turn
    >>> hub = HubRecord(task="referring_qa", image_id=2, record_index=0, conversation_index=0,
    ...                 image="vg/VG_100K/2.jpg", size_wh=(640, 480), conversation=Conversation(
    ...     [Turn("user", "Who?"), Turn("gpt", "The <st>man<ed> [0.25, 0, 0.5, 1].")]))
    >>> to_row(hub, Options(provenance="none")).row["conversations"][1]["value"]
    'The man [0.25, 0.125, 0.5, 0.875].'
    """
    path = f"$.conversations[{hub.conversation_index}]"
    content = hub.conversation.content
    rendering = Rendering(hub.size_wh, options)
    values, pieces, found = _render(content, rendering, path)
    if not hub.size_wh and options.coordinates == "padded" and any(pieces):
        found.append(finding("image-size-unknown", f"no size of image {hub.image_id}", path="$.image_id"))
    found += check_turns([t.role for t in content], values, path=path)
    if any(f.severity == "error" for f in found):
        return Row(None, found)
    row_id = make_id(hub)
    if options.instruction and hub.task == "referring_qa":
        for i in range(0, len(values), 2):
            values[i] = f"{values[i]}\n{choose_sentence(row_id, i, options.seed)}"
            pieces[i] = provenance.ADDED_LINE + pieces[i]
    roles = [ROLE_OF[t.role] for t in content]
    turns: list[LlavaTurn] = [{"from": r, "value": v} for r, v in zip(roles, values, strict=True)]
    turns[0]["value"] = f"{IMAGE_TOKEN}\n{values[0]}"
    row: LlavaRow = {"id": row_id, "image": hub.image, "conversations": turns}
    if options.provenance == "none":
        return Row(row, found)
    svit = provenance.make(hub, roles, values, pieces)
    if options.provenance == "sidecar":
        return Row(row, found, svit)
    row["svit"] = svit
    return Row(row, found)


def _render(content: Sequence[Turn], rendering: Rendering, path: str) -> tuple[list[str], list[str], list[Finding]]:
    """Return for every turn its text and its piece of ``marks``, and the faults of grounded text."""
    values, pieces, found = [], [], []
    for i, turn in enumerate(content):
        native = turn.value
        if not grounding.is_grounded(native):
            values.append(native)
            pieces.append("")
            continue
        rendering.is_ordinary = True
        text, piece = rendering.text(native)
        if not rendering.is_ordinary or _is_suspect(native, piece):
            place = f"{path}.content[{i}].value"
            found += [f.at(path=place) for f in grounding.check_text(native)]
        values.append(text)
        pieces.append(piece)
    return values, pieces, found


def _is_suspect(native: str, piece: str) -> bool:
    """Tell whether brackets or marks are left over beside those of the groups; then a closer look pays."""
    groups = piece.count(";") + 1 if piece else 0
    boxes = (piece.count(" ") + groups) // 4
    phrases = piece.count(":")
    return native.count("[") != boxes or native.count(grounding.ST) != phrases or native.count(grounding.ED) != phrases


FORMAT = Format(
    name="llava",
    title="LLaVA-v1.5 (mix-665K)",
    schema="llava",
    container="json-list",
    box_convention="[x1, y1, x2, y2], fractions of the image centred on a square of side max(w, h), 3 decimals",
    losses=(),
    to_row=to_row,
    from_row=from_row,
    options=Options,
)
