"""``validate --trainer llava`` against a walk of LLaVA-v1.5's loader, written from its source, token by token."""

# ruff: noqa: E501 -- full messages stand in one line each

from __future__ import annotations

import gzip
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers_cli import SAMPLE, encode, make_zip, record

from svit_datasets import to_llava
from svit_datasets.validation.trainer import SYSTEM
from svit_datasets.validation.validate import Checks, validate

Found = dict[int, set[str]]
IMAGE, END, ANSWER = "<image>", "</s>", " ASSISTANT: "
FAMILY = "trainer-"
RECORDS = 2000
LLAVA = Checks(layout="llava", trainer="llava")
MEND = "mend the record: "
PLAIN = "expected a plain JSON list; write one plain JSON list, as to-llava does [trainer-crash]"


# --- the loader, with a tokenizer that makes a token of each character, of <s>, </s> and <image>


def count_tokens(text: str) -> int:
    """Return the length of what ``tokenizer_image_token`` makes of a text, <s> in front."""
    return 1 + len(text.replace(END, "\0"))


def find_labels(prompt: str, *, has_image: bool, limit: int) -> bool:
    """Tell whether ``preprocess_v1`` leaves a label."""
    if has_image:
        prompt = prompt.replace(IMAGE, "\1")
    total, done, is_left = count_tokens(prompt), 1, False
    for part in prompt.split(END):
        if part == "":
            break
        sides = part.split(ANSWER)
        if len(sides) != 2:
            break
        length, asked = count_tokens(part), count_tokens(sides[0] + ANSWER) - 2
        is_left = is_left or (length > asked and done + asked < limit)
        done += length
    return is_left and not (done < limit and done != total)


def walk(record: Any, *, limit: int = 10**9) -> set[str]:
    """Return what becomes of a record: codes without the family's name."""
    try:
        turns = [(turn["from"], turn["value"]) for turn in record["conversations"]]
        for _, value in turns:
            value.split()  # modality_lengths
        has_image = "image" in record
        if has_image and os.path.join("folder", record["image"]).endswith("/"):  # noqa: PTH118 -- as the loader does
            raise IsADirectoryError
        if has_image:  # preprocess_multimodal
            moved = [(role, f"{IMAGE}\n{value.replace(IMAGE, '').strip()}".strip()) for role, value in turns]
            turns = [new if IMAGE in old[1] else old for old, new in zip(turns, moved, strict=True)]
        roles, told = {"human": "USER", "gpt": "ASSISTANT"}, set()
        if roles[turns[0][0]] != "USER":
            turns, told = turns[1:], {"drops-turn"}
        prompt = f"{SYSTEM} "
        for j, (role, value) in enumerate(turns):
            assert roles[role] == ("USER", "ASSISTANT")[j % 2]
            prompt += f"{roles[role]}: {value}{(' ', END)[j % 2]}" if value else f"{roles[role]}:"
    except (TypeError, KeyError, IndexError, AttributeError, AssertionError, IsADirectoryError):
        return {"crash"}
    at = [j for j, (_, value) in enumerate(turns) if IMAGE in value]
    if not has_image and at:
        told.add("literal-image")
    elif has_image and not at:
        told.add("no-image")
    elif len(at) > 1:
        told.add("breaks-batch")
    elif has_image and at[0] % 2:
        told.add("image-misplaced")
    if not find_labels(prompt, has_image=has_image, limit=limit):
        return told | {"zero-tokens"}
    is_lost = any(not value for _, value in turns[1::2])  # the next round is glued to it, and masked to its answer
    return told | ({"loses-answer"} if is_lost else set())


# --- made records


