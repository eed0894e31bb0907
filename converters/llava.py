"""The LLaVA-v1.5 mix-665K layout: one record a conversation, boxes on the image padded to a square."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from svit_datasets import grounding
from svit_datasets.check import check_turns
from svit_datasets.converters import provenance
from svit_datasets.converters.base import Format, Row, RunWriter
from svit_datasets.converters.llava_back import from_row
from svit_datasets.converters.llava_layout import (
    IMAGE_TOKEN,
    ROLE_OF,
    LlavaRow,
    LlavaTurn,
    Options,
    choose_sentence,
    make_id,
)
from svit_datasets.converters.llava_plain import to_rows
from svit_datasets.converters.provenance import ADDED_LINE
from svit_datasets.converters.rendering import Rendered, renderer
from svit_datasets.findings import Finding, finding
from svit_datasets.records import HubRecord, TaskName


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
    turn = renderer(hub.size_wh, options).turn
    rendered = [turn(t.value) for t in content]
    found = _check(hub, rendered, options, path)
    if any(f.severity == "error" for f in found):
        return Row(None, found)
    row_id = make_id(hub)
    if options.instruction and hub.task == "referring_qa":
        rendered[0::2] = [
            Rendered(f"{text}\n{choose_sentence(row_id, 2 * i, options.seed)}", ADDED_LINE + piece, is_plain)
            for i, (text, piece, is_plain) in enumerate(rendered[0::2])
        ]
    roles = [ROLE_OF[t.role] for t in content]
    turns: list[LlavaTurn] = [{"from": role, "value": r.text} for role, r in zip(roles, rendered, strict=True)]
    turns[0]["value"] = f"{IMAGE_TOKEN}\n{rendered[0].text}"
    row: LlavaRow = {"id": row_id, "image": hub.image, "conversations": turns}
    if options.provenance == "none":
        return Row(row, found)
    svit = provenance.make(hub, roles, rendered)
    if options.provenance == "sidecar":
        return Row(row, found, svit)
    row["svit"] = svit
    return Row(row, found)


def _check(hub: HubRecord, rendered: Sequence[Rendered], options: Options, path: str) -> list[Finding]:
    """Return what is wrong with a conversation: its grounded text, its image's size, its turns."""
    content = hub.conversation.content
    found = [
        fault.at(path=f"{path}.content[{i}].value")
        for i, turn in enumerate(rendered)
        if not turn.is_plain
        for fault in grounding.check_text(content[i].value)
    ]
    if not hub.size_wh and options.coordinates == "padded" and any(r.piece for r in rendered):
        found.append(finding("image-size-unknown", f"no size of image {hub.image_id}", path="$.image_id"))
    return found + check_turns([t.role for t in content], [r.text for r in rendered], path=path)


def open_runs(options: Options) -> Callable[[TaskName], RunWriter] | None:
    """Return what gives a writer of many records at once for a task; None where provenance goes beside the rows.

    >>> open_runs(Options(provenance="sidecar")) is None
    True
    """

    def open_one(task: TaskName) -> RunWriter:
        from svit_datasets.kernels.forward.runs import LlavaRuns

        return LlavaRuns(task, options)

    return None if options.provenance == "sidecar" else open_one


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
    to_rows=to_rows,
    open_runs=open_runs,
)
