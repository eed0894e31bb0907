"""``validate --trainer llava`` and lengths: tokens counted as LLaVA counts them, by a real tokenizer or by an estimate."""

# ruff: noqa: E501 -- full messages stand in one line each

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from helpers_cli import DONE, FAULTS, REPOSITORY, UNUSABLE, encode, record, run
from hub_server import HubServer, Rules
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from svit_datasets import to_llava
from svit_datasets.validation.trainer import SYSTEM
from svit_datasets.validation.validate import Checks, validate

IMAGE, END, CODE = "<image>", "</s>", "trainer-too-long"
TEXTS = [
    "Why is it so?",
    "A cat sits on the mat.",
    "Where are the two brown dogs?",
    "It is here [0.25, 0.1, 0.5, 1].",
    SYSTEM,
]
WORDS = " ".join(TEXTS).split()
SHAPES = ("bytes", "spaces")  # as GPT-2's tokenizer, and as LLaMA's
EXPECTED = "shorten or split the conversation: the end is cut and not trained on [trainer-too-long]"


def train(shape: str) -> Tokenizer:
    """Return a small tokenizer, with the marks that LLaMA's has; ``<image>`` is none of them."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    if shape == "bytes":
        tokenizer.pre_tokenizer, tokenizer.decoder = (
            pre_tokenizers.ByteLevel(add_prefix_space=False),
            decoders.ByteLevel(),
        )
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        tokenizer.pre_tokenizer, alphabet = (
            pre_tokenizers.Metaspace(prepend_scheme="first"),
            [chr(c) for c in range(32, 127)],
        )
    marks = ["<unk>", "<s>", END]
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=marks, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*TEXTS, "USER: ASSISTANT: So."] * 20, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder with ``tokenizer.json`` for each shape."""
    made = {shape: tmp_path_factory.mktemp(shape) for shape in SHAPES}
    for shape, folder in made.items():
        train(shape).save(str(folder / "tokenizer.json"))
    return made


class Long(NamedTuple):
    """A prompt that is longer than the model takes: its tokens, and the turns that the first lost one is in, from 1."""

    tokens: int
    turns: set[int]


def measure(values: list[str], tokenizer: Tokenizer, *, has_image: bool, limit: int, image_tokens: int) -> Long | None:
    """Count as ``tokenizer_image_token`` does: <s>, the whole text between ``<image>``, the image in its place."""
    pieces = [f"{('USER', 'ASSISTANT')[i % 2]}: {value}{(' ', END)[i % 2]}" for i, value in enumerate(values)]
    pieces[0] = f"{SYSTEM} {pieces[0]}"
    prompt, places, begin = "".join(pieces), [(0, 1)], 0
    for i, chunk in enumerate(prompt.split(IMAGE) if has_image else [prompt]):
        places += [(begin - len(IMAGE), begin)] * (image_tokens if i else 0)
        places += [
            (begin + first, begin + last) for first, last in tokenizer.encode(chunk, add_special_tokens=False).offsets
        ]
        begin += len(chunk) + len(IMAGE)
    if len(places) <= limit:
        return None
    ends = [len("".join(pieces[: i + 1])) for i in range(len(pieces))]
    first, last = places[limit]  # a token may hold the space behind a turn and the word that begins the next
    return Long(len(places), {1 + next(i for i, end in enumerate(ends) if place < end) for place in (first, last - 1)})


def tell(long: Long, turn: int, count: int, limit: int, name: object, *, has_image: bool) -> str:
    image, where = " with the image" if has_image else "", "in" if turn == count else "from"
    return f"{long.tokens:,} tokens{image}, by {name}: {long.tokens - limit:,} are cut, {where} turn {turn} of {count}"


def turns_of(values: list[str]) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(values)]


def write(path: Path, conversations: list[tuple[list[str], bool]]) -> Path:
    rows = [{"id": str(i), **({"image": "a.jpg"} if has_image else {}), "conversations": turns_of(values)} for i, (values, has_image) in enumerate(conversations)]  # fmt: skip
    path.write_bytes(encode(rows))
    return path


