"""What the page is sent, as JSON: the facts about the inputs, a page of records, one record in full."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from svit_datasets.boxes import Size
from svit_datasets.findings import Finding

Fractions: TypeAlias = tuple[float, float, float, float]


class Counted(Struct, frozen=True):
    """A task or a finding's code, and how many records are of it or have it."""

    name: str
    count: int


class Facts(Struct, frozen=True):
    """What the inputs hold.

    Attributes:
        total: How many records, unreadable ones too.
        faulty: How many have a finding.
        tasks: Records of each task.
        codes: Records with each finding.
        files: Records of each input.
    """

    total: int
    faulty: int
    tasks: list[Counted]
    codes: list[Counted]
    files: list[Counted]


class Start(Struct, frozen=True, kw_only=True):
    """What the page begins with.

    Attributes:
        facts: What the inputs hold.
        palette: Colours of the groups, in turn.
        pad_rgb: What the square around a padded photo is filled with.
        version: This package's.
    """

    facts: Facts
    palette: tuple[str, ...]
    pad_rgb: tuple[int, int, int]
    version: str


class Badge(Struct, frozen=True):
    """A finding of a record, as the list shows it."""

    severity: str
    code: str


class Line(Struct, frozen=True):
    """One record as the list shows it; the attributes are those of ``Stored``."""

    number: int
    file: str
    place: int
    id: str
    task: str
    opening: str
    badges: list[Badge]


class Listing(Struct, frozen=True):
    """One page of the records that a filter leaves.

    Attributes:
        total: How many it leaves.
        page: Which page this is, from 0.
        pages: How many there are; 1 where nothing is left.
        first: Which of those left the first line is, from 1.
        lines: The records.
    """

    total: int
    page: int
    pages: int
    first: int
    lines: list[Line]


class Segment(Struct, frozen=True, omit_defaults=True):
    """A piece of a turn's text.

    Attributes:
        kind: ``text``; ``phrase``, words that boxes belong to; or ``boxes``, the boxes as written.
        text: The piece.
        group: Number of its group, from 1; 0 for plain text and phrases without boxes.
        is_guessed: Whether the words are those before an unmarked box.
    """

    kind: Literal["text", "phrase", "boxes"]
    text: str
    group: int = 0
    is_guessed: bool = False


class Box(Struct, frozen=True):
    """One box in both frames, as fractions ``x1, y1, x2, y2`` of each; None where it cannot be worked out."""

    original: Fractions | None
    padded: Fractions | None


class Group(Struct, frozen=True):
    """Boxes that stand together, drawn in one colour; the same boxes elsewhere in the record are the same group.

    Attributes:
        number: From 1, in the order of the text.
        phrase: The words that they belong to; '' where none stand out.
        is_guessed: Whether those are the words before unmarked boxes.
        boxes: The boxes.
        conversations: In which conversations they stand, from 0.
    """

    number: int
    phrase: str
    is_guessed: bool
    boxes: list[Box]
    conversations: list[int]


class TurnShown(Struct, frozen=True):
    """A turn.

    Attributes:
        role: Its role as it stands in the record.
        segments: Its text in pieces.
        characters_left_out: How many of its characters are not shown, because the record is very long.
    """

    role: str
    segments: list[Segment]
    characters_left_out: int = 0


class ConversationShown(Struct, frozen=True):
    """A conversation; ``topic`` is None where it has none."""

    topic: str | None
    turns: list[TurnShown]


class Photo(Struct, frozen=True):
    """A record's photo.

    Attributes:
        state: ``there``; ``none`` where the record names no image; ``missing``; ``refused``, for a path that leads out
            of the image folder; ``unreadable``.
        place: Where it lies, or where it was looked for.
        message: What is wrong with it.
        name: The path that the record tells, or the image's id.
        address: Where the page gets it, relative to the page's own address.
    """

    state: Literal["there", "none", "missing", "refused", "unreadable"]
    place: str = ""
    message: str = ""
    name: str = ""
    address: str = ""


class Frames(Struct, frozen=True):
    """The frames of a photo, in pixels.

    Attributes:
        size_wh: Width and height of the photo as stored, EXIF orientation ignored.
        side_px: Side of the square that LLaVA pads it to.
        offset_xy_px: Where the photo begins on the square.
        written: The frame that the record's boxes are written in.
        is_assumed: Whether nothing tells that frame, so that it is taken to be this one.
    """

    size_wh: Size
    side_px: int
    offset_xy_px: tuple[int, int]
    written: Literal["original", "padded"]
    is_assumed: bool = False


class RecordShown(Struct, frozen=True, kw_only=True):
    """One record in full.

    Attributes:
        number: Its number among the records of all inputs, from 1.
        file: The input that it stands in.
        place: Its number there.
        layout: ``native`` or ``llava``.
        task: Its task, or ``none``.
        id: Its id.
        image_id: Visual Genome's id of its image; '' for another image, or none.
        image: The image path that a LLaVA record tells; '' where it tells none.
        is_readable: Whether it could be read.
        photo: Its photo.
        frames: The frames; None where nothing tells the photo's size.
        groups: Its boxes.
        conversations: Its conversations.
        turns_left_out: How many turns are not shown, because the record is very long.
        findings: What is wrong with it, the worst first.
        findings_left_out: How many findings are not shown, because there are very many.
        raw: Its JSON text, indented.
        raw_bytes: How long the whole of it is; ``raw`` may be its beginning.
    """

    number: int
    file: str
    place: int
    layout: str
    task: str
    id: str
    image_id: str
    image: str
    is_readable: bool
    photo: Photo
    frames: Frames | None
    groups: list[Group]
    conversations: list[ConversationShown]
    turns_left_out: int
    findings: list[Finding]
    findings_left_out: int
    raw: str
    raw_bytes: int


class Exported(Struct, frozen=True):
    """A record of an export: as the list shows it, and in full."""

    line: Line
    record: RecordShown
