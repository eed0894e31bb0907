"""What is checked, and how: the options of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from svit_datasets.errors import UsageError, choose
from svit_datasets.reading.entries import Given
from svit_datasets.validation.lengths import ESTIMATE, IMAGE_TOKENS, MODEL_MAX_LENGTH
from svit_datasets.validation.photo_rules import Looking
from svit_datasets.validation.record_rules import Coordinates

TRAINERS = ("llava",)


@dataclass(frozen=True, kw_only=True)
class Checks:
    """What to check, and how.

    Attributes:
        layout: Layout of the files; ``auto`` looks at the first record of each.
        task: Task of native inputs, where their names do not say it.
        coordinates: Frame of the boxes in LLaVA records that ``to-llava`` made.
        look: Whether photos are decoded or their headers read.
        trainer: Whose loader to walk the records with: ``llava``, or None.
        tokenizer: Folder or name of the tokenizer that counts tokens for the trainer; None estimates.
        model_max_length: Most tokens that the model takes.
        image_tokens: Tokens that an image becomes.
        select: Codes, beginnings of codes or families that count; none means all.
        ignore: Likewise, those that do not.
    """

    layout: Given = "auto"
    task: str | None = None
    coordinates: Coordinates = "padded"
    look: Looking = "decode"
    trainer: Literal["llava"] | None = None
    tokenizer: str | Path | None = None
    model_max_length: int = MODEL_MAX_LENGTH
    image_tokens: int = IMAGE_TOKENS
    select: tuple[str, ...] = field(default=())
    ignore: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        words: tuple[object, ...] = (self.select, self.ignore)
        if any(isinstance(word, str) for word in words):
            raise UsageError("select and ignore: expected a tuple of codes, not one text")
        if self.model_max_length < 1 or self.image_tokens < 0:
            raise UsageError(
                f"model_max_length={self.model_max_length}, image_tokens={self.image_tokens}: out of range"
            )
        choose("coordinates", self.coordinates, ("padded", "original"))
        choose("look", self.look, ("decode", "header"))
        if self.trainer is not None:
            choose("trainer", self.trainer, TRAINERS)
        elif self.tokenizer is not None:
            raise UsageError("a tokenizer counts tokens for a trainer: pass trainer='llava' (--trainer llava) too")

    def told(self) -> dict[str, Any]:
        """Return the options as they stand in a report."""
        counted = {} if self.trainer is None else {"tokenizer": str(self.tokenizer or ESTIMATE.name)}
        return {**asdict(self), "select": list(self.select), "ignore": list(self.ignore), "tokenizer": None, **counted}
