"""Faults of over 60 kinds planted in 10,000 good records: validate finds all of them, and none more."""

from __future__ import annotations

import json
import random
from collections import Counter
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from svit_datasets.images import visual_genome
from svit_datasets.validation.validate import validate
from tests import planted
from tests.planted import (
    BROKEN_IDS,
    BY_ID,
    HELD_OUT,
    LLAVA,
    NATIVE,
    Found,
    Kind,
    Record,
    Spot,
    boxed,
    edit,
    has_image,
    in_record,
    in_text,
    in_turn,
    is_long,
    is_wide,
    told,
)

EACH = 3
ALL = (*NATIVE, LLAVA)
BOX = "[0.1, 0.2, 0.3, 0.6]"
LONG = "The man stands by the tram and waits. He holds a red umbrella over his head, for it rains, and looks at his"
Where = Counter[tuple[str, int, str, str]]


def drop_last(spot: Spot) -> Found:
    spot.turns.pop()
    return [(spot.turns_path, "turn-odd"), *([] if spot.stem == LLAVA else [("$.conversations", "design-count")])]


def no_turns(spot: Spot) -> Found:
    spot.turns.clear()
    return [(spot.turns_path, "no-turns"), *([] if spot.stem == LLAVA else [("$.conversations", "design-count")])]


def without(key: str) -> Any:
    def plant(spot: Spot) -> Found:
        del spot.turns[spot.answered][key]
        return [(spot.path(spot.answered, ""), "record-shape")]

    return plant


def fewer(spot: Spot) -> Found:
    del spot.record["conversations"][spot.block]
    return [("$.conversations", "design-count")]


def more(spot: Spot) -> Found:
    spot.turns += planted.turns(["Is one more question asked?", "Yes."], ("user", "gpt"))
    return [("$.conversations", "design-count")]


def known_broken(spot: Spot) -> Found:
    spot.turns[1]["value"] = "I'm sorry, but it seems that the message is empty."
    spot.record["image_id"] = [i for i in BROKEN_IDS if i not in HELD_OUT][spot.number]
    return [(spot.path(1), "answer-known-broken")]


def repeat_question(spot: Spot) -> Found:
    spot.turns[2]["value"] = spot.turns[0]["value"].replace("<image>", "").strip()
    return [(spot.path(2), "duplicate-question")]


def repeat_in_answer(spot: Spot) -> Found:
    spot.turns[spot.answered]["value"] = spot.turns[spot.asked]["value"].upper()
    return [(spot.path(spot.answered), "answer-repeats-question")]


def copy(spot: Spot) -> Found:
    spot.record.clear()
    spot.record.update(spot.before)
    return [("$", "duplicate-record")]


def image_alone(spot: Spot) -> Found:
    spot.turns[spot.asked]["value"] = f"<image>\n{spot.turns[spot.asked]['value']}"
    return [(spot.path(spot.asked), "token-image-alone")]


def without_token(spot: Spot) -> Found:
    spot.turns[0]["value"] = spot.turns[0]["value"].replace("<image>", "").strip()
    return [("$.conversations", "token-image-missing")]


def second_token(spot: Spot) -> Found:
    spot.turns[2]["value"] = f"<image>\n{spot.turns[2]['value']}"
    return [(spot.path(2), "token-image-repeated")]


def held_out(spot: Spot) -> Any:
    image_id = spot.chosen.choice(HELD_OUT)
    return f"vg/VG_100K/{image_id}.jpg" if spot.stem == LLAVA else image_id


def deep(raw: bytes) -> bytes:
    return raw[:-1] + b', "n": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"


