"""The pictures of README and docs, drawn from the sample, in light and dark."""

import json
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from svit_datasets import grounding
from svit_datasets.boxes import padded_axes
from svit_datasets.converters.llava_layout import Options, choose_sentence
from svit_datasets.converters.rendering import renderer
from svit_datasets.drawing import draw_boxes, label_boxes, pad_photo

SAMPLE = Path(__file__).parent.parent / "svit_datasets" / "sample"
THEMES = {
    "light": {"paper": "#ffffff", "ink": "#1f2328", "soft": "#59636e", "code": "#f3f4f6", "accent": "#0969da"},
    "dark": {"paper": "#0d1117", "ink": "#e6edf3", "soft": "#9198a1", "code": "#161b22", "accent": "#4493f8"},
}


def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=size)


def make_pictures(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for theme, colours in THEMES.items():
        overview(colours).quantize(256).save(folder / f"overview-{theme}.png", optimize=True)
        padding(colours).quantize(256).save(folder / f"padding-{theme}.png", optimize=True)


def sample_text(image_id: int, pair: int, turn: int) -> str:
    records = json.loads((SAMPLE / "data" / "referring_qa.json").read_text())
    (record,) = (r for r in records if r["image_id"] == image_id)
    text: str = record["conversations"][pair]["content"][turn]["value"]
    return text


def photo(image_id: int) -> Image.Image:
    return Image.open(SAMPLE / "raw" / "VG_100K" / f"{image_id}.jpg").convert("RGB")


def overview(colours: dict[str, str]) -> Image.Image:
    """Both files side by side: photo with boxes above, record below, the commands between."""
    native = sample_text(9000001, 0, 0)
    picture = photo(9000001)
    text = renderer(picture.size, Options()).turn(native).text
    labels = label_boxes(native)
    padded = [label._replace(box_xyxy=box.box_xyxy) for label, box in zip(labels, label_boxes(text), strict=True)]
    sheet = Image.new("RGB", (1640, 770), colours["paper"])
    pen = ImageDraw.Draw(sheet)
    left = draw_boxes(picture, labels).resize((640, 424))
    right = draw_boxes(pad_photo(picture), padded).resize((500, 500))
    sheet.paste(left, (20, 88))
    sheet.paste(right, (1020, 50))
    pen.text((20, 14), "SVIT, native: fractions of the photo", fill=colours["ink"], font=font(24))
    pen.text((1020, 14), "LLaVA-v1.5: fractions of the padded square", fill=colours["ink"], font=font(24))
    arrow(pen, (690, 260), (990, 260), "svit-convert to-llava", colours)
    arrow(pen, (990, 350), (690, 350), "svit-convert from-llava", colours)
    pen.text((840, 410), "every character restored", fill=colours["soft"], font=font(20), anchor="mm")
    record = '{"image_id": 9000001, "conversations": [{"content": [{"from": "user", "value": "' + native + '"}, ...'
    code(pen, (20, 570), 790, record, colours)
    question = "<image>\\n" + text + "\\n" + choose_sentence("referring_qa-9000001-0", 0, 0)
    row = (
        '{"id": "referring_qa-9000001-0", "image": "vg/VG_100K/9000001.jpg", '
        '"conversations": [{"from": "human", "value": "'
    )
    code(pen, (830, 570), 790, row + question + '"}, ...', colours)
    return sheet


def arrow(
    pen: ImageDraw.ImageDraw, start: tuple[int, int], end: tuple[int, int], label: str, colours: dict[str, str]
) -> None:
    pen.line((*start, *end), fill=colours["accent"], width=4)
    way = 14 if end[0] > start[0] else -14
    pen.polygon((end, (end[0] - way, end[1] - 9), (end[0] - way, end[1] + 9)), fill=colours["accent"])
    pen.text(((start[0] + end[0]) // 2, start[1] - 20), label, fill=colours["ink"], font=font(24), anchor="mm")


def code(pen: ImageDraw.ImageDraw, at: tuple[int, int], width: int, text: str, colours: dict[str, str]) -> None:
    lines = textwrap.wrap(text, 70, break_on_hyphens=False)
    pen.rounded_rectangle((*at, at[0] + width, at[1] + 30 + 30 * len(lines)), 10, fill=colours["code"])
    for i, line in enumerate(lines):
        pen.text((at[0] + 16, at[1] + 14 + 30 * i), line, fill=colours["ink"], font=font(21))


def padding(colours: dict[str, str]) -> Image.Image:
    """One box, step by step, from the photo to the square."""
    native = sample_text(9000006, 0, 1)
    picture = photo(9000006)
    group = next(grounding.find(native))
    box = group.coordinates[:4]
    x, _ = padded_axes(picture.size)
    x1_px = round(float(box[0]) * x.length_px)
    labels = label_boxes(f"<st>{group.phrase}<ed> [{', '.join(box)}]")
    moved_text = renderer(picture.size, Options()).turn(f"[{', '.join(box)}]").text
    moved = [labels[0]._replace(box_xyxy=label_boxes(moved_text)[0].box_xyxy)]
    sheet = Image.new("RGB", (1640, 740), colours["paper"])
    pen = ImageDraw.Draw(sheet)
    sheet.paste(draw_boxes(picture, labels), (20, 60))
    square = pad_photo(picture)
    sheet.paste(draw_boxes(square, moved), (1020, 60))
    pen.text((20, 18), f"photo, {picture.width} x {picture.height}", fill=colours["ink"], font=font(24))
    pen.text((1020, 18), f"what the model sees, {x.side_px} x {x.side_px}", fill=colours["ink"], font=font(24))
    pen.text((20, 680), f"[{', '.join(box)}]", fill=colours["ink"], font=font(26))
    pen.text((1020, 680), moved_text, fill=colours["ink"], font=font(26))
    steps = (
        f"x1 = {box[0]} of the width {x.length_px}",
        f"round({box[0]} * {x.length_px}) = {x1_px} px",
        f"the photo begins at ({x.side_px} - {x.length_px}) // 2 = {x.offset_px} px",
        f"{x1_px} + {x.offset_px} = {x1_px + x.offset_px} px",
        f"round({x1_px + x.offset_px} / {x.side_px}, 3) = {moved_text[1:].split(',')[0]}",
        "",
        f"y1 = {box[1]}: height fills the square,",
        "so only the rounding to pixels shows",
    )
    for i, step in enumerate(steps):
        pen.text((480, 190 + 38 * i), step, fill=colours["ink"] if i < 5 else colours["soft"], font=font(23))
    return sheet
