"""The table of rules: every kind of fault that can be found, in families, with the words that never change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Rule:
    """A kind of fault, with the words that are the same wherever it is found.

    Attributes:
        severity: In conversions ``error`` follows ``on_error``, ``warning`` and ``note`` never stop a run; in
            ``validate`` it decides about the exit status, by ``fail_on``.
        expected: What the data should hold.
        mend: What the user can do.
        family: What the rule is about: a key of ``FAMILIES``.
    """

    severity: Severity
    expected: str
    mend: str
    family: str = ""


FAMILIES: dict[str, str] = {
    "file": "the file as a whole",
    "structure": "one record, as JSON and by its schema",
    "turns": "roles and turns",
    "tokens": "tokens and text",
    "boxes": "grounded text",
    "answers": "answers",
    "images": "images",
    "dataset": "the records as a set",
    "trainer": "through the trainer's eyes",
    "conversion": "found by conversions alone",
}

_BY_FAMILY: dict[str, dict[str, Rule]] = {
    "file": {
        "input-missing": Rule("error", "a readable file", "check the path"),
        "input-unreadable": Rule("error", "a file that can be read to its end", "check the disk and, for a zip through a pipe, the room for temporary files"),
        "input-empty": Rule("error", "a JSON array or JSON lines", "fetch the file again; it holds nothing"),
        "input-not-json": Rule("error", "a JSON array '[...]' or one JSON object a line", "pass a .json, .jsonl, .gz or .zip of SVIT records"),
        "input-encoding": Rule("error", "UTF-8", "convert it first with iconv"),
        "input-syntax": Rule("error", "records separated by ',' and closed by ']'", "mend the file by hand at that byte, or fetch it again"),
        "input-rest": Rule("error", "records that begin like those before", "mend the record before it by hand: what follows it in this file was not read"),
        "input-truncated": Rule("error", "a ']' at the end", "fetch the file again, or keep what came before (--on-error skip takes it)"),
        "input-damaged": Rule("error", "an archive that unpacks", "fetch the archive again and compare its checksum"),
        "input-bomb": Rule("error", "an archive of ordinary text", "do not unpack it; ask where it came from"),
        "input-members": Rule("error", "exactly one .json or .jsonl inside the zip", "unpack it and pass the file that you mean"),
        "input-changed": Rule("error", "files that stay as they are while they are read", "load again when nothing writes to them"),
        "input-bom": Rule("note", "UTF-8 without a byte-order mark", "nothing to do; the mark was passed over"),
    },
    "structure": {
        "record-too-large": Rule("error", "a smaller record", "raise --max-record-mb if the record is genuine"),
        "record-syntax": Rule("error", "well-formed JSON", "mend the record by hand, or leave it out (--on-error skip takes the rest)"),
        "record-utf8": Rule("error", "UTF-8 text", "re-encode the record, or leave it out (--on-error skip takes the rest)"),
        "record-surrogate": Rule("error", "whole characters: a high and a low surrogate together", "replace the lone \\ud800-\\udfff escape"),
        "record-nan": Rule("error", "a JSON number", "NaN and Infinity are not JSON: write null or leave the key out"),
        "record-number": Rule("error", "numbers of at most 4,300 digits", "write it as a string: Python's json, and so the trainer, refuses longer ones"),
        "record-depth": Rule("error", "fewer nested brackets", "no genuine record nests like this; leave it out (--on-error skip takes the rest)"),
        "record-duplicate-key": Rule("error", "each key once in an object", "keep one of the two; readers disagree about which counts"),
        "record-shape": Rule("error", "a record that fits the schema", "compare it with the schema: svit-convert schema native, llava-lenient or image_data"),
        "extra-damaged": Rule("error", "a JSON object from JSON paths to objects, as load_dataset writes it", "set extra to null to convert without the record's further keys"),
    },
    "turns": {
        "no-conversations": Rule("error", "at least one conversation", "leave the record out; there is nothing to train on"),
        "no-turns": Rule("error", "at least one question and answer", "leave the conversation out; there is nothing to train on"),
        "turn-role": Rule("error", "user and gpt in turn, user first", "put the turns in order or leave the conversation out"),
        "turn-odd": Rule("error", "an answer after every question", "drop the last turn or add its answer: an odd number trains on zero tokens"),
        "turn-empty": Rule("error", "text", "drop the pair: an empty value makes the whole conversation train on zero tokens"),
    },
    "tokens": {
        "token-image": Rule("error", "no <image> inside a text", "take the token out: two of them break the trainer's batch"),
        "token-eos": Rule("error", "no </s> inside a text", "take the token out: it makes the conversation train on zero tokens"),
        "token-assistant": Rule("error", "no ' ASSISTANT: ' inside a text", "reword it: it makes the conversation train on zero tokens"),
        "token-image-missing": Rule("error", "<image> in one question of a record with an image", "put '<image>\\n' in front of the first question: without it the record trains without its image"),
        "token-image-repeated": Rule("error", "<image> in one question only", "keep the first: a second one breaks the trainer's batch"),
        "token-image-in-answer": Rule("error", "<image> in a question", "move it to the front of the first question"),
        "token-image-alone": Rule("error", "<image> only where the record has the key image", "add the image's path, or take the token out: the trainer reads it as five characters of text"),
        "token-special": Rule("warning", "no control token of the tokenizer inside a text", "take it out or reword it: the tokenizer reads it as its own mark, not as text"),
        "text-garbled": Rule("warning", "readable text", "take the text from its source again with the right encoding"),
        "text-untrimmed": Rule("note", "no white space at a text's edges", "trim it; --fix does"),
    },
    "boxes": {
        "box-malformed": Rule("warning", "[x1, y1, x2, y2], four numbers", "correct it in the source; conversions leave it as text, in no frame"),
        "box-outside": Rule("warning", "fractions of the image, 0 to 1", "correct it in the source; conversions take it as it is"),
        "box-inverted": Rule("warning", "x1 <= x2 and y1 <= y2", "correct it in the source; conversions take it as it is"),
        "box-in-padding": Rule("warning", "boxes on the image", "they reach into the padding and were cut at the image's edge: if the file was made for a trainer that does not pad, pass --coordinates original"),
        "marks-unbalanced": Rule("warning", "every <st> closed by an <ed>", "correct it in the source; conversions drop the mark"),
        "box-empty": Rule("warning", "a box with width and height", "correct it in the source: it marks nothing"),
        "box-degenerate": Rule("warning", "a box that keeps width and height on the padded square, at 3 decimals", "correct it in the source: it is thinner than the trainer's text can say"),
        "box-without-phrase": Rule("note", "<st>phrase<ed> before its boxes", "mark the words that the box belongs to, or leave it: it converts as it is"),
        "phrase-without-box": Rule("warning", "a box behind every <st>phrase<ed>", "add its box, or take the marks out: to-llava drops them"),
        "marks-left": Rule("warning", "no <st> or <ed> in a trainer's file", "convert the native file with to-llava: the marks would be learned as text"),
    },
    "answers": {
        "answer-known-broken": Rule("error", "a description", "drop it; --fix does: it is one of the 21 that are known to be broken upstream"),
        "answer-message-empty": Rule("error", "an answer to the question", "drop it; --fix does: it answers an empty message, not the question"),
        "answer-names-source": Rule("warning", "an answer that looks at the image", "reword or drop it: no caption or description is there when the model is asked"),
        "answer-refuses": Rule("warning", "an answer", "drop it: the model would learn to refuse"),
        "answer-cut-off": Rule("warning", "a finished sentence", "complete or drop it: the model would learn to stop there"),
        "answer-repeats-question": Rule("warning", "an answer that is not the question", "correct or drop it"),
        "answer-no-words": Rule("warning", "an answer with a letter or a digit", "correct or drop it"),
    },
    "images": {
        "image-unknown": Rule("error", "a Visual Genome id, or an image under --images", "check image_id, or pass the folder that holds the image"),
        "image-missing": Rule("error", "the image under --images", "fetch the image, or leave its records out (--on-error skip takes the rest)"),
        "image-undecodable": Rule("error", "an image that Pillow can open", "fetch the image again"),
        "image-too-large": Rule("error", "fewer pixels than Pillow's limit", "no genuine photo is that large; replace the file"),
        "image-size-differs": Rule("warning", "the same size in image_data.json and in the file", "check that the file is the original; what image_data.json or the table says counts"),
        "image-size-unknown": Rule("error", "the image's size, to place its boxes", "pass --images with the images or image_data.json"),
        "image-turned": Rule("warning", "an upright photo", "boxes are in stored pixels, and datasets turns the photo when it is looked at: take its bytes with Image(decode=False), or store the photo upright"),
        "image-id-range": Rule("error", "an id of 64 bits", "correct image_id: a table cannot hold it"),
        "image-folder-differs": Rule("warning", "the image in the folder that Visual Genome has it in", "move the file: the trainer looks for it where the record says"),
        "image-path-unsafe": Rule("error", "a relative path below the image folder", "make the path relative, without '..'"),
        "image-folder-guessed": Rule("note", "an id in Visual Genome's index or an image in VG_100K or VG_100K_2", "put the image under vg/VG_100K for the trainer"),
        "image-data-entry": Rule("error", "{image_id, width, height} with positive whole numbers", "correct the entry in image_data.json"),
        "image-grey": Rule("note", "a colour photo", "nothing to do: trainers turn it to RGB; know that colour questions cannot be answered from it"),
        "image-cmyk": Rule("warning", "a photo in RGB", "convert it to RGB: readers differ in how they show CMYK"),
        "image-same-content": Rule("warning", "one id for one photo", "keep one of the two ids, or fetch the photo that belongs to the other"),
    },
    "dataset": {
        "duplicate-id": Rule("warning", "one record per image and task", "drop one if it is a copy; conversions keep both, under ids of their own"),
        "duplicate-record": Rule("warning", "each record once", "drop the copy: it counts twice in training"),
        "duplicate-question": Rule("warning", "each question once for an image", "drop one of the two"),
        "image-held-out": Rule("warning", "none of SVIT's 10,808 test images in training data", "leave its records out of training: load_dataset(..., split='train') does"),
        "design-count": Rule("note", "SVIT's numbers: 3 conversations of 5 pairs, 15, 10 and 1 a record", "nothing to do where the file is a selection; else fetch it again"),
    },
    "trainer": {
        "trainer-crash": Rule("error", "a record that the trainer reads", "mend the record: training stops at it"),
        "trainer-breaks-batch": Rule("error", "as many <image> as images", "keep <image> in one question only: the batch that holds the record fails"),
        "trainer-zero-tokens": Rule("error", "answers that are trained on", "mend the record: the trainer masks all of it, with a warning that names none"),
        "trainer-loses-answer": Rule("error", "an answer", "drop the pair: the loader joins the next question to it, and trains on neither"),
        "trainer-no-image": Rule("error", "<image> in a question that the trainer keeps", "put '<image>\\n' in front of the first question: it trains without its image, silently"),
        "trainer-image-misplaced": Rule("warning", "<image> in a question", "move it to the first question: the model sees the image only when it is answering"),
        "trainer-literal-image": Rule("warning", "<image> only where the record has an image", "add the image or take the token out: it is learned as text"),
        "trainer-drops-turn": Rule("warning", "a question first", "put a question before it: the trainer leaves the first answer out"),
        "trainer-too-long": Rule("warning", "no more tokens than the model takes", "shorten or split the conversation: the end is cut and not trained on"),
    },
    "conversion": {
        "provenance-damaged": Rule("error", "the svit key as to-llava wrote it", "restore the key, or remove it to convert by best effort"),
        "provenance-edited": Rule("warning", "the text that to-llava wrote", "converted from the edited text by best effort"),
        "provenance-conflict": Rule("error", "one text for each place in the native file", "pass the LLaVA files of one conversion only"),
        "provenance-image": Rule("warning", "the image that the record was made for", "the id in the key svit was used; if the image was changed on purpose, remove the key"),
        "provenance-copy": Rule("note", "each conversation once", "nothing to do; the copy was counted and left out"),
        "row-extra-key": Rule("note", "the keys that to-llava wrote", "left out; the native layout has no place for it"),
        "row-lenient": Rule("warning", "a record that LLaVA's loader reads", "kept as it was; see the schema llava-lenient"),
        "row-check": Rule("error", "a row that fits the schema it is written under", "please report this with the record: it should not happen"),
    },
}  # fmt: skip

RULES: dict[str, Rule] = {
    code: replace(rule, family=family) for family, rules in _BY_FAMILY.items() for code, rule in rules.items()
}