def told(path: Path, **options: Any) -> dict[int, str]:
    """Return what is found of each record that is too long."""
    results = validate(path, checks=Checks(trainer="llava", select=(CODE,), **options))
    assert all((fault.path, fault.severity) == ("$.conversations", "warning") for fault in results)
    found = {fault.record: fault.found for fault in results}
    assert len(found) == results.by_code[CODE]
    results.close()
    return found


def made_conversations(seed: int, count: int = 60) -> list[tuple[list[str], bool]]:
    rng, made = random.Random(seed), []
    for _ in range(count):
        values = [" ".join(rng.choices(WORDS, k=rng.choice((3, 30, 120)))) for _ in range(2 * rng.randint(1, 4))]
        has_image = rng.random() < 0.6
        made.append(([f"{IMAGE}\n{values[0]}", *values[1:]] if has_image else values, has_image))
    return made


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("limit", "image_tokens"), [(2048, 576), (700, 576), (300, 16), (60, 0), (200, 1)])
def test_tokens_are_counted_as_the_loader_counts_them(
    shape: str, limit: int, image_tokens: int, folders: dict[str, Path], tmp_path: Path
) -> None:
    made, name, expected = made_conversations(limit), folders[shape], {}
    tokenizer = Tokenizer.from_file(str(name / "tokenizer.json"))
    for number, (values, has_image) in enumerate(made, 1):
        long = measure(values, tokenizer, has_image=has_image, limit=limit, image_tokens=image_tokens)
        if long is not None:
            expected[number] = [tell(long, turn, len(values), limit, name, has_image=has_image) for turn in long.turns]
    found = told(write(tmp_path / "mix.json", made), tokenizer=name, model_max_length=limit, image_tokens=image_tokens)
    assert found.keys() == expected.keys()
    assert limit == 2048 or len(expected) > 10
    assert {number: text for number, text in found.items() if text not in expected[number]} == {}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_record_that_just_fits_is_not_told(shape: str, folders: dict[str, Path], tmp_path: Path) -> None:
    values = [f"{IMAGE}\nWhy is it so?", "A cat sits on the mat. " * 40 + "So."]
    tokenizer = Tokenizer.from_file(str(folders[shape] / "tokenizer.json"))
    long = measure(values, tokenizer, has_image=True, limit=1, image_tokens=576)
    assert long
    path, told_of = write(tmp_path / "mix.json", [(values, True)]), {}
    for limit in (long.tokens, long.tokens - 1):
        told_of[limit] = told(path, tokenizer=folders[shape], model_max_length=limit).get(1)
    assert told_of == {
        long.tokens: None,
        long.tokens - 1: f"{long.tokens:,} tokens with the image, by {folders[shape]}: 1 are cut, in turn 2 of 2",
    }


def test_an_image_that_stands_nowhere_takes_no_room(folders: dict[str, Path], tmp_path: Path) -> None:
    """A record with an image and without ``<image>`` trains without it: the text alone counts."""
    path = write(tmp_path / "mix.json", [(["Why is it so?", "A cat sits on the mat."], True)])
    assert told(path, tokenizer=folders["bytes"], model_max_length=400) == {}


def test_what_the_tokenizers_file_cuts_or_pads_changes_no_count(folders: dict[str, Path], tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folders["bytes"] / "tokenizer.json"))
    path = write(tmp_path / "mix.json", made_conversations(5))
    plain = told(path, tokenizer=folders["bytes"] / "tokenizer.json", model_max_length=300)
    counts = {number: text.split(" tokens")[0] for number, text in plain.items()}
    assert len(counts) > 10
    for name, change in (("cut", lambda t: t.enable_truncation(8)), ("padded", lambda t: t.enable_padding(length=64))):
        (tmp_path / name).mkdir()
        changed = Tokenizer.from_str(tokenizer.to_str())
        change(changed)
        changed.save(str(tmp_path / name / "tokenizer.json"))
        found = told(path, tokenizer=tmp_path / name, model_max_length=300)
        assert {number: text.split(" tokens")[0] for number, text in found.items()} == counts, name