KINDS: list[Kind] = [
    in_turn("empty question", "turn-empty", "asked", "value", "", NATIVE),
    in_turn("empty answer", "turn-empty", "answered", "value", ""),
    in_turn("white space in an answer", "turn-empty", "answered", "value", " \n\u3000"),
    Kind("turn-odd", ALL, drop_last),
    in_turn("two questions", "turn-role", "answered", "from", "user", NATIVE),
    in_turn("two answers", "turn-role", "asked", "from", "gpt"),
    in_turn("two questions of LLaVA", "turn-role", "answered", "from", "human", (LLAVA,)),
    in_turn("assistant", "turn-role", "answered", "from", "assistant"),
    in_turn("capitals", "turn-role", "answered", "from", "GPT"),
    in_turn("LLaVA's role in a native record", "turn-role", "asked", "from", "human", NATIVE),
    in_turn("the native role in a LLaVA record", "turn-role", "asked", "from", "user", (LLAVA,)),
    Kind("no-turns", ALL, no_turns),
    in_record("empty", "no-conversations", "conversations", []),
    edit("token-image in a question", "token-image", "asked", lambda t: f"Look <image> {t}"),
    edit("token-image before a native question", "token-image", "asked", lambda t: f"<image>\n{t}"),
    edit("token-image in an answer", "token-image", "answered", lambda t: f"<image> {t}"),
    edit("token-eos in a question", "token-eos", "asked", lambda t: f"{t}</s>"),
    edit("token-eos in an answer", "token-eos", "answered", lambda t: f"</s>{t}", ALL),
    edit("token-assistant inside", "token-assistant", "answered", lambda t: f"So ASSISTANT: {t}", ALL),
    edit("token-assistant in front", "token-assistant", "answered", lambda t: f"ASSISTANT: {t}", ALL),
    edit("token-assistant at the end", "token-assistant", "asked", lambda t: f"{t} ASSISTANT:"),
    edit("token-special <unk>", "token-special", "answered", lambda t: f"{t} <unk>", ALL),
    edit("token-special <s>", "token-special", "answered", lambda t: f"<s>{t}", ALL),
    edit("token-special <im_start>", "token-special", "asked", lambda t: f"<im_start>{t}"),
    edit("text-garbled accent", "text-garbled", "answered", lambda t: f"Caf\u00c3\u00a9: {t}", ALL),
    edit("text-garbled quote", "text-garbled", "answered", lambda t: f"It\u00e2\u20ac\u2122s: {t}", ALL),
    edit("text-garbled U+FFFD", "text-garbled", "answered", lambda t: f"\ufffd{t}", ALL),
    edit("text-garbled bell", "text-garbled", "asked", lambda t: f"\x07{t}"),
    edit("text-garbled NUL", "text-garbled", "answered", lambda t: f"A \x00 {t}", ALL),
    edit("text-untrimmed in front", "text-untrimmed", "answered", lambda t: f" {t}", ALL),
    edit("text-untrimmed behind", "text-untrimmed", "answered", lambda t: f"{t}\n", ALL),
    edit("text-untrimmed question", "text-untrimmed", "asked", lambda t: f"{t}\u00a0"),
    *boxed("box-malformed", "<st>a<ed> [0.1, 0.5.1, 0.3, 0.6]", "[-0.1, 0.2, 0.3, 0.6]", "[0.1, 0.2, 0.3]"),
    *boxed("box-malformed", f"<st>a<ed> {BOX} and [0.1, 0.2, 0.3, 0.4, 0.5]", "[0.1 0.2, 0.3, 0.4]"),
    *boxed("box-malformed", "[0.1, 0.5.1, 0.3, 0.6]", stems=(LLAVA,)),
    *boxed("box-outside", "<st>a<ed> [0.1, 0.2, 1.1, 0.6]", "<st>a<ed> [0.1, 0.2, 0.3, 1.001]"),
    *boxed("box-outside", "<st>a<ed> [12, 40, 200, 300]", f"<st>a<ed> {BOX}, [0.1, 0.2, 2, 0.6]"),
    *boxed("box-outside", "[0.1, 0.5, 0.3, 1.1]", stems=(LLAVA,), fits=lambda r: type(r["id"]) is int),
    *boxed("box-inverted", "<st>a<ed> [0.3, 0.2, 0.1, 0.6]", "<st>a<ed> [0.1, 0.6, 0.3, 0.2]"),
    *boxed("box-inverted", "<st>a<ed> [0.3, 0.6, 0.1, 0.2]", f"<st>a<ed> {BOX}, [0.3, 0.2, 0.1, 0.6]"),
    *boxed("box-inverted", "[0.3, 0.4, 0.2, 0.5]", stems=(LLAVA,)),
    *boxed("box-empty", "<st>a<ed> [0.1, 0.2, 0.1, 0.6]", "<st>a<ed> [0.1, 0.2, 0.3, 0.2]", "<st>a<ed> [0, 0, 0, 0]"),
    *boxed("box-empty", "[0.4, 0.4, 0.4, 0.5]", stems=(LLAVA,)),
    *boxed("box-degenerate", "<st>a<ed> [0.1, 0.2, 0.101, 0.6]", "<st>a<ed> [0.1, 0.2, 0.3, 0.201]", fits=is_wide),
    *boxed("box-without-phrase", BOX, f"<st>a<ed> {BOX} and {BOX}"),
    *boxed("phrase-without-box", "<st>a<ed>", f"<st>a<ed> {BOX} or <st>b<ed>"),
    *boxed("marks-unbalanced", "<st>a", "a<ed>", f"<st>a <st>b<ed> {BOX}", "<ed>a<st>"),
    *boxed("marks-left", "<st>a<ed>", "a<ed>", stems=(LLAVA,)),
    *boxed("box-in-padding", "[0.1, 0.02, 0.3, 0.5]", "[0.1, 0.5, 0.3, 0.99]", stems=(LLAVA,),
           fits=lambda r: str(r["id"]).startswith("referring") and is_wide(r)),
    *told("answer-message-empty", "It appears that your message is empty.", "You sent an empty message."),
    *told("answer-names-source", "Based on the captions, it is a cat.", "The description does not say."),
    *told("answer-names-source", "It is a cat, according to the given image description.", "From the bounding boxes."),
    *told("answer-refuses", "I'm sorry, but I cannot see it.", "As an AI language model, I do not know."),
    *told("answer-refuses", "It is hot. Unfortunately, I can\u2019t determine more."),
    *told("answer-cut-off", "It is on the", "A cat, a dog,", f"{LONG}", "It is (", "The sign says [sic", "These:"),
    *told("answer-no-words", "...", "?!"),
    Kind("answer-known-broken", ("detail_description",), known_broken),
    Kind("answer-repeats-question", NATIVE, repeat_in_answer),
    in_record("nobody's", "image-unknown", "image_id", lambda s: 9_000_000 + s.chosen.randrange(10**6)),
    in_record("native", "image-held-out", "image_id", held_out),
    in_record("LLaVA", "image-held-out", "image", held_out, (LLAVA,)),
    in_record("native", "duplicate-id", "image_id", lambda s: s.before["image_id"]),
    in_record("LLaVA", "duplicate-id", "id", lambda s: s.before["id"], (LLAVA,), lambda r: type(r["id"]) is int),
    Kind("duplicate-record", ALL, copy),
    Kind("duplicate-question native", NATIVE[:1], repeat_question),
    Kind("duplicate-question LLaVA", (LLAVA,), repeat_question, lambda r: is_long(r) and type(r["id"]) is int),
    Kind("design-count fewer", NATIVE[:3], fewer),
    Kind("design-count more", NATIVE, more),
    Kind("token-image-missing", (LLAVA,), without_token, has_image),
    Kind("token-image-repeated", (LLAVA,), second_token, is_long),
    edit("token-image-in-answer", "token-image-in-answer", "answered", lambda t: f"<image>\n{t}", (LLAVA,), has_image),
    Kind("token-image-alone", (LLAVA,), image_alone, lambda r: "image" not in r),
    *(in_record(p, "image-path-unsafe", "image", p, (LLAVA,)) for p in ("../a.jpg", "/a.jpg", "C:\\a.jpg", "a/../b")),
    *(in_record(repr(v), "record-shape", "image", v, (LLAVA,)) for v in (None, ["a.jpg"], 7, {})),
    *(in_record(repr(v), "record-shape", "id", v, (LLAVA,)) for v in (None, 1.5)),
    *(in_record(repr(v), "record-shape", "conversations", v, ALL) for v in (None, {}, "text")),
    *(in_record(repr(v), "record-shape", "image_id", v) for v in ("2", None, 2.5, True)),
    in_turn("null", "record-shape", "answered", "value", None),
    in_turn("number", "record-shape", "answered", "value", 3),
    Kind("record-shape without from", ALL, without("from")),
    Kind("record-shape without value", ALL, without("value")),
    in_text("record-syntax", "no colon", lambda raw: raw.replace(b'"value":', b'"value"', 1)),
    in_text("record-syntax", "single quotes", lambda raw: raw.replace(b'"from"', b"'from'", 1)),
    in_text("record-nan", "NaN", lambda raw: raw[:-1] + b', "n": NaN}'),
    in_text("record-nan", "-Infinity", lambda raw: raw[:-1] + b', "n": -Infinity}'),
    in_text("record-surrogate", "lone", lambda raw: raw.replace(b'"value": "', b'"value": "\\ud83d', 1)),
    in_text("record-duplicate-key", "from", lambda raw: raw.replace(b'"from"', b'"from": "gpt", "from"', 1)),
    in_text("record-utf8", "Latin-1", lambda raw: raw.replace(b'"value": "', b'"value": "\xe9', 1)),
    in_text("record-number", "digits", lambda raw: raw[:-1] + b', "n": ' + b"9" * 4301 + b"}", NATIVE),
    in_text("record-depth", "brackets", deep),
    in_text("record-shape", "text", lambda _: b'"text"'),
    in_text("record-shape", "list", lambda raw: b"[" + raw + b"]"),
]  # fmt: skip