WORDS = ("Why?", "A cat.", "two dogs", "So.", "caf\u00e9", "\U0001f600", "[0.1, 0.2, 0.3, 0.4]", "\nYes", "it is")
PIECES = (
    IMAGE, END, ANSWER, "ASSISTANT: ", " ASSISTANT:", "ASSISTANT:", "USER: ", END * 2, f"{END} ", f"{IMAGE}{IMAGE}",
    "<IMAGE>", "< image>", "<image", "\nASSISTANT: ", " ASSISTANT:\n", " assistant: ", f"{END}x{ANSWER}y",
)  # fmt: skip
ODD_TEXTS = ("", "", " ", "\n", "\u00a0", "\t ", IMAGE, f"{IMAGE}\n", f" {IMAGE} ", END, ANSWER, "ASSISTANT:")
NO_TEXTS = (None, 5, ["a"], {})
ODD_ROLES = ("user", "assistant", "Human", "GPT", "system", "", " human", None, 1, ["gpt"], "human", "gpt")
ODD_IMAGES = (None, "", [], ["a.jpg", "b.jpg"], 7, {}, True, 0.5)
ODD_TURNS = (None, [], "", "Why?", 5, {}, {"from": "human", "value": "Why?"}, [None], ["Why?"], [[]], [{}], True)
ODD_RECORDS = (None, 5, "text", [], [{}], {}, record(2), {"image": "a.jpg"}, {"id": 1})


def make_text(rng: random.Random) -> str:
    """Make a text; a third hold a token somewhere, at the edges too."""
    parts = rng.choices(WORDS, k=rng.randint(1, 4))
    for _ in range(rng.choice((0, 0, 0, 0, 1, 2))):
        parts.insert(rng.randint(0, len(parts)), rng.choice(PIECES))
    return rng.choice(("", " ")).join(parts)


def make_turns(rng: random.Random) -> list[Any]:
    """Make turns in order, then plant up to three faults."""
    turns: list[Any] = []
    for role in ("human", "gpt") * rng.randint(1, 4):
        turns.append({"from": role, "value": make_text(rng) if rng.random() < 0.3 else rng.choice(WORDS)})
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        turn, kind = rng.randrange(len(turns)), rng.randrange(9)
        if kind == 0 and len(turns) > 1:
            del turns[turn]
        elif kind == 1:
            turns.insert(rng.choice((0, turn)), {"from": "gpt", "value": rng.choice((f"{IMAGE}\nHello.", "Hello."))})
        elif kind == 2 and rng.random() < 0.4:
            turns[turn]["from"] = rng.choice(ODD_ROLES)
        elif kind == 3 and rng.random() < 0.2:
            turns[turn].pop(rng.choice(("from", "value")), None)
        elif kind in (4, 5):
            turns[turn]["value"] = rng.choice(ODD_TEXTS if rng.random() < 0.93 else NO_TEXTS)
        elif kind == 6:
            turns[turn]["value"] = make_text(rng)
        elif kind == 7:
            turns.append({"from": "human", "value": make_text(rng)})
        else:
            turns[turn]["extra"] = None
    return turns


def make_record(rng: random.Random) -> Any:
    """Make a LLaVA record: with its image, of text alone, or with something odd in either's place."""
    if rng.random() < 0.03:
        return rng.choice(ODD_RECORDS)
    made: dict[str, Any] = {"id": rng.choice(("a", "b", 7, None)), "conversations": make_turns(rng)}
    kind = rng.random()
    if kind < 0.72:
        made["image"] = rng.choice(ODD_IMAGES) if kind < 0.05 else "vg/VG_100K/2.jpg"
        first = made["conversations"][0]
        if rng.random() < 0.8 and isinstance(first.get("value"), str):
            first["value"] = rng.choice((f"{IMAGE}\n{first['value']}", f"{first['value']}\n{IMAGE}"))
    else:
        made["model"] = ""
    if rng.random() < 0.04:
        made["conversations"] = rng.choice(ODD_TURNS)
    elif rng.random() < 0.01:
        del made["conversations"]
    return made


def found_in(path: Path, checks: Checks = LLAVA) -> Found:
    """Return what validate says of each record: codes without the family's name; where it crashes, that alone."""
    found: Found = {}
    results = validate(path, checks=checks)
    for fault in results:
        if fault.code.startswith(FAMILY):
            assert fault.file == str(path)
            found.setdefault(fault.record, set()).add(fault.code.removeprefix(FAMILY))
    results.close()
    return {number: {"crash"} if "crash" in codes else codes for number, codes in found.items()}


