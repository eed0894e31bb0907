"""``<image>`` in LLaVA records: in one question where there is an image, nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from svit_datasets.converters.llava_layout import IMAGE_TOKEN, ROLE_OF
from svit_datasets.findings import Finding, finding, quote
from svit_datasets.records import Turn


def check_image_tokens(turns: Sequence[Turn], *, has_image: bool) -> list[Finding]:
    """Return what is wrong with the places of ``<image>`` in a LLaVA record.

    LLaVA's loader takes one image a record and puts it where the token stands. Two tokens in one turn count as one:
    the loader takes them out and sets one in front.

    Args:
        turns: The record's turns.
        has_image: Whether it has the key ``image``, whatever its value.

    Returns:
        Findings, with JSON paths.

    >>> turns = [Turn("human", "Why?"), Turn("gpt", "So.")]
    >>> [f.code for f in check_image_tokens(turns, has_image=True)], check_image_tokens(turns, has_image=False)
    (['token-image-missing'], [])
    """
    at = [i for i, turn in enumerate(turns) if IMAGE_TOKEN in turn.value]
    if not has_image:
        return [_at("token-image-alone", turns, i, "a record without the key image") for i in at[:1]]
    if not at:
        return [finding("token-image-missing", "no <image> in any turn", path="$.conversations")] if turns else []
    asked = [i for i in at if turns[i].role == ROLE_OF["user"]]
    answered = [i for i in at if turns[i].role == ROLE_OF["gpt"]]
    found = [_at("token-image-in-answer", turns, i, "an answer") for i in answered]
    return found + [_at("token-image-repeated", turns, i, "a further question") for i in asked[1:]]


def _at(code: str, turns: Sequence[Turn], turn: int, where: str) -> Finding:
    return finding(code, f"<image> in {where}: {quote(turns[turn].value)}", path=f"$.conversations[{turn}].value")
