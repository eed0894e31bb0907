"""A bad and a good example of each rule: what the documentation shows, and what the tests run."""

from __future__ import annotations

import json
from typing import Literal, NamedTuple

from svit_datasets.converters.llava_layout import IMAGE_TOKEN

Kind = Literal["record", "records", "file", "words"]
_SIZE_2 = '[{"image_id": 2, "width": 500, "height": 375}]'
_PATH = "vg/VG_100K/2.jpg"


class Example(NamedTuple):
    """A bad and a good example of a rule.

    Attributes:
        bad: What has the fault, and no other.
        good: The same without it.
        kind: ``record``: JSON of one record; ``records``: of several, separated by a comma and a line break; ``file``:
            the whole text of a file; ``words``: told in words, for it cannot be seen in a record.
        task: Task of native records, '' where it does not matter.
        sizes: ``image_data.json`` as text, where the rule needs a size.
    """

    bad: str
    good: str
    kind: Kind = "record"
    task: str = ""
    sizes: str = ""


def _dump(record: object) -> str:
    return json.dumps(record, ensure_ascii=False)


def _native(*texts: str, image_id: int = 2, roles: tuple[str, ...] = ("user", "gpt")) -> str:
    """Return a native record with one conversation, as JSON."""
    turns = [{"from": roles[i % len(roles)], "value": text} for i, text in enumerate(texts)]
    return _dump({"image_id": image_id, "conversations": [{"content": turns}]})


def _llava(*texts: str, image: object = _PATH, roles: tuple[str, ...] = ("human", "gpt")) -> str:
    """Return a LLaVA record as JSON; an ``image`` of "" leaves the key out."""
    turns = [{"from": roles[i % len(roles)], "value": text} for i, text in enumerate(texts)]
    return _dump({"id": "7", **({"image": image} if image != "" else {}), "conversations": turns})


def _boxes(bad: str, good: str, sizes: str = "") -> Example:
    """Return an example whose answers hold these texts."""
    return Example(_native("Where is it?", f"It is {bad}."), _native("Where is it?", f"It is {good}."), sizes=sizes)


def _answers(bad: str, good: str, question: str = "What is it?", task: str = "", image_id: int = 2) -> Example:
    return Example(_native(question, bad, image_id=image_id), _native(question, good, image_id=image_id), task=task)


_GOOD, _ASKED = _native("Why?", "So."), f"{IMAGE_TOKEN}\nWhy?"
_GOOD_LLAVA = _llava(_ASKED, "So.")
_FILE, _FILE_2 = f"[{_GOOD}]", f"[{_GOOD},\n{_native('Why?', 'So.', image_id=3)}]"