def write(path: Path, values: Iterable[Any]) -> Path:
    path.write_bytes(encode(list(values)))
    return path


@pytest.mark.parametrize("seed", [1, 2])
def test_an_independent_walk_agrees_on_two_thousand_records(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    records = [make_record(rng) for _ in range(RECORDS)]
    found = found_in(write(tmp_path / "mix.json", records))
    expected = [walk(made) for made in records]
    told = [found.get(number, set()) for number in range(1, RECORDS + 1)]
    differ = [
        (made, ours, theirs) for made, ours, theirs in zip(records, expected, told, strict=True) if ours != theirs
    ]
    assert differ == []
    counted = Counter("fine" if not codes else "+".join(sorted(codes)) for codes in expected)
    kinds = {"crash", "breaks-batch", "zero-tokens", "no-image", "fine", "literal-image", "drops-turn"}
    assert all(counted[kind] >= 15 for kind in kinds), counted
    assert counted["image-misplaced"] >= 3, counted
    assert len(counted) >= 15, counted  # combinations too


def test_a_token_at_every_place_agrees(tmp_path: Path) -> None:
    """Every piece at the front, in the middle and at the end of every turn, glued and spaced, with and without an image."""
    records: list[Any] = []
    for piece in ("", *PIECES, *ODD_TEXTS):
        for shape in ("{}a b", "{} a b", "a {} b", "a{}b", "a b{}", "a b {}", "{}"):
            for at in range(4):
                values = [shape.format(piece) if at == j else "So." for j in range(4)]
                plain = [{"from": ("human", "gpt")[j % 2], "value": value} for j, value in enumerate(values)]
                asked = [{**plain[0], "value": f"{IMAGE}\n{values[0]}"}, *plain[1:]]
                records += [{"conversations": plain}, {"image": "a.jpg", "conversations": asked}]
    found = found_in(write(tmp_path / "mix.json", records))
    wrong = [(made, walk(made), found.get(i)) for i, made in enumerate(records, 1) if walk(made) != found.get(i, set())]
    assert wrong[:3] == []


def turns(*values: str, roles: Sequence[str] = ("human", "gpt")) -> list[dict[str, str]]:
    return [{"from": roles[j % len(roles)], "value": value} for j, value in enumerate(values)]


CRASH = f"expected a record that the trainer reads; {MEND}training stops at it [trainer-crash]"
ZERO = f"expected answers that are trained on; {MEND}the trainer masks all of it, with a warning that names none [trainer-zero-tokens]"
ASKED, TURNS = f"{IMAGE}\nWhy?", "$.conversations"
TOLD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "null": ({"image": None, "conversations": turns(ASKED, "So.")}, [f"$.image: found null where a path is joined to the image folder; {CRASH}"]),
    "no path": ({"image": "", "conversations": turns(ASKED, "So.")}, [f"$.image: found an empty path: the image folder itself is opened; {CRASH}"]),
    "several": ({"image": ["a.jpg"], "conversations": turns(ASKED, "So.")}, [f"$.image: found a list where a path is joined to the image folder; {CRASH}"]),
    "twice human": ({"image": "a.jpg", "conversations": turns(ASKED, "So.", roles=("human", "human"))}, [f"{TURNS}[1].from: found 'human' where 'gpt' comes: an assertion that names no record; {CRASH}"]),
    "role": ({"image": "a.jpg", "conversations": turns(ASKED, "So.", roles=("human", "bot"))}, [f"{TURNS}[1].from: found the role 'bot', a KeyError; {CRASH}"]),
    "value": ({"image": "a.jpg", "conversations": [{"from": "human", "value": None}]}, [f"{TURNS}[0].value: found null where text comes; {CRASH}"]),
    "key": ({"image": "a.jpg", "conversations": [{"from": "human"}]}, [f"{TURNS}[0]: found a turn without from and value; {CRASH}"]),
    "no turns": ({"image": "a.jpg", "conversations": []}, [f"{TURNS}: found no turns at all; {CRASH}"]),
    "no conversations": ({"image": "a.jpg"}, [f"{TURNS}: found null where turns come; {CRASH}"]),
    "two images": ({"image": "a.jpg", "conversations": turns(ASKED, "So.", f"And {IMAGE}?", "No.")}, [f"{TURNS}: found <image> in 2 turns, one image; expected as many <image> as images; keep <image> in one question only: the batch that holds the record fails [trainer-breaks-batch]"]),
    "odd": ({"image": "a.jpg", "conversations": turns(ASKED, "So.", "And?")}, [f"{TURNS}: found 3 turns: the last has no answer; {ZERO}"]),
    "end": ({"image": "a.jpg", "conversations": turns(ASKED, f"So.{END}")}, [f"{TURNS}: found </s> inside a text; {ZERO}"]),
    "assistant": ({"image": "a.jpg", "conversations": turns(ASKED, f"a{ANSWER}b")}, [f"{TURNS}: found ' ASSISTANT: ' inside a text; {ZERO}"]),
    "empty": ({"image": "a.jpg", "conversations": turns(ASKED, "")}, [f"{TURNS}: found an empty text; {ZERO}"]),
    "text alone": ({"conversations": turns("Why?", f"So {IMAGE}.")}, [f"{TURNS}[1].value: found <image> in a record without an image; expected <image> only where the record has an image; add the image or take the token out: it is learned as text [trainer-literal-image]"]),
    "in answer": ({"image": "a.jpg", "conversations": turns("Why?", f"So {IMAGE}.")}, [f"{TURNS}[1].value: found <image> in an answer; expected <image> in a question; move it to the first question: the model sees the image only when it is answering [trainer-image-misplaced]"]),
    "answer first": (
        {"image": "a.jpg", "conversations": turns(f"{IMAGE}\nHi.", "Why?", "So.", roles=("gpt", "human"))},
        [
            f"{TURNS}[0]: found an answer first; expected a question first; put a question before it: the trainer leaves the first answer out [trainer-drops-turn]",
            f"{TURNS}: found no <image> in the turns that are kept; expected <image> in a question that the trainer keeps; put '<image>\\n' in front of the first question: it trains without its image, silently [trainer-no-image]",
        ],
    ),
}  # fmt: skip


