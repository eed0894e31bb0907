"""All that can be told of one record by itself: the rules of structure, turns, tokens, boxes and answers. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from svit_datasets.boxes import Size
from svit_datasets.check import check_turns
from svit_datasets.converters.infer import count_in_padding
from svit_datasets.converters.llava_back import in_rows
from svit_datasets.converters.llava_layout import ROLE_OF, parse_id, strip_sentence
from svit_datasets.findings import Finding, finding, quote
from svit_datasets.images.photos import is_safe_path
from svit_datasets.reading.entries import Entry
from svit_datasets.records import Conversation
from svit_datasets.validation.answers import check_answer
from svit_datasets.validation.box_screen import Frame
from svit_datasets.validation.grounded import check_marked, check_unmarked
from svit_datasets.validation.image_tokens import check_image_tokens
from svit_datasets.validation.layouts import PROFILES, Text, texts_of, values_of
from svit_datasets.validation.screen import Suspects
from svit_datasets.validation.structure import check_structure
from svit_datasets.validation.texts import check_text

Coordinates = Literal["padded", "original"]
# Conversations and pairs in each, by SVIT's design: 3 conversations of 5 pairs, 15, 10 and 1.
DESIGN = {"conversation": (3, 5), "complex_reasoning": (15, 1), "referring_qa": (10, 1), "detail_description": (1, 1)}
_NATIVE_ROLE = {llava: native for native, llava in ROLE_OF.items()}
_IMAGE_TOKEN = "token-image"  # LLaVA's own rules on <image> say more
_IN_PADDING = "box-in-padding"


def check_entry(entry: Entry, *, size_wh: Size | None = None, coordinates: Coordinates = "padded") -> list[Finding]:
    """Return everything that is wrong with a record by itself.

    Args:
        entry: The record.
        size_wh: Size of its image in stored pixels; None leaves out what needs it.
        coordinates: Frame of the boxes in LLaVA records that ``to-llava`` made.

    Returns:
        Findings with their whole place.

    >>> from svit_datasets.records import Turn
    >>> turns = [Turn("user", "Why?"), Turn("gpt", "")]
    >>> raw = b'{"image_id": 5, "conversations": [{"content": []}]}'
    >>> entry = Entry("a.json", 1, "native", "5", conversations=[Conversation(turns)], raw=raw)
    >>> [(f.code, f.path) for f in check_entry(entry)]
    [('turn-empty', '$.conversations[0].content[1].value')]
    """
    found = check_structure(entry)
    if entry.fault is None:
        found += [*_check_conversations(entry), *_check_design(entry)]
        if entry.image and not is_safe_path(entry.image):
            found.append(finding("image-path-unsafe", quote(entry.image), path="$.image"))
    return _placed(found, entry) + check_texts(entry, None, size_wh=size_wh, coordinates=coordinates)


def check_texts(
    entry: Entry, numbers: Suspects, *, size_wh: Size | None = None, coordinates: Coordinates = "padded"
) -> list[Finding]:
    """Return what is wrong with a record's texts.

    Args:
        entry: The record.
        numbers: Which of its texts to look at, counted through its conversations from 0; None means all.
        size_wh: Size of its image in stored pixels.
        coordinates: As in ``check_entry``.

    Returns:
        Findings with their whole place.
    """
    if entry.fault is not None or (numbers is not None and not numbers):
        return []
    found: list[Finding] = []
    is_padded = frame_of(entry, coordinates) == "padded"
    for number, text in enumerate(texts_of(entry)):
        if numbers is None or number in numbers:
            wrong = _check_value(text, entry, size_wh)
            if is_padded and size_wh is not None:
                wrong += _check_padding(text, size_wh)
            found += [f.at(path=text.path) for f in wrong]
    return _placed(found, entry)


def _check_conversations(entry: Entry) -> Iterator[Finding]:
    profile = PROFILES[entry.layout]
    if profile.is_native and not entry.conversations:
        yield finding("no-conversations", "an empty list", path="$.conversations")
    for i, conversation in enumerate(entry.conversations):
        roles = [_NATIVE_ROLE.get(t.role, "") for t in conversation.content]
        if profile.is_native:
            yield from check_turns([t.role for t in conversation.content], _values(conversation), path=_path(i))
        else:
            wrong = in_rows(check_turns(roles, values_of(entry, conversation)))
            yield from (_in_own_words(f, conversation) for f in wrong if f.code != _IMAGE_TOKEN)
            yield from check_image_tokens(conversation.content, has_image=has_image(entry))


def _values(conversation: Conversation) -> list[str]:
    return [t.value for t in conversation.content]


def _path(conversation: int) -> str:
    return f"$.conversations[{conversation}]"


def has_image(entry: Entry) -> bool:
    """Tell whether a LLaVA record has the key ``image``, whatever its value: that is what the trainer asks.

    >>> [has_image(Entry("a.json", 1, "llava", raw=raw)) for raw in (b'{"image": null}', b"{}")]
    [True, False]
    """
    return entry.image is not None or (b'"image"' in bytes(entry.raw) and "image" in msgspec.json.decode(entry.raw))


def _in_own_words(fault: Finding, conversation: Conversation) -> Finding:
    """Return a finding on a LLaVA record's turns in words that are true of what stands there."""
    if fault.code == "turn-role":
        wrong = next(t.role for i, t in enumerate(conversation.content) if fault.path.endswith(f"[{i}].from"))
        return msgspec.structs.replace(fault, found=quote(wrong))
    first = conversation.content[0].value.strip() if conversation.content else ""
    if fault.code == "turn-empty" and fault.path == "$.conversations[0].value" and first:
        return msgspec.structs.replace(fault, found="<image> and nothing else", mend="drop the pair: nothing is asked")
    return fault