def test_a_native_record_is_counted_as_to_llava_writes_it(folders: dict[str, Path], tmp_path: Path) -> None:
    """Without marks, with the formatting sentence, boxes on the padded square."""
    native, sizes = tmp_path / "referring_qa.json", tmp_path / "image_data.json"
    boxes = "The <st>brown dog<ed> [0.1, 0.2, 0.3, 0.4] sits by <st>it<ed> [0, 0.5, 0.25, 1]. " * 12
    native.write_bytes(encode([record(2, "Where is <st>it<ed>?", boxes.strip())]))
    sizes.write_bytes(encode([{"image_id": 2, "width": 800, "height": 600}]))
    to_llava(native, tmp_path / "llava.json", images=sizes)
    results = [validate(p, images=sizes, checks=Checks(trainer="llava", tokenizer=folders["bytes"], model_max_length=650, select=(CODE,))) for p in (native, tmp_path / "llava.json")]  # fmt: skip
    texts = [[fault.found for fault in found] for found in results]
    for found in results:
        found.close()
    assert len(texts[1]) == 1
    assert texts[0] == texts[1]


def test_without_a_tokenizer_an_estimate_says_that_it_is_one(tmp_path: Path) -> None:
    path = write(tmp_path / "mix.json", [(["Why?", "So. " * 1500 + "So."], False), (["Why?", "So."], False)])
    ran = run("validate", path, "--trainer", "llava", "--select", CODE, "--fail-on", "warning")
    found = "about 3,049 tokens, by estimate: 1,001 are cut, in turn 2 of 2"
    assert ran.code == FAULTS
    assert ran.err == "lengths are estimates: --tokenizer FOLDER counts tokens\n"
    assert ran.out.decode().splitlines() == [
        "through the trainer's eyes",
        "  warning: trainer-too-long, 1 time",
        f"    {path}:1 id=0 $.conversations: found {found}; expected at most 2,048 tokens; {EXPECTED.removesuffix(f' [{CODE}]')}",
        "validate: 2 records, 1 with findings: 1 warning",
    ]
    report = json.loads(run("validate", path, "--trainer", "llava", "--output", "json").out)
    assert report["options"]["tokenizer"] == "estimate"
    assert report["unknowable"] == {"tokens": "counted by an estimate, for no tokenizer was given"}
    assert [fault["found"] for fault in report["findings"] if fault["code"] == CODE] == [found]


def test_options_of_the_command(folders: dict[str, Path], tmp_path: Path) -> None:
    path, name = write(tmp_path / "mix.json", [([f"{IMAGE}\nWhy is it so?", "A cat."], True)]), folders["bytes"]
    given = (
        "validate",
        path,
        "--trainer",
        "llava",
        "--tokenizer",
        name,
        "--model-max-length",
        700,
        "--fail-on",
        "note",
    )
    given = tuple(map(str, given))
    assert run(*given) == (DONE, b"validate: 1 record, nothing found\n", "")
    ran = run(*given, "--image-tokens", "2880", "--output", "json")
    report = json.loads(ran.out)
    assert (ran.code, [fault["code"] for fault in report["findings"]]) == (FAULTS, [CODE, "trainer-zero-tokens"])
    assert {key: report["options"][key] for key in ("tokenizer", "model_max_length", "image_tokens")} == {"tokenizer": str(name), "model_max_length": 700, "image_tokens": 2880}  # fmt: skip
    assert report["unknowable"] == {}
    for option, value, least in (("--model-max-length", "0", 1), ("--image-tokens", "-1", 0)):
        refused = run("validate", path, "--trainer", "llava", option, value)
        assert refused.code == UNUSABLE
        assert refused.err.endswith(f"Error: Invalid value for '{option}': {value} is not in the range x>={least}.\n")
    refused = run("validate", path, "--tokenizer", name)
    assert refused == (UNUSABLE, b"", "error: a tokenizer counts tokens for a trainer: pass trainer='llava' (--trainer llava) too\n")  # fmt: skip


def refused_by_library(path: Path) -> str:
    try:
        Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 -- the library raises nothing narrower
        return str(error).splitlines()[0]
    raise AssertionError(path)


