"""What to know when reading the numbers: what they leave out, and what they cannot tell. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from svit_datasets.statistics.wording import amount, by_number

if TYPE_CHECKING:
    from svit_datasets.statistics.told import Counts, Summary

ALWAYS = (
    "Words are what blanks and line breaks set apart, without marks, boxes, <image>, formatting sentences and "
    "punctuation that stands alone.",
    "Boxes and phrases are those in the texts. The table of SVIT's README also counts Visual Genome's 3.8M boxes and "
    "5.4M region descriptions and 257.6K captions, which its texts were made from and its files do not hold.",
)
_MEND = "pass --images with the photos or image_data.json"
_WRONG = {
    "outside": ("reaches beyond the image", "reach beyond the image"),
    "inverted": ("has corners in the wrong order", "have corners in the wrong order"),
    "empty": ("is empty", "are empty"),
    "in_padding": ("lies in the padding beside its image", "lie in the padding beside their images"),
}


def notes_of(told: Summary, unmeasured: Mapping[str, int]) -> Iterator[str]:
    """Yield what to know about statistics, in words; what does not apply is not said.

    Args:
        told: The statistics.
        unmeasured: Boxes without an area or a shape, by the reason, as ``BoxCounts`` has them.

    Yields:
        The notes.
    """
    yield from ALWAYS
    counts = told.all.counts
    if told.tokens is not None:
        how = "estimated; --tokenizer counts them" if told.tokens_estimated else f"counted by {told.tokens}"
        yield f"Tokens are those of each text as it stands, without <image>: {how}."
    if llava := told.layouts.get("llava"):
        yield (
            f"{amount(llava, 'record')} {by_number(llava, 'is', 'are')} in the LLaVA layout, which has no marks around "
            "phrases and no topics: phrases and topics are those of native records."
        )
    yield from _of_places(counts.boxes, unmeasured)
    yield from _of_marks(counts)
    yield from _of_turns(counts)
    if "unknown" in told.tasks:
        yield (
            f"The task of {amount(told.tasks['unknown'].counts.records, 'record')} is not told: neither --task, nor "
            "the file's name, nor the record's id says it."
        )
    if not counts.images_exact:
        yield "There are too many images to count each: their number, and conversations per image, are estimates."
    yield from _of_rankings(told)
    if told.unreadable:
        what = by_number(
            told.unreadable,
            "a record, or the rest of a file, from being read: it is",
            "records, or rests of files, from being read: they are",
        )
        yield f"{amount(told.unreadable, 'fault')} kept {what} in no count."


def _of_places(boxes: int, unmeasured: Mapping[str, int]) -> Iterator[str]:
    found = [(unmeasured[reason], *verbs) for reason, verbs in _WRONG.items() if unmeasured[reason]]
    if found:
        said = ", ".join(f"{count:,} {by_number(count, one, several)}" for count, one, several in found)
        these = by_number(sum(count for count, *_ in found), "this one has", "these have")
        yield f"Of {amount(boxes, 'box')} {said}: {these} no area and no shape here."
    if count := unmeasured["frame_unknown"]:
        yield (
            f"The area and shape of {amount(count, 'box')} are not known: to-llava did not make the "
            f"{by_number(count, 'record', 'records')}, and nothing tells whether "
            f"{by_number(count, 'it is a fraction', 'they are fractions')} of the image or of the padded square."
        )
    if count := unmeasured["area_unknown"]:
        yield (
            f"The area of {amount(count, 'box')} is not known: {by_number(count, 'it is', 'they are')} on the padded "
            f"square, and nothing tells the size of {by_number(count, 'its', 'their')} image; {_MEND}, or "
            f"--coordinates original where {by_number(count, 'it was', 'they were')} never padded."
        )
    if count := unmeasured["aspect_unknown"]:
        yield (
            f"The shape of {amount(count, 'box')} is not known: nothing tells the size of "
            f"{by_number(count, 'its', 'their')} image; {_MEND}."
        )


def _of_marks(counts: Counts) -> Iterator[str]:
    boxes, phrases = counts.boxes_unmarked, counts.phrases_without_box
    if boxes:
        yield f"{amount(boxes, 'box')} {by_number(boxes, 'has', 'have')} no marked phrase."
    if phrases:
        yield f"{amount(phrases, 'marked phrase')} {by_number(phrases, 'has', 'have')} no box."


def _of_turns(counts: Counts) -> Iterator[str]:
    alone = {"question": counts.questions - counts.pairs, "answer": counts.answers - counts.pairs}
    said = " and ".join(amount(count, what) for what, count in alone.items() if count)
    if said:
        belong = by_number(sum(alone.values()), "belongs", "belong")
        yield f"{said} {belong} to no pair: a pair is a question and the answer right behind it."
    if count := counts.other_turns:
        are, roles = by_number(count, "is", "are"), by_number(count, "a role", "roles")
        yield f"{amount(count, 'turn')} {are} of {roles} other than user, human and gpt: neither question nor answer."
    if count := counts.instructions:
        yield (
            f"{amount(count, 'question')} {by_number(count, 'ends', 'end')} in one of SVIT's formatting sentences, "
            "which count as tokens and not as words."
        )
    if count := counts.without_image:
        yield (
            f"{amount(count, 'record')} {by_number(count, 'has', 'have')} no image; brackets in records of text alone "
            "are words, not boxes."
        )


def _of_rankings(told: Summary) -> Iterator[str]:
    parts = (told.all, *told.tasks.values())
    most = max((r.missing_at_most for part in parts for r in part.rankings.values()), default=0)
    if most:
        yield (
            "Some rankings had too many different texts to count each: their counts are lower bounds, "
            f"at most {most:,} too low."
        )
