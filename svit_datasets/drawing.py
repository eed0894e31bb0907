"""Draw the boxes of native or LLaVA records on their photos, in the frame that the records are in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import msgspec

from svit_datasets import grounding
from svit_datasets.boxes import Size, padded_axes
from svit_datasets.converters.infer import infer_phrase
from svit_datasets.converters.llava_rows import decode_row
from svit_datasets.errors import SvitError, UsageError, choose
from svit_datasets.findings import Finding, finding
from svit_datasets.images.files import read_size
from svit_datasets.images.known import Images
from svit_datasets.images.visual_genome import parse_path
from svit_datasets.reading.containers import fault_error, input_error, open_source, path_names
from svit_datasets.reading.readers import decode_native, read_items
from svit_datasets.writing.writers import OutputSet

if TYPE_CHECKING:
    from PIL import Image

CLIP_MEAN_RGB = (122, 116, 104)  # what LLaVA fills the square with: CLIP's image mean
PALETTE = (
    "#e6194b",
    "#3cb44b",
    "#4363d8",
    "#f58231",
    "#911eb4",
    "#008080",
    "#9a6324",
    "#800000",
    "#000075",
    "#c51b8a",
)


Box: TypeAlias = tuple[float, float, float, float]


class Labelled(NamedTuple):
    """A box with its phrase; fractions of the frame that its record is in."""

    phrase: str
    box_xyxy: Box


def draw(
    source: str | Path,
    output: str | Path,
    *,
    images: Iterable[str | Path] | str | Path,
    coordinates: Literal["padded", "original"] = "padded",
    image_ids: Iterable[int] = (),
    limit: int = 8,
    overwrite: bool = False,
) -> list[Path]:
    """Draw boxes on photos: of a native file on the photo, of a LLaVA file on the photo padded to a square.

    Args:
        source: A native or LLaVA file; which one shows in its records.
        output: Folder for ``ID.native.png``, and ``ID.padded.png`` or ``ID.original.png``.
        images: As in ``to_llava``; image files are needed.
        coordinates: The frame of a LLaVA file's boxes.
        image_ids: Which images; by default the first ``limit`` that have boxes.
        limit: How many images at most where ``image_ids`` is empty.
        overwrite: Whether existing pictures may be replaced.

    Returns:
        The pictures written.

    Raises:
        InputError: The file or the images cannot be used.
        RecordError: An image is missing.
        UsageError: No box was found.
    """
    wanted = set(image_ids)
    boxes: dict[tuple[int, str], list[Labelled]] = {}
    choose("coordinates", coordinates, ("padded", "original"))
    for key, found in _boxes(str(source), coordinates):
        if key[0] in wanted or (not wanted and (key in boxes or len(boxes) < limit)):
            kept = boxes.setdefault(key, [])
            known = {b.box_xyxy for b in kept}
            kept += {b.box_xyxy: b for b in reversed(found) if b.box_xyxy not in known}.values()
    if not boxes:
        asked = f" for {', '.join(map(str, sorted(wanted)))}" if wanted else ""
        raise UsageError(f"{source}: no boxes found{asked}; pass a referring file, native or LLaVA, with these images")
    written = []
    with Images(path_names(images)) as pictures, OutputSet(overwrite=overwrite) as outputs:
        for (image_id, frame), labelled in boxes.items():
            path = Path(output) / f"{image_id}.{frame}.png"
            picture = _draw_one(pictures, image_id, frame, labelled)
            target = outputs.open(path)
            picture.save(target, format="PNG")  # type: ignore[arg-type]
            written.append(path)
    return written


def _boxes(name: str, llava_frame: str) -> Iterator[tuple[tuple[int, str], list[Labelled]]]:
    """Yield ``(image id, frame)`` and labelled boxes of every record that has some."""
    with open_source(name) as source:
        for item in read_items(source, _decode):
            if item.fault is not None and item.fault.severity == "error":
                raise fault_error(item.fault)
            image_id, frame, texts = item.record or (None, "", [])
            found = [box for text in texts for box in label_boxes(text)]
            if found and image_id is not None:
                yield (image_id, frame or llava_frame), found


def _decode(raw: bytes | memoryview) -> tuple[int | None, str, list[str]]:
    """Return image id, ``native`` or '', and texts of a native or a LLaVA record."""
    if "image_id" in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]):
        record = decode_native(raw)
        return record.image_id, "native", [t.value for c in record.conversations for t in c.content]
    row = decode_row(raw)
    if row.turns is None:
        raise msgspec.ValidationError("Expected turns of {from, value} - at `$.conversations`")
    place = parse_path(row.image or "")
    return place[1] if place else None, "", [t.value for t in row.turns]


def label_boxes(text: str) -> list[Labelled]:
    """Return the boxes of a text with their phrases; the words before a box stand in for a phrase not marked.

    >>> label_boxes("the <st>man<ed> [0.1, 0.2, 0.3, 0.4]")
    [Labelled(phrase='man', box_xyxy=(0.1, 0.2, 0.3, 0.4))]
    """
    found, end = [], 0
    for group in grounding.find(text):
        phrase = infer_phrase(text[end : group.start]) if group.phrase is None else group.phrase
        numbers = [float(c) for c in group.coordinates]
        for i in range(0, len(numbers), 4):
            x1, y1, x2, y2 = numbers[i : i + 4]
            found.append(Labelled(phrase, (x1, y1, x2, y2)))
        end = group.end
    return found


def _draw_one(pictures: Images, image_id: int, frame: str, labelled: list[Labelled]) -> Image.Image:
    from PIL import Image

    pictures.open(image_id).close()  # a missing image is a fault of the record
    size_wh = read_size(lambda: pictures.open(image_id))
    try:
        if isinstance(size_wh, Finding):
            raise input_error(size_wh.at(id=image_id))
        with pictures.open(image_id) as file, Image.open(file) as opened:
            photo = opened.convert("RGB")
    except OSError as error:
        if isinstance(error, SvitError):
            raise
        raise input_error(finding("image-undecodable", str(error), id=image_id)) from error
    return draw_boxes(pad_photo(photo) if frame == "padded" else photo, labelled)


def pad_photo(photo: Image.Image) -> Image.Image:
    """Return ``photo`` centred on a square of its longer side, as LLaVA's loader does it.

    >>> from PIL import Image
    >>> pad_photo(Image.new("RGB", (640, 480))).size
    (640, 640)
    """
    from PIL import Image

    x, y = padded_axes(photo.size)
    square = Image.new("RGB", (x.side_px, y.side_px), CLIP_MEAN_RGB)
    square.paste(photo, (x.offset_px, y.offset_px))
    return square


def draw_boxes(photo: Image.Image, labelled: Iterable[Labelled]) -> Image.Image:
    """Return ``photo`` with boxes and phrases on it; a phrase keeps one colour.

    Args:
        photo: The picture, in the frame of the boxes.
        labelled: Boxes as fractions of it.

    Returns:
        A new picture.

    >>> from PIL import Image
    >>> draw_boxes(Image.new("RGB", (9, 9)), [Labelled("", (0, 0, 1, 1))]).getpixel((0, 0))
    (230, 25, 75)
    """
    from PIL import ImageDraw, ImageFont

    result = photo.copy()
    pen = ImageDraw.Draw(result)
    font = ImageFont.load_default(size=max(11, min(photo.size) // 45))
    colours: dict[str, str] = {}
    labels: list[Box] = []
    for phrase, box_xyxy in labelled:
        colour = colours.setdefault(phrase.lower(), PALETTE[len(colours) % len(PALETTE)])
        box_px = _to_px(box_xyxy, photo.size)
        pen.rectangle(box_px, outline=colour, width=2)
        if phrase:
            _, _, width, height = pen.textbbox((0, 0), phrase, font=font)
            label = _place((width + 5, height + 3), box_px, photo.size, labels)
            labels.append(label)
            pen.rectangle(label, fill=colour)
            pen.text((label[0] + 2, label[1] + 1), phrase, fill="white", font=font)
    return result


def _to_px(box_xyxy: Box, size_wh: Size) -> Box:
    """Return a box in pixels of the frame, corners in order, as Pillow wants them."""
    w, h = size_wh[0] - 1, size_wh[1] - 1
    (left, right), (top, bottom) = (
        sorted((box_xyxy[0] * w, box_xyxy[2] * w)),
        sorted((box_xyxy[1] * h, box_xyxy[3] * h)),
    )
    return left, top, right, bottom


def _place(label_wh: tuple[float, float], box_px: Box, size_wh: Size, taken: list[Box]) -> Box:
    """Return where a label goes: at a corner of its box where no other label lies, within the picture."""
    (w, h), (left, top, right, bottom) = label_wh, box_px
    corners = (
        (left, top - h),
        (left, top),
        (left, bottom),
        (right - w, bottom),
        (right - w, top - h),
        (left, bottom - h),
    )
    places = []
    for x, y in corners:
        x, y = min(max(0.0, x), size_wh[0] - w), min(max(0.0, y), size_wh[1] - h)
        places.append((x, y, x + w, y + h))
    return next((p for p in places if not any(_overlap(p, other) for other in taken)), places[0])


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