def test_a_folder_that_holds_no_tokenizer_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "mix.json", [(["Why?", "So."], False)])
    for name, file, content in (("empty", "config.json", b"{}"), ("slow", "tokenizer.model", b"\n\x0e"), ("broken", "tokenizer.json", b"{"), ("other", "tokenizer.json", b'{"a": 1}'), ("folder", "tokenizer.json/a", b""), ("latin", "tokenizer.json", b'"\xe9"')):  # fmt: skip
        (tmp_path / name / file).parent.mkdir(parents=True)
        (tmp_path / name / file).write_bytes(content)
    none = "holds no tokenizer.json; name the folder of a fast tokenizer"
    slow = "holds tokenizer.model but no tokenizer.json; AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) of transformers writes it"
    messages = {"empty": none, "folder": none, "slow": slow}
    for name in ("empty", "folder", "slow", "broken", "other", "latin"):
        file = tmp_path / name / "tokenizer.json"
        message = f"{tmp_path / name}: {messages[name]}" if name in messages else f"{file}: no tokenizer: {refused_by_library(file)}"  # fmt: skip
        ran = run(
            "validate", path, "--trainer", "llava", "--tokenizer", tmp_path / name, "--fix", tmp_path / "new.json"
        )
        assert ran == (UNUSABLE, b"", f"error: {message}\n"), name
    assert not (tmp_path / "new.json").exists()


def test_without_the_package_the_message_names_the_extra(folders: dict[str, Path], tmp_path: Path) -> None:
    path = write(tmp_path / "mix.json", [(["Why?", "So."], False)])
    hide = "import sys; sys.modules['tokenizers'] = None; from svit_datasets.cli import main; main(sys.argv[1:])"
    given = [sys.executable, "-c", hide, "validate", str(path), "--trainer", "llava"]
    ran = subprocess.run([*given, "--tokenizer", str(folders["bytes"])], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (UNUSABLE, "")
    assert ran.stderr == "error: counting tokens needs tokenizers: pip install 'svit-datasets[tokenizer]'\n"
    assert subprocess.run(given, capture_output=True, check=False).returncode == DONE  # the estimate needs nothing
    assert "tokenizer = [" in (REPOSITORY / "pyproject.toml").read_text()


@pytest.fixture
def hub(folders: dict[str, Path]) -> Iterator[HubServer]:
    """Serve the tokenizer's folder as a model, at the address that models have."""
    with HubServer(folders["bytes"], kind="model") as server:
        yield server


def run_with_hub(hub: HubServer, home: Path, *args: object, **more: str) -> Any:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_", "HUGGING"))}
    env = {"HOME": str(home), "HF_HOME": str(home / "hf"), "HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_ETAG_TIMEOUT": "5", "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}  # fmt: skip
    return run("validate", *args, env={**kept, **env, **more}, cwd=home)


def test_a_tokenizer_by_name_comes_from_the_hub_once(hub: HubServer, folders: dict[str, Path], tmp_path: Path) -> None:
    path = write(tmp_path / "mix.json", made_conversations(3))
    by_folder = told(path, tokenizer=folders["bytes"], model_max_length=300)
    given = (path, "--trainer", "llava", "--tokenizer", "BAAI/SVIT", "--model-max-length", "300", "--select", CODE, "--output", "json")  # fmt: skip
    for more in ({}, {"HF_HUB_OFFLINE": "1"}):
        ran = run_with_hub(hub, tmp_path, *given, **more)
        found = {fault["record"]: fault["found"] for fault in json.loads(ran.out)["findings"]}
        assert found == {number: text.replace(str(folders["bytes"]), "BAAI/SVIT") for number, text in by_folder.items()}
    assert sum(asked.method == "GET" for asked in hub.asked) == 1


def test_a_name_that_is_no_tokenizer_is_named(hub: HubServer, tmp_path: Path) -> None:
    path = write(tmp_path / "mix.json", [(["Why?", "So."], False)])
    cases = [("no/such", {}, None), ("a b/c d e", {}, None), ("BAAI/SVIT", {"HF_HUB_OFFLINE": "1"}, None), ("BAAI/SVIT", {}, (401, "GatedRepo")), ("BAAI/SVIT", {}, (404, "EntryNotFound"))]  # fmt: skip
    for name, more, refusal in cases:
        hub.rules = Rules(refusal=refusal)
        ran = run_with_hub(hub, tmp_path, path, "--trainer", "llava", "--tokenizer", name, **more)
        assert (ran.code, ran.out) == (UNUSABLE, b"")
        assert re.fullmatch(rf"error: {name}: neither a folder nor a tokenizer on the Hub: .+\n", ran.err), ran.err
