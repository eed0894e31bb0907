"""Walk a record as LLaVA-v1.5's training loader does, and say what becomes of it.

The loader is ``llava/train/train.py``: ``LazySupervisedDataset``, ``preprocess_multimodal`` and ``preprocess_v1`` with
the conversation ``v1``. Its points are in docs/validate.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from svit_datasets.converters.llava_layout import IMAGE_TOKEN
from svit_datasets.findings import Finding, finding, quote

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
_SPEAKER = {"human": "USER", "gpt": "ASSISTANT"}
_ROLES = tuple(_SPEAKER)
_TURN_END, _ROUND_END = " ", "</s>"
ANSWER_BEGINS = " ASSISTANT: "


class Walked(NamedTuple):
    """What becomes of a record in the trainer.

    Attributes:
        found: Findings with JSON paths, without file, record number and id.
        pieces: The prompt, cut behind each turn, the system's sentence in front of the first; empty where it crashes.
        has_image: Whether ``<image>`` stands for an image.
        masked: Why all of it is masked, if the trainer gets there within its length; '' where it is trained on.
        read: What the trainer reads of the prompt before it gets there.
    """

    found: list[Finding]
    pieces: Sequence[str] = ()
    has_image: bool = False
    masked: str = ""
    read: str = ""


def walk(record: Any) -> Walked:
    """Return what LLaVA's loader makes of a record.

    Args:
        record: The record as ``json.load`` gives it.

    Returns:
        Its prompt, and findings of the family ``trainer``, but for those that take its length.

    >>> turns = [{"from": "human", "value": "<image>\\nWhy?"}, {"from": "gpt", "value": "So."}]
    >>> walk({"image": "vg/VG_100K/2.jpg", "conversations": turns}).pieces[1]
    'ASSISTANT: So.</s>'
    >>> walk({"image": "vg/VG_100K/2.jpg", "conversations": turns[:1]}).masked
    '1 turn: the last has no answer'
    >>> [f.found for f in walk({"image": None, "conversations": turns}).found]
    ['null where a path is joined to the image folder']
    """
    crash = _crash(record)
    if crash is not None:
        return Walked([crash])
    has_image = "image" in record
    turns = [
        (turn["from"], _with_image_first(turn["value"]) if has_image else turn["value"])
        for turn in record["conversations"]
    ]
    found = []
    if turns[0][0] != _ROLES[0]:
        found.append(finding("trainer-drops-turn", "an answer first", path="$.conversations[0]"))
    start = len(found)
    kept = turns[start:]
    wrong = next((i for i, (role, _) in enumerate(kept) if role != _ROLES[i % 2]), None)
    if wrong is not None:
        path = f"$.conversations[{wrong + start}].from"
        text = f"{quote(kept[wrong][0])} where {_ROLES[wrong % 2]!r} comes: an assertion that names no record"
        return Walked([*found, finding("trainer-crash", text, path=path)])
    found += _images(kept, start, has_image=has_image)
    pieces = _prompt(kept)
    prompt, end = "".join(pieces), _read_to(pieces)
    masked = "" if end == len(prompt) else _why(kept)
    if not masked:
        found += _lost(kept, start)
    return Walked(found, pieces, has_image, masked, prompt[:end])


def _crash(record: Any) -> Finding | None:
    """Return what stops the loader before it looks at the order of turns."""
    if not isinstance(record, dict):
        return finding("trainer-crash", f"{_kind(record)} where a record comes", path="$")
    turns = record.get("conversations")
    if not isinstance(turns, list):
        return finding("trainer-crash", f"{_kind(turns)} where turns come", path="$.conversations")
    if not turns:
        return finding("trainer-crash", "no turns at all", path="$.conversations")
    for i, turn in enumerate(turns):
        path = f"$.conversations[{i}]"
        if not isinstance(turn, dict) or not {"from", "value"} <= turn.keys():
            return finding("trainer-crash", "a turn without from and value", path=path)
        if not isinstance(turn["value"], str):
            return finding("trainer-crash", f"{_kind(turn['value'])} where text comes", path=f"{path}.value")
        if not isinstance(turn["from"], str) or turn["from"] not in _SPEAKER:
            shown = quote(turn["from"]) if isinstance(turn["from"], str) else _kind(turn["from"])
            return finding("trainer-crash", f"the role {shown}, a KeyError", path=f"{path}.from")
    image = record.get("image", "-")
    if not isinstance(image, str):
        return finding("trainer-crash", f"{_kind(image)} where a path is joined to the image folder", path="$.image")
    if not image:
        return finding("trainer-crash", "an empty path: the image folder itself is opened", path="$.image")
    return None


def _kind(value: Any) -> str:
    names = {type(None): "null", list: "a list", dict: "an object", str: "text", bool: "true or false"}
    return names.get(type(value), "a number")


def _with_image_first(value: str) -> str:
    """Return a text with its ``<image>`` in front, once, as the loader moves it."""
    if IMAGE_TOKEN not in value:
        return value
    return f"{IMAGE_TOKEN}\n{value.replace(IMAGE_TOKEN, '').strip()}".strip()


def _images(turns: Sequence[tuple[str, str]], start: int, *, has_image: bool) -> Iterator[Finding]:
    at = [i for i, (_, value) in enumerate(turns) if IMAGE_TOKEN in value]
    if not has_image:
        if at:
            text = "<image> in a record without an image"
            yield finding("trainer-literal-image", text, path=f"$.conversations[{at[0] + start}].value")
    elif not at:
        yield finding("trainer-no-image", "no <image> in the turns that are kept", path="$.conversations")
    elif len(at) > 1:
        yield finding("trainer-breaks-batch", f"<image> in {len(at)} turns, one image", path="$.conversations")
    elif turns[at[0]][0] != _ROLES[0]:
        path = f"$.conversations[{at[0] + start}].value"
        yield finding("trainer-image-misplaced", "<image> in an answer", path=path)


def _prompt(turns: Sequence[tuple[str, str]]) -> list[str]:
    ends = (_TURN_END, _ROUND_END)
    told = [
        f"{_SPEAKER[role]}: {value}{ends[i % 2]}" if value else f"{_SPEAKER[role]}:"
        for i, (role, value) in enumerate(turns)
    ]
    return [f"{SYSTEM} {told[0]}", *told[1:]] if told else [f"{SYSTEM} "]


def _read_to(pieces: list[str]) -> int:
    """Return how far the loader reads a prompt before it stops: to its end, where it is trained on.

    The loader cuts the prompt at ``</s>`` and each round at `` ASSISTANT: ``. At a round that is not two parts it
    stops; the lengths then differ, and everything is masked.
    """
    prompt, end = "".join(pieces), 0
    for turn_round in prompt.split(_ROUND_END):
        if not turn_round or len(turn_round.split(ANSWER_BEGINS)) != 2:
            break
        end += len(turn_round) + len(_ROUND_END)
    return end


def _lost(turns: Sequence[tuple[str, str]], start: int) -> Iterator[Finding]:
    """Yield the answers that are empty where the conversation goes on: the next question is joined to them."""
    for i, (_, value) in enumerate(turns):
        if i % 2 and not value:
            yield finding("trainer-loses-answer", "an empty answer", path=f"$.conversations[{i + start}].value")


def _why(turns: Sequence[tuple[str, str]]) -> str:
    values = [value for _, value in turns]
    if any(not value for value in values):
        return "an empty text"
    if any(_ROUND_END in value for value in values):
        return "</s> inside a text"
    if len(turns) % 2 or not turns:
        count = f"{len(turns)} turn{'s' * (len(turns) > 1)}"
        return f"{count}: the last has no answer" if turns else "no turn that is kept"
    return "' ASSISTANT: ' inside a text"
