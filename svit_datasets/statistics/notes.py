"""What to know when reading the numbers: what they leave out, and what they cannot tell. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from svit_datasets.statistics.summary import Counts, Summary

ALWAYS = (
    "Words are what blanks and line breaks set apart, without marks, boxes, <image>, formatting sentences and "
    "punctuation that stands alone.",
    "Boxes and phrases are those in the texts. The table of SVIT's README also counts Visual Genome's 3.8M boxes and "
    "5.4M region descriptions and 257.6K captions, which its texts were made from and its files do not hold.",
)


def notes_of(told: Summary) -> Iterator[str]:
    """Yield what to know about statistics, in words; what does not apply is not said."""
    yield from ALWAYS
    counts = told.all.counts
    if told.tokens is not None:
        how = "estimated; --tokenizer counts them" if told.tokens_estimated else f"counted by {told.tokens}"
        yield f"Tokens are those of each text as it stands, without <image>: {how}."
    if llava := told.layouts.get("llava"):
        yield (
            f"{llava:,} records are in the LLaVA layout, which has no marks around phrases and no topics: "
            "phrases and topics are those of native records."
        )
    yield from _of_boxes(counts)
    yield from _of_turns(counts)
    if "unknown" in told.tasks:
        yield (
            f"The task of {told.tasks['unknown'].counts.records:,} records is not told: neither --task, nor the file's "
            "name, nor the record's id says it."
        )
    if not counts.images_exact:
        yield "There are too many images to count each: their number, and conversations per image, are estimates."
    yield from _of_rankings(told)
    if told.unreadable:
        yield f"{told.unreadable:,} faults kept records, or rests of files, from being read: they are in no count."


def _of_boxes(counts: Counts) -> Iterator[str]:
    unmeasured = {
        "reach beyond the image": counts.boxes_outside,
        "have corners in the wrong order": counts.boxes_inverted,
        "are empty": counts.boxes_empty,
    }
    said = ", ".join(f"{count:,} {what}" for what, count in unmeasured.items() if count)
    if said:
        yield f"Of {counts.boxes:,} boxes {said}: these have no area and no shape here."
    mend = "pass --images with the photos or image_data.json"
    if counts.boxes_area_unknown:
        yield (
            f"The area of {counts.boxes_area_unknown:,} boxes is not known: they are on the padded square, and nothing "
            f"tells the size of their image; {mend}, or --coordinates original where they were never padded."
        )
    if counts.boxes_aspect_unknown:
        yield (
            f"The shape of {counts.boxes_aspect_unknown:,} boxes is not known: nothing tells the size of their image; "
            f"{mend}."
        )
    if counts.boxes_unmarked:
        yield f"{counts.boxes_unmarked:,} boxes have no marked phrase."
    if counts.phrases_without_box:
        yield f"{counts.phrases_without_box:,} marked phrases have no box."


def _of_turns(counts: Counts) -> Iterator[str]:
    alone = {"questions": counts.questions - counts.pairs, "answers": counts.answers - counts.pairs}
    said = " and ".join(f"{count:,} {what}" for what, count in alone.items() if count)
    if said:
        yield f"{said} belong to no pair: a pair is a question and the answer right behind it."
    if counts.other_turns:
        yield f"{counts.other_turns:,} turns are of roles other than user, human and gpt: neither question nor answer."
    if counts.instructions:
        yield (
            f"{counts.instructions:,} questions end in one of SVIT's formatting sentences, which count as tokens and "
            "not as words."
        )
    if counts.without_image:
        yield f"{counts.without_image:,} records have no image."


def _of_rankings(told: Summary) -> Iterator[str]:
    parts = (told.all, *told.tasks.values())
    most = max((r.missing_at_most for part in parts for r in part.rankings.values()), default=0)
    if most:
        yield (
            "Some rankings had too many different texts to count each: their counts are lower bounds, "
            f"at most {most:,} too low."
        )