_FILES = {
    "input-missing": Example("a path where nothing is", "the path of a file", "words"),
    "input-unreadable": Example("a file on a disk with a broken sector", "a copy that can be read", "words"),
    "input-empty": Example("", _FILE, "file"),
    "input-not-json": Example("image_id,question,answer\n2,Why?,So.", _FILE, "file"),
    "input-encoding": Example("a file in UTF-16", "the same file in UTF-8", "words"),
    "input-syntax": Example(_FILE_2.replace(",\n", "\n"), _FILE_2, "file"),
    "input-rest": Example("two files, one behind the other: [...][...]", "one list: [...]", "words"),
    "input-truncated": Example(f"[{_GOOD}", _FILE, "file"),
    "input-damaged": Example("a .zip or .gz that was cut while it was copied", "the whole archive", "words"),
    "input-bomb": Example("a .gz of a few KB that unpacks to gigabytes of one letter", "an ordinary .gz", "words"),
    "input-members": Example("a zip with notes.txt inside", "a zip with referring_qa.json inside", "words"),
    "input-changed": Example("a file that is written while load_dataset reads it", "a file at rest", "words"),
    "input-bom": Example("\ufeff" + _FILE, _FILE, "file"),
}
_STRUCTURE = {
    "record-too-large": Example("a record of 65 MiB", "a record of at most --max-record-mb", "words"),
    "record-syntax": Example(_FILE_2[1:-1].replace('"value"', "value", 1), _FILE_2[1:-1], "records"),
    "record-utf8": Example("a text with the byte E9 for an accented e", "the bytes C3 A9 for it", "words"),
    "record-surrogate": Example(_GOOD.replace("So.", "\\ud83d"), _GOOD.replace("So.", "So \\ud83d\\ude00.")),
    "record-nan": Example(_GOOD[:-1] + ', "score": NaN}', _GOOD[:-1] + ', "score": null}'),
    "record-number": Example("a number of 4,301 digits", 'the same number as a string, "123..."', "words"),
    "record-depth": Example("brackets nested 10,000 deep", "no bracket that the layout does not name", "words"),
    "record-duplicate-key": Example(_GOOD[:-1] + ', "image_id": 3}', _GOOD),
    "record-shape": Example(_GOOD.replace('"image_id": 2', '"image_id": "2"'), _GOOD),
    "extra-damaged": Example(
        "a table's row whose column extra holds 'x'", '{"$": {"source": "mine"}}, or null', "words"
    ),
}
_TURNS = {
    "no-conversations": Example('{"image_id": 2, "conversations": []}', _GOOD),
    "no-turns": Example('{"image_id": 2, "conversations": [{"content": []}]}', _GOOD),
    "turn-role": Example(_native("Why?", "So.", roles=("user", "user")), _GOOD),
    "turn-odd": Example(_native("Why?", "So.", "And?"), _native("Why?", "So.", "And?", "Yes.")),
    "turn-empty": Example(_native("Why?", ""), _GOOD),
}
_TOKENS = {
    "token-image": Example(_native(f"{IMAGE_TOKEN} Why?", "So."), _GOOD),
    "token-eos": Example(_native("Why?", "So.</s>"), _GOOD),
    "token-assistant": Example(_native("Why? ASSISTANT: I guess.", "So."), _GOOD),
    "token-image-missing": Example(_llava("Why?", "So."), _GOOD_LLAVA),
    "token-image-repeated": Example(
        _llava(_ASKED, "So.", f"{IMAGE_TOKEN}\nAnd?", "Yes."), _llava(_ASKED, "So.", "And?", "Yes.")
    ),
    "token-image-in-answer": Example(_llava(_ASKED, f"{IMAGE_TOKEN} So."), _GOOD_LLAVA),
    "token-image-alone": Example(_llava(_ASKED, "So.", image=""), _llava("Why?", "So.", image="")),
    "token-special": Example(_native("Why?", "It is <unk>."), _native("Why?", "It is unknown.")),
    "text-garbled": Example(_native("Why?", "It\u00e2\u20ac\u2122s so."), _native("Why?", "It\u2019s so.")),
    "text-untrimmed": Example(_native("Why? ", "So."), _GOOD),
}
_BOXES = {
    "box-malformed": _boxes("here [0.1, 0.5.1, 0.3, 0.6]", "<st>here<ed> [0.1, 0.5, 0.3, 0.6]"),
    "box-outside": _boxes("<st>here<ed> [0.1, 0.5, 1.3, 0.6]", "<st>here<ed> [0.1, 0.5, 1, 0.6]"),
    "box-inverted": _boxes("<st>here<ed> [0.3, 0.5, 0.1, 0.6]", "<st>here<ed> [0.1, 0.5, 0.3, 0.6]"),
    "box-in-padding": Example(
        "the record referring_qa-2-0, [0.1, 0.05, 0.3, 0.6], of a photo of 800 x 600 pixels",
        "[0.1, 0.163, 0.3, 0.575]: on the square, the photo's top is at 0.125",
        "words",
    ),
    "marks-unbalanced": _boxes("<st>here", "here"),
    "box-empty": _boxes("<st>here<ed> [0.1, 0.5, 0.1, 0.6]", "<st>here<ed> [0.1, 0.5, 0.3, 0.6]"),
    "box-degenerate": _boxes("<st>here<ed> [0.1, 0.5, 0.101, 0.6]", "<st>here<ed> [0.1, 0.5, 0.11, 0.6]", _SIZE_2),
    "box-without-phrase": _boxes("here [0.1, 0.5, 0.3, 0.6]", "<st>here<ed> [0.1, 0.5, 0.3, 0.6]"),
    "phrase-without-box": _boxes("<st>here<ed>", "<st>here<ed> [0.1, 0.5, 0.3, 0.6]"),
    "marks-left": Example(_llava(_ASKED, "A <st>cat<ed>."), _llava(_ASKED, "A cat.")),
}  # fmt: skip
_ANSWERS = {
    "answer-known-broken": _answers(
        "It seems that the message is empty.", "A cat.", task="detail_description", image_id=4417
    ),
    "answer-message-empty": _answers("Your message is empty.", "The post box is empty."),
    "answer-names-source": _answers("Based on the captions, it is a cat.", "It is a cat."),
    "answer-refuses": _answers("I'm sorry, but I cannot see it.", "It is a cat."),
    "answer-cut-off": _answers("A cat that sits on the", "A cat that sits on the mat."),
    "answer-repeats-question": _answers("What is it?", "It is a cat."),
    "answer-no-words": _answers("...", "A cat."),
}
_IMAGES = {
    "image-unknown": Example(_native("Why?", "So.", image_id=9000001), _GOOD),
    "image-missing": Example("VG_100K/2.jpg is not under --images", "the photo is there", "words"),
    "image-undecodable": Example("a JPEG that ends in the middle", "the whole JPEG", "words"),
    "image-too-large": Example("a picture of 20,000 x 20,000 pixels", "a photo of 800 x 600", "words"),
    "image-size-differs": Example("image_data.json says 800 x 600, the photo has 400 x 300", "both say the same", "words"),
    "image-size-unknown": Example("boxes to move, and nothing tells the image's size", "image_data.json under --images", "words"),
    "image-turned": Example("a photo with EXIF orientation 6", "the same photo stored upright", "words"),
    "image-id-range": Example('{"image_id": 9223372036854775808, ...}', '{"image_id": 2, ...}', "words"),
    "image-folder-differs": Example("image 2 in VG_100K_2", "image 2 in VG_100K", "words"),
    "image-path-unsafe": Example(_llava(_ASKED, "So.", image="../2.jpg"), _GOOD_LLAVA),
    "image-folder-guessed": Example("an id that is not Visual Genome's, from a flat folder", "an id of Visual Genome", "words"),
    "image-data-entry": Example('{"image_id": 2, "width": 0, "height": 600}', '{"image_id": 2, "width": 800, "height": 600}', "words"),
    "image-grey": Example("a photo in shades of grey", "a photo in colour", "words"),
    "image-cmyk": Example("a JPEG in CMYK, made for print", "the same in RGB", "words"),
    "image-same-content": Example("2.jpg and 3.jpg are the same file", "each its own photo", "words"),
}  # fmt: skip
_DATASET = {
    "duplicate-id": Example(f"{_GOOD},\n{_native('Who?', 'I.')}", f"{_GOOD},\n{_native('Who?', 'I.', image_id=3)}", "records"),
    "duplicate-record": Example(f"{_GOOD},\n{_GOOD}", f"{_GOOD},\n{_native('Why?', 'So.', image_id=3)}", "records"),
    "duplicate-question": Example(_native("Why?", "So.", "Why?", "Yes."), _native("Why?", "So.", "And?", "Yes.")),
    "image-held-out": Example(_native("Why?", "So.", image_id=8), _GOOD),
    "design-count": Example(
        _native("Describe it.", "A cat.", "And?", "A dog."), _native("Describe it.", "A cat."), task="detail_description"
    ),
}  # fmt: skip
_TRAINER = {
    "trainer-crash": Example(_llava(_ASKED, "So.", image=None), _GOOD_LLAVA),
    "trainer-breaks-batch": Example(_TOKENS["token-image-repeated"].bad, _TOKENS["token-image-repeated"].good),
    "trainer-zero-tokens": Example(_llava(_ASKED, ""), _GOOD_LLAVA),
    "trainer-loses-answer": Example(_llava(_ASKED, "", "And?", "Yes."), _llava(_ASKED, "So.", "And?", "Yes.")),
    "trainer-no-image": Example(_TOKENS["token-image-missing"].bad, _GOOD_LLAVA),
    "trainer-image-misplaced": Example(_llava("Why?", f"{IMAGE_TOKEN} So."), _GOOD_LLAVA),
    "trainer-literal-image": Example(_TOKENS["token-image-alone"].bad, _TOKENS["token-image-alone"].good),
    "trainer-drops-turn": Example(
        _llava("Hello.", _ASKED, "So.", roles=("gpt", "human")), _llava(_ASKED, "So.", "And?", "Yes.")
    ),
    "trainer-too-long": Example("a conversation of 2,100 tokens with the image", "one of at most 2,048", "words"),
}
_CONVERSION = {
    "provenance-damaged": Example("a key svit that was cut or edited by hand", "the key as to-llava wrote it", "words"),
    "provenance-edited": Example("an answer edited in the LLaVA file", "the text that to-llava wrote", "words"),
    "provenance-conflict": Example("two LLaVA files of one native file, with different texts", "the files of one conversion", "words"),
    "provenance-image": Example("a record moved to another image, its key svit kept", "the key taken out", "words"),
    "provenance-copy": Example("a record that stands twice in a mix", "each record once", "words"),
    "row-extra-key": Example('{"id": ..., "weight": 0.5}', '{"id": ...}', "words"),
    "row-lenient": Example('{"image": null, ...}', '{"image": "coco/train2017/9.jpg", ...}', "words"),
    "row-check": Example("a row that this package wrote wrong", "a row that fits its schema", "words"),
}  # fmt: skip

EXAMPLES: dict[str, Example] = {
    **_FILES, **_STRUCTURE, **_TURNS, **_TOKENS, **_BOXES, **_ANSWERS, **_IMAGES, **_DATASET, **_TRAINER, **_CONVERSION
}  # fmt: skip
