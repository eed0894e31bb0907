"""What a card says in words and tables, piece by piece: types, sizes, cells, shortened examples. No I/O.

>>> size_text(1_920_000_000), size_category(4_200_000)
('1.92 GB', '1M<n<10M')
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pyarrow as pa

from svit_datasets.tables.arrays import IMAGE_TYPE
from svit_datasets.tables.columns import Column

ABOUT_UNPICTURED: Mapping[str, str] = {"images": "The images' sizes, links and ids, without text and photos."}
ABOUT: Mapping[str, str] = {
    "conversation": "Conversations about the photo, each on a topic, of several question-answer pairs.",
    "complex_reasoning": "Questions whose answers need reasoning beyond what the photo shows.",
    "referring": "Questions and answers in which objects are marked and boxed.",
    "detail": "A detailed description of the photo.",
    "images": "The photos with their sizes and ids, without text.",
}
_ARROW_NAMES = {"double": "float64"}
_PHOTO = "The photo: the original file and its name; null where it is missing."
_OF_VISUAL_GENOME = {"image_id": "The image's id.", "url": "Where the image is on the web, from image_data.json."}
_OF_THE_LOADER = re.compile(r"^With coco_captions: | With granularity [^.]*\.")
_MARKUP = re.compile(r"[\\`*_\[\]<>&#|~$^!{}]")
_UNITS = ("kB", "MB", "GB", "TB", "PB")
_BINS = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
_SHOWN = {"conversations": 1, "content": 2, "objects": 1, "boxes": 2, "captions": 1}
_NAMED = {"content": "turns", "objects": "phrases"}
_TEXT_LIMIT, _TEXT_SHOWN = 300, 240
_BYTES = "bytes"


def type_text(kind: pa.DataType) -> str:
    """Return a column's type in short: braces hold named parts, brackets a list.

    >>> type_text(pa.list_(pa.struct([("boxes", pa.list_(pa.float64()))])))
    '[{boxes: [float64]}]'
    """
    if kind == IMAGE_TYPE:
        return "image"
    if pa.types.is_struct(kind):
        return "{" + ", ".join(f"{field.name}: {type_text(field.type)}" for field in kind) + "}"
    if pa.types.is_list(kind):
        return f"[{type_text(kind.value_type)}]"
    return _ARROW_NAMES.get(str(kind), str(kind))


def cell_text(text: str) -> str:
    """Return a text that stays in its cell of a Markdown table and shows as it stands.

    >>> cell_text("<st>a|b<ed>" + chr(10) + "c")
    '&lt;st&gt;a\\\\|b&lt;ed&gt; c'
    """
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|")
    return " ".join(shown.split())


def meaning_text(column: Column, *, is_svit: bool = True) -> str:
    """Return what a column holds in a published table, without the loader's options.

    Args:
        column: The column.
        is_svit: Whether the table is SVIT's: then its images are Visual Genome's.

    Returns:
        A sentence or several.

    >>> from svit_datasets.tables.columns import columns_of
    >>> captions, image = columns_of("images", "image", has_captions=True, chosen=["captions", "image"])
    >>> meaning_text(captions)[:33], meaning_text(image)[:28]
    ("COCO's captions of the image, non", 'The photo: the original file')
    >>> meaning_text(columns_of("images", "image", has_captions=False)[1], is_svit=False)
    "The image's id."
    """
    if not is_svit and column.name in _OF_VISUAL_GENOME:
        return _OF_VISUAL_GENOME[column.name]
    return _PHOTO if column.type == IMAGE_TYPE else _OF_THE_LOADER.sub("", column.meaning)


def column_row(column: Column, *, is_svit: bool = True) -> str:
    """Return a column's line in a table of name, type and meaning.

    >>> from svit_datasets.tables.columns import columns_of
    >>> column_row(columns_of("images", "image", has_captions=False)[1])
    "| `image_id` | int64 | Visual Genome's id of the image. |"
    """
    meaning = meaning_text(column, is_svit=is_svit)
    return f"| `{column.name}` | {cell_text(type_text(column.type))} | {cell_text(meaning)} |"


def line_text(text: str) -> str:
    """Return a line of text as Markdown that shows it as it stands.

    >>> print(line_text("A *b* <i>[c](d)</i> #"))
    A \\*b\\* \\<i\\>\\[c\\](d)\\</i\\> \\#
    """
    return _MARKUP.sub(r"\\\g<0>", text)


def layout_summary(*, has_text: bool, has_boxes: bool) -> str:
    """Return in a sentence what a dataset is that has SVIT's layout and another origin.

    >>> layout_summary(has_text=True, has_boxes=True)
    "A dataset in SVIT's layout: questions and answers about photos, with objects marked and boxed."
    """
    if not has_text:
        return "A dataset in SVIT's layout: photos, without text."
    more = ", with objects marked and boxed" if has_boxes else ""
    return f"A dataset in SVIT's layout: questions and answers about photos{more}."


def number_text(number: int) -> str:
    """Return a whole number with its thousands apart.

    >>> number_text(108077)
    '108,077'
    """
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """Return a number of things.

    >>> counted(1, "image"), counted(4200, "image")
    ('1 image', '4,200 images')
    """
    return f"{number_text(number)} {noun}{'' if number == 1 else 's'}"


def size_text(size_bytes: int) -> str:
    """Return a size in the largest unit that leaves a whole digit, with three digits.

    >>> size_text(0), size_text(999), size_text(1000), size_text(999_999), size_text(15_300_000_000)
    ('0 bytes', '999 bytes', '1 kB', '1 MB', '15.3 GB')
    >>> size_text(5 * 10**18)
    '5,000 PB'
    """
    if size_bytes < 1000:
        return f"{size_bytes} bytes"
    for power, unit in enumerate(_UNITS, 1):
        size = size_bytes / 1000**power
        if size < 999.5:
            return f"{size:.3g} {unit}"
    return f"{size_bytes / 1000 ** len(_UNITS):,.0f} {_UNITS[-1]}"


def size_category(rows: int) -> str:
    """Return the Hub's name for a number of rows.

    >>> [size_category(n) for n in (0, 999, 1000, 108_077, 10**12)]
    ['n<1K', 'n<1K', '1K<n<10K', '100K<n<1M', 'n>1T']
    """
    reached = sum(rows >= 10 ** (3 + i) for i in range(len(_BINS)))
    if reached == 0:
        return f"n<{_BINS[0]}"
    return f"n>{_BINS[-1]}" if reached == len(_BINS) else f"{_BINS[reached - 1]}<n<{_BINS[reached]}"


def example_text(example: Mapping[str, object]) -> str:
    """Return a row as JSON, shortened where it says so.

    Args:
        example: The row as plain objects; a photo as its path and the number of its bytes.

    Returns:
        The text, which no text in the row can lead out of a fenced block; characters that do not show are escaped.

    >>> print(example_text({"image_id": 5, "boxes": [[0.5, 1.0]], "content": ["Why?", "So.", "And?", "Yes."]}))
    {
      "image_id": 5,
      "boxes": [[0.5, 1.0]],
      "content": [
        "Why?",
        "So.",
        "... 2 more turns"
      ]
    }
    """
    text = _lay_out({key: _shorten(key, value) for key, value in example.items()})
    return "".join(
        character if character.isprintable() or character == "\n" else _escape(character) for character in text
    )


def _shorten(key: str, value: object) -> object:
    if isinstance(value, str):
        if len(value) <= _TEXT_LIMIT:
            return value
        return f"{value[:_TEXT_SHOWN]}... {len(value) - _TEXT_SHOWN:,} more characters"
    if isinstance(value, Mapping):
        return {inner: _shorten(inner, inner_value) for inner, inner_value in value.items()}
    if isinstance(value, list):
        limit = _SHOWN.get(key, len(value))
        rest = [f"... {len(value) - limit:,} more {_NAMED.get(key, key)}"] if len(value) > limit else []
        return [*(_shorten("", inner) for inner in value[:limit]), *rest]
    return f"{value:,} bytes" if key == _BYTES else value


def _lay_out(value: object, margin: str = "") -> str:
    """Return JSON with a line for each entry; lists of numbers and what is empty stand on one."""
    inner = f"{margin}  "
    if isinstance(value, dict) and value:
        lines = [f"{inner}{json.dumps(key)}: {_lay_out(entry, inner)}" for key, entry in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{margin}}}"
    if isinstance(value, list) and not _is_of_numbers(value):
        lines = [f"{inner}{_lay_out(entry, inner)}" for entry in value]
        return "[\n" + ",\n".join(lines) + f"\n{margin}]"
    return json.dumps(value, ensure_ascii=False)


def _is_of_numbers(value: object) -> bool:
    return all(map(_is_of_numbers, value)) if isinstance(value, list) else isinstance(value, int | float)


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1]