def _check_value(text: Text, entry: Entry, size_wh: Size | None) -> list[Finding]:
    found = check_text(text.value)
    if PROFILES[entry.layout].is_native:
        found += check_marked(text.value, size_wh)
    elif entry.image is not None:  # brackets in records of text alone are code and mathematics
        found += check_unmarked(text.value)
    if text.question is not None and (entry.image is not None or PROFILES[entry.layout].is_native):
        question = strip_sentence(text.question)
        found += check_answer(text.value, question, task=entry.task, image_id=entry.image_id)
    return found


def _placed(found: list[Finding], entry: Entry) -> list[Finding]:
    return [f.at(file=entry.file, record=entry.number, id=entry.id) for f in found]


def _check_padding(text: Text, size_wh: Size) -> list[Finding]:
    """Return whether boxes that ``to-llava`` placed lie in the padding; of others nobody knows the frame."""
    count = count_in_padding(text.value, size_wh)
    mend = "check that the image's size is right and that the file was made with --coordinates padded"
    found = f"{count} box{'es' * (count > 1)} in {quote(text.value, limit=160)}"
    return [finding(_IN_PADDING, found, mend=mend)] if count else []


def frame_of(entry: Entry, coordinates: Coordinates) -> Frame:
    """Return the frame of a record's boxes; of LLaVA records that ``to-llava`` did not make nobody knows it.

    >>> frame_of(Entry("a.json", 1, "llava", id="referring_qa-5-0"), "padded")
    'padded'
    """
    if PROFILES[entry.layout].is_native:
        return "original"
    is_ours = parse_id(entry.id) is not None or b'"svit"' in bytes(entry.raw)
    return "padded" if is_ours and coordinates == "padded" else "unknown"


def _check_design(entry: Entry) -> list[Finding]:
    """Return whether a native record has other numbers of conversations and pairs than SVIT's."""
    if not PROFILES[entry.layout].is_native or entry.task is None:
        return []
    conversations, pairs = DESIGN[entry.task]
    each = [len(c.content) // 2 for c in entry.conversations]
    if not each or each == [pairs] * conversations:
        return []
    expected = _told([pairs] * conversations)
    return [finding("design-count", _told(each), expected=f"{expected}, as SVIT has", path="$.conversations")]


def _told(each: list[int]) -> str:
    counts = str(each[0]) if len(set(each)) == 1 else ", ".join(map(str, each))
    pair = "pair" if counts == "1" else "pairs"
    return f"{len(each)} conversation{'s' * (len(each) != 1)} of {counts} {pair}"