def plant(good: dict[str, list[Record]], seed: int) -> tuple[dict[str, list[bytes]], Where]:
    """Return the files with each kind planted in several records, and what is to be found where."""
    chosen, wanted = random.Random(seed), Counter[tuple[str, int, str, str]]()
    made = {stem: [json.dumps(record).encode() for record in records] for stem, records in good.items()}
    free = {stem: chosen.sample(range(1, len(records) - 1, 2), len(records) // 2 - 1) for stem, records in good.items()}
    for kind in KINDS:
        for number in range(EACH):
            stem = chosen.choice(kind.stems)
            at = next(i for i in free[stem] if kind.fits(good[stem][i]))
            free[stem].remove(at)
            spot = Spot(stem, deepcopy(good[stem][at]), good[stem][at - 1], chosen, number)
            wanted.update((f"{stem}.json", at + 1, path, code) for path, code in kind.plant(spot))
            made[stem][at] = spot.encoded()
    return made, wanted


def found(folder: Path, made: dict[str, list[bytes]]) -> Where:
    """Return what validate finds in the files, with file, record, JSON path and code."""
    paths = [folder / f"{stem}.json" for stem in made]
    for path in paths:
        path.write_bytes(b"[" + b",\n".join(made[path.stem]) + b"]")
    sizes = [{"image_id": i, "width": w, "height": h} for i, (w, h) in BY_ID.items()]
    (folder / "image_data.json").write_text(json.dumps(sizes))
    results = validate(paths, images=folder / "image_data.json")
    assert results.records == sum(planted.COUNTS.values()) == 10_000
    wheres = Counter((Path(f.file).name, f.record, f.path, f.code) for f in results)
    results.close()
    return wheres


def test_nothing_is_found_in_good_records(tmp_path: Path) -> None:
    made = {stem: [json.dumps(r).encode() for r in records] for stem, records in planted.good_records(0).items()}
    assert found(tmp_path, made) == Counter()


@pytest.mark.parametrize("seed", [1, 2])
def test_all_faults_are_found_and_none_more(seed: int, tmp_path: Path) -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 60
    made, wanted = plant(planted.good_records(seed), seed)
    assert len(wanted) >= EACH * len(KINDS)
    got = found(tmp_path, made)
    assert got == wanted, f"missed: {sorted(wanted - got)}; more: {sorted(got - wanted)}"


def photo(number: int, mode: str = "RGB", size_wh: tuple[int, int] = (16, 12), orientation: int = 1) -> bytes:
    """Return a small JPEG that no other number gives."""
    from PIL import Image

    file, exif = BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", size_wh, (number, 255 - number, 90)).convert(mode)
    image.save(file, "JPEG", exif=exif, comment=f"{number}")
    return file.getvalue()


PHOTOS: dict[str, tuple[str, Any]] = {
    "missing": ("image-missing", lambda _n, _before: None),
    "cut in the middle": ("image-undecodable", lambda n, _: photo(n)[:-200]),
    "empty": ("image-undecodable", lambda _n, _before: b""),
    "a web page": ("image-undecodable", lambda _n, _before: b"<html>404</html>"),
    "grey": ("image-grey", lambda n, _: photo(n, "L")),
    "CMYK": ("image-cmyk", lambda n, _: photo(n, "CMYK")),
    "turned": ("image-turned", lambda n, _: photo(n, orientation=6)),
    "scaled": ("image-size-differs", lambda n, _: photo(n, size_wh=(32, 24))),
    "another's": ("image-same-content", lambda _, before: before),
    "in the wrong folder": ("image-folder-differs", lambda n, _: photo(n)),
}


def test_all_faults_of_photos_are_found_and_none_more(tmp_path: Path) -> None:
    maker, chosen = planted.Maker(5), random.Random(5)
    records = [maker.native("detail_description") for _ in range(200)]
    places = iter(chosen.sample(range(1, 200, 2), EACH * len(PHOTOS)))
    kinds = {next(places): name for name in PHOTOS for _ in range(EACH)}
    wanted = Counter[tuple[str, int, str, str]]()
    for folder in visual_genome.FOLDERS:
        (tmp_path / folder).mkdir()
    for number, record in enumerate(records):
        folder, data = visual_genome.folder_of(record["image_id"]), photo(number)
        if number in kinds:
            code, make = PHOTOS[kinds[number]]
            data = make(number, photo(number - 1))
            wanted["detail_description.json", number + 1, "$.image_id", code] += 1
            folder = {"VG_100K": "VG_100K_2"}.get(str(folder), "VG_100K") if "folder" in kinds[number] else folder
        if data is not None:
            (tmp_path / f"{folder}" / f"{record['image_id']}.jpg").write_bytes(data)
    sizes = [{"image_id": r["image_id"], "width": 16, "height": 12} for r in records]
    (tmp_path / "image_data.json").write_text(json.dumps(sizes))
    (tmp_path / "detail_description.json").write_text(json.dumps(records))
    results = validate(tmp_path / "detail_description.json", images=tmp_path)
    got = Counter((Path(f.file).name, f.record, f.path, f.code) for f in results)
    results.close()
    assert got == wanted, f"missed: {sorted(wanted - got)}; more: {sorted(got - wanted)}"
