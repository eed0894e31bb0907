"""The faults that can be found: one table of rules, and the record of one fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Rule:
    """A kind of fault, with the words that are the same wherever it is found.

    Attributes:
        severity: ``error`` follows the policy of ``on_error``; ``warning`` and ``note`` never stop a run.
        expected: What the data should hold.
        mend: What the user can do.
    """

    severity: Severity
    expected: str
    mend: str


RULES: dict[str, Rule] = {
    # the file as a whole
    "input-missing": Rule("error", "a readable file", "check the path"),
    "input-unreadable": Rule("error", "a file that can be read to its end", "check the disk and, for a zip through a pipe, the room for temporary files"),
    "input-empty": Rule("error", "a JSON array or JSON lines", "fetch the file again; it holds nothing"),
    "input-not-json": Rule("error", "a JSON array '[...]' or one JSON object a line", "pass a .json, .jsonl, .gz or .zip of SVIT records"),
    "input-encoding": Rule("error", "UTF-8", "convert it first with iconv"),
    "input-syntax": Rule("error", "records separated by ',' and closed by ']'", "mend the file by hand at that byte, or fetch it again"),
    "input-rest": Rule("error", "records that begin like those before", "mend the record before it by hand: what follows it in this file was not read"),
    "input-truncated": Rule("error", "a ']' at the end", "fetch the file again, or keep what came before with --on-error skip"),
    "input-damaged": Rule("error", "an archive that unpacks", "fetch the archive again and compare its checksum"),
    "input-bomb": Rule("error", "an archive of ordinary text", "do not unpack it; ask where it came from"),
    "input-members": Rule("error", "exactly one .json or .jsonl inside the zip", "unpack it and pass the file that you mean"),
    "input-changed": Rule("error", "files that stay as they are while they are read", "load again when nothing writes to them"),
    "input-bom": Rule("note", "UTF-8 without a byte-order mark", "nothing to do; the mark was passed over"),
    # one record, as JSON
    "record-too-large": Rule("error", "a smaller record", "raise --max-record-mb if the record is genuine"),
    "record-syntax": Rule("error", "well-formed JSON", "mend the record by hand, or leave it out with --on-error skip"),
    "record-utf8": Rule("error", "UTF-8 text", "re-encode the record, or leave it out with --on-error skip"),
    "record-surrogate": Rule("error", "whole characters: a high and a low surrogate together", "replace the lone \\ud800-\\udfff escape"),
    "record-nan": Rule("error", "a JSON number", "NaN and Infinity are not JSON: write null or leave the key out"),
    "record-number": Rule("error", "numbers of at most 4,300 digits", "write it as a string: Python's json, and so the trainer, refuses longer ones"),
    "record-depth": Rule("error", "fewer nested brackets", "no genuine record nests like this; leave it out with --on-error skip"),
    "record-duplicate-key": Rule("error", "each key once in an object", "keep one of the two; readers disagree about which counts"),
    "record-shape": Rule("error", "a record that fits the schema", "compare it with the schema: svit-convert schema native, llava-lenient or image_data"),
    "extra-damaged": Rule("error", "a JSON object from JSON paths to objects, as load_dataset writes it", "set extra to null to convert without the record's further keys"),
    # conversations, turns, tokens
    "no-conversations": Rule("error", "at least one conversation", "leave the record out; there is nothing to train on"),
    "no-turns": Rule("error", "at least one question and answer", "leave the conversation out; there is nothing to train on"),
    "turn-role": Rule("error", "user and gpt in turn, user first", "put the turns in order or leave the conversation out"),
    "turn-odd": Rule("error", "an answer after every question", "drop the last turn or add its answer: an odd number trains on zero tokens"),
    "turn-empty": Rule("error", "text", "drop the pair: an empty value makes the whole conversation train on zero tokens"),
    "token-image": Rule("error", "no <image> inside a text", "take the token out: two of them break the trainer's batch"),
    "token-eos": Rule("error", "no </s> inside a text", "take the token out: it makes the conversation train on zero tokens"),
    "token-assistant": Rule("error", "no ' ASSISTANT: ' inside a text", "reword it: it makes the conversation train on zero tokens"),
    # grounded text
    "box-malformed": Rule("warning", "[x1, y1, x2, y2], four numbers", "left as text, in no frame; correct it in the source"),
    "box-outside": Rule("warning", "fractions of the image, 0 to 1", "converted all the same; correct it in the source"),
    "box-inverted": Rule("warning", "x1 <= x2 and y1 <= y2", "converted all the same; correct it in the source"),
    "box-in-padding": Rule("warning", "boxes on the image", "they reach into the padding and were cut at the image's edge: if the file was made for a trainer that does not pad, pass --coordinates original"),
    "marks-unbalanced": Rule("warning", "every <st> closed by an <ed>", "the mark was dropped from the text; correct it in the source"),
    # images
    "image-unknown": Rule("error", "a Visual Genome id, or an image under --images", "check image_id, or pass the folder that holds the image"),
    "image-missing": Rule("error", "the image under --images", "fetch the image, or leave its records out with --on-error skip"),
    "image-undecodable": Rule("error", "an image that Pillow can open", "fetch the image again"),
    "image-too-large": Rule("error", "fewer pixels than Pillow's limit", "no genuine photo is that large; replace the file"),
    "image-size-differs": Rule("warning", "the same size in image_data.json and in the file", "image_data.json was used; check that the file is the original"),
    "image-size-unknown": Rule("error", "the image's size, to place its boxes", "pass --images with the images or image_data.json"),
    "image-turned": Rule("warning", "an upright photo", "boxes are in stored pixels, and datasets turns the photo when it is looked at: take its bytes with Image(decode=False), or store the photo upright"),
    "image-id-range": Rule("error", "an id of 64 bits", "correct image_id: a table cannot hold it"),
    "image-folder-differs": Rule("warning", "the image in the folder that Visual Genome has it in", "move the file: the trainer looks for it where the record says"),
    "image-path-unsafe": Rule("error", "a relative path below the image folder", "make the path relative, without '..'"),
    "image-folder-guessed": Rule("note", "an id in Visual Genome's index or an image in VG_100K or VG_100K_2", "put the image under vg/VG_100K for the trainer"),
    "image-data-entry": Rule("error", "{image_id, width, height} with positive whole numbers", "correct the entry in image_data.json"),
    # the file as a set
    "duplicate-id": Rule("warning", "one record per image and task", "both were kept, under ids of their own; drop one if it is a copy"),
    # the way back
    "provenance-damaged": Rule("error", "the svit key as to-llava wrote it", "restore the key, or remove it to convert by best effort"),
    "provenance-edited": Rule("warning", "the text that to-llava wrote", "converted from the edited text by best effort"),
    "provenance-conflict": Rule("error", "one text for each place in the native file", "pass the LLaVA files of one conversion only"),
    "provenance-image": Rule("warning", "the image that the record was made for", "the id in the key svit was used; if the image was changed on purpose, remove the key"),
    "provenance-copy": Rule("note", "each conversation once", "nothing to do; the copy was counted and left out"),
    "row-extra-key": Rule("note", "the keys that to-llava wrote", "left out; the native layout has no place for it"),
    "row-lenient": Rule("warning", "a record that LLaVA's loader reads", "kept as it was; see the schema llava-lenient"),
    "row-check": Rule("error", "a row that fits the schema it is written under", "please report this with the record: it should not happen"),
}  # fmt: skip


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fault, with its place.

    Attributes:
        code: Key of ``RULES``.
        severity: ``error``, ``warning`` or ``note``.
        file: The input as the user named it.
        record: Number of the record in that file, from 1.
        id: ``image_id`` of a native record, ``id`` of a LLaVA record.
        path: JSON path inside the record, from ``$``.
        found: What stands there.
        expected: What should stand there.
        mend: What to do.
    """

    code: str
    severity: Severity
    found: str
    expected: str
    mend: str
    file: str = ""
    record: int = 0
    id: str = ""
    path: str = ""

    def __str__(self) -> str:
        """Return ``FILE:RECORD id=ID PATH: found ...; expected ...; mend [code]``.

        >>> print(finding("turn-empty", "''", file="a.json", record=812, id=42, path="$.conversations[0]"))
        a.json:812 id=42 $.conversations[0]: found ''; expected text; drop the pair: an empty value \
makes the whole conversation train on zero tokens [turn-empty]
        """
        where = f"{self.file}:{self.record}" if self.record else self.file
        place = " ".join(x for x in (where, f"id={self.id}" if self.id else "", self.path) if x)
        head = f"{place}: " if place else ""
        return f"{head}found {self.found}; expected {self.expected}; {self.mend} [{self.code}]"

    def at(self, *, file: str = "", record: int = 0, id: str | int = "", path: str = "") -> Finding:
        """Return the finding with the parts of its place filled in that it does not have yet.

        >>> finding("turn-empty", "''", path="$.x").at(file="a.json", record=3, path="$.y").path
        '$.x'
        """
        return msgspec.structs.replace(
            self,
            file=self.file or file,
            record=self.record or record,
            id=self.id or str(id),
            path=self.path or path,
        )


def finding(
    code: str,
    found: str,
    *,
    file: str = "",
    record: int = 0,
    id: str | int = "",
    path: str = "",
    expected: str | None = None,
    mend: str | None = None,
) -> Finding:
    """Make a finding of the kind ``code``; the rule's words stand where none are given.

    >>> finding("turn-odd", "3 turns").severity
    'error'
    """
    rule = RULES[code]
    return Finding(
        code=code,
        severity=rule.severity,
        found=found,
        expected=rule.expected if expected is None else expected,
        mend=rule.mend if mend is None else mend,
        file=file,
        record=record,
        id=str(id),
        path=path,
    )


def quote(text: str, *, limit: int = 80) -> str:
    """Return ``text`` quoted, in ASCII, shortened in the middle to about ``limit`` characters.

    >>> quote("a" * 10, limit=6)
    "'aaa...aaa'"
    >>> quote("\\u2019")
    "'\\\\u2019'"
    """
    half = limit // 2
    return ascii(text if len(text) <= limit else f"{text[:half]}...{text[-half:]}")