def test_a_fault_is_told_with_its_place_and_its_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "mix.json", [{"id": name, **made} for name, (made, _) in TOLD.items()])
    results = validate(path, checks=Checks(trainer="llava", select=("trainer",)))
    expected = [f"{path}:{i} id={name} {line}" for i, (name, (_, told)) in enumerate(TOLD.items(), 1) for line in told]
    assert [str(fault) for fault in results] == expected
    results.close()


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (("Why?", "So it is. " * 3000, "And?"), {"too-long"}),
        (("Why is it? " * 3000, "So."), {"too-long", "zero-tokens"}),
    ],
    ids=["fault behind it", "answer behind it"],
)  # fmt: skip
def test_what_lies_behind_the_models_length(values: tuple[str, ...], codes: set[str], tmp_path: Path) -> None:
    """Lengths are compared only below ``model_max_length``, and no answer behind it is trained on."""
    made = {"conversations": turns(*values)}
    assert walk(made, limit=2048) == codes - {"too-long"}
    assert found_in(write(tmp_path / "mix.json", [made])) == {1: codes}


GOOD = [{"id": "a", "image": "a.jpg", "conversations": turns(f"{IMAGE}\nWhy?", "So.")}] * 2
LINES = b"\n".join(map(encode, GOOD))


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("mix.json", LINES, "JSON lines, or a single object"),
        ("mix.json", b" \n" + LINES, "JSON lines, or a single object"),
        ("mix.json", encode(GOOD[0]), "JSON lines, or a single object"),
        ("mix.json", b"\xef\xbb\xbf" + encode(GOOD), "a byte-order mark in front"),
        ("mix.json", gzip.compress(encode(GOOD)), "a gzip file"),
        ("mix.zip", make_zip({"mix.json": encode(GOOD)}), "a zip file"),
    ],
    ids=["lines", "blank lines", "object", "mark", "gz", "zip"],
)
def test_a_file_that_the_trainer_cannot_read_is_told_once(
    name: str, content: bytes, found: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    results = validate(tmp_path / name, checks=Checks(trainer="llava", select=("trainer",)))
    assert [str(fault) for fault in results] == [f"{tmp_path / name}: found {found}; {PLAIN}"]
    results.close()


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (b'"n": ' + b"9" * 5000, r"exceeds the limit \(4300 digits\) for integer string conversion.*"),
        (b'"n": ' + b"[" * 100_000 + b"]" * 100_000, r"maximum recursion depth exceeded.*"),
        (b'"n": "a\tb"', r"invalid control character at.*"),
        (b'"n": 01', r"expecting ',' delimiter.*"),
    ],
    ids=["digits", "depth", "control", "zero"],
)
def test_a_record_that_its_json_cannot_read_stops_the_whole_file(extra: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "mix.json"
    path.write_bytes(b"[" + encode(GOOD[0]) + b", " + encode(GOOD[1])[:-1] + b", " + extra + b"}]")
    with pytest.raises((ValueError, RecursionError)):
        json.loads(path.read_text())
    results = validate(path, checks=Checks(trainer="llava", select=("trainer",)))
    [fault] = results
    results.close()
    assert (fault.record, fault.id, fault.code) == (2, "a", "trainer-crash")
    assert re.fullmatch(f"what its json cannot read: {reason}, so that the whole file fails", fault.found), fault.found


def test_what_pythons_json_reads_is_walked_though_others_refuse_it(tmp_path: Path) -> None:
    """NaN, and a key that stands twice: the last counts."""
    twice = encode(GOOD[0])[:-1] + b', "image": null}'
    path = tmp_path / "mix.json"
    path.write_bytes(b"[" + encode(GOOD[0])[:-1] + b', "n": NaN},' + twice + b', {"image": NaN, ' + encode(GOOD[0])[1:] + b"]")  # fmt: skip
    assert found_in(path) == {2: {"crash"}}


def test_half_a_character_stops_the_tokenizer_not_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "mix.json", [GOOD[0], {"id": "b", "conversations": turns("Why?", "So \ud83d.")}])
    json.loads(path.read_text())
    results = validate(path, checks=Checks(trainer="llava", select=("trainer",)))
    [fault] = results
    results.close()
    assert (fault.record, fault.id, fault.code) == (2, "b", "trainer-crash")
    assert "its json cannot read" not in fault.found


def test_native_records_are_walked_as_to_llava_writes_them(tmp_path: Path) -> None:
    """One conversation is one record of the trainer; what to-llava writes of the good ones has no fault either."""
    bad = record(3, "Why?", f"a{END}b")
    bad["conversations"] += record(3, "Why?", "So.", "And?")["conversations"]
    path = write(tmp_path / "conversation.json", [record(2, "Why?", "So."), bad, record(4, " ", "So.")])
    results = validate(path, checks=Checks(trainer="llava", select=("trainer",)))
    assert [(fault.record, fault.id, fault.code, fault.path) for fault in results] == [
        (2, "3", "trainer-zero-tokens", "$.conversations[0].content"),
        (2, "3", "trainer-zero-tokens", "$.conversations[1].content"),
    ]
    results.close()
    native = sorted((SAMPLE / "data").glob("*.json"))
    for source in native:
        to_llava(source, tmp_path / f"{source.stem}.llava.json", images=SAMPLE / "raw")
    made = sorted(tmp_path.glob("*.llava.json"))
    assert len(native) == len(made) == 4
    assert [found_in(file, Checks(trainer="llava")) for file in (*native, *made)] == [{}] * 8
