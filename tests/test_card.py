"""The card: its YAML and its numbers are those of the shards, and no text leads out of its place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from msgspec import structs
from published import IMAGE_IDS, ODD_TEXT, TEXT_CONFIGS, Published, publish

from svit_datasets.images import visual_genome
from svit_datasets.publish.building.shard_file import held_bytes
from svit_datasets.publish.card.card import PLACEHOLDER, read_template, render_card, with_repo_id
from svit_datasets.publish.card.text import example_text, size_text
from svit_datasets.publish.release import sum_splits
from svit_datasets.validation.answers import KNOWN_BROKEN_IDS

# What others have counted or named: the only numbers that stand in the template.
OF_OTHERS = {"4.2", "108,077", "10,808", "2,000", *map(str, KNOWN_BROKEN_IDS)}
NUMBER = re.compile(r"[0-9][0-9.,]*[0-9]|[0-9]")
IN_NAMES = re.compile(
    r"https?://\S+|GPT-4|LLaVA-v1\.5|SHA-256|CC BY 4\.0|svit-datasets [0-9.]+|[xy][12]|int(32|64)|float64"
)


@pytest.fixture(scope="module", params=["embed", "separate", "none"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp(request.param), images=request.param, has_captions=True)


def body(made: Published) -> str:
    """Return the card without its YAML."""
    return (made.folder / "README.md").read_text("utf-8").split("\n---\n", 1)[1]


def examples(text: str) -> list[str]:
    return re.findall(r"^```json\n(.*?)^```$", text, re.M | re.S)


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def html(text: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(text)


def shards(made: Published, config: str, split: str) -> list[Path]:
    return sorted((made.folder / "data" / config).glob(f"{split}-*.parquet"))


def size_of(tables: list[pa.Table]) -> int:
    return sum(held_bytes(column.combine_chunks()) for table in tables for column in table.columns)


def test_the_yaml_tells_what_the_shards_hold(made: Published) -> None:
    data: dict[str, Any] = DatasetCard.load(made.folder / "README.md").data.to_dict()
    names = sorted(path.name for path in (made.folder / "data").iterdir())
    assert (sorted(c["config_name"] for c in data["configs"]), data["license"]) == (names, "cc-by-4.0")
    assert (data["size_categories"], data["pretty_name"], data["language"]) == (["n<1K"], "SVIT", ["en"])
    assert "grounding" in data["tags"]
    for config, info in zip(data["configs"], data["dataset_info"], strict=True):
        name = info["config_name"]
        assert config["config_name"] == name
        assert config["data_files"] == [{"split": s, "path": f"data/{name}/{s}-*"} for s in ("train", "test")]
        read = {s: [pq.read_table(path) for path in shards(made, name, s)] for s in ("train", "test")}
        assert info["splits"] == [
            {"name": s, "num_bytes": size_of(tables), "num_examples": sum(t.num_rows for t in tables)}
            for s, tables in read.items()
        ]
        assert info["download_size"] == sum(p.stat().st_size for s in read for p in shards(made, name, s))
        assert info["dataset_size"] == sum(s["num_bytes"] for s in info["splits"])
        assert [f["name"] for f in info["features"]] == read["train"][0].column_names


def computed(made: Published) -> set[str]:
    """Return every number that the card may tell, counted anew from the shards."""
    numbers, sizes, pairs = set(), [], 0
    for folder in (made.folder / "data").iterdir():
        rows_of_config = 0
        for split in ("train", "test"):
            paths = shards(made, folder.name, split)
            rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
            conversations = [c for row in rows for c in row.get("conversations", ())]
            objects = [o for row in rows for o in row.get("objects", ())]
            of_split = sum(len(c["content"]) for c in conversations) // 2
            boxes = sum(len(o["boxes"]) for o in objects)
            photos = sum(row.get("image") is not None for row in rows)
            sizes.append(sum(path.stat().st_size for path in paths))
            numbers |= {len(rows), len(conversations), of_split, len(objects), boxes, photos}
            rows_of_config, pairs = rows_of_config + len(rows), pairs + of_split
        numbers.add(rows_of_config)
    held_out = sum(map(visual_genome.is_held_out, IMAGE_IDS))
    numbers |= {pairs, len(IMAGE_IDS), held_out, len(IMAGE_IDS) - held_out}
    broken = KNOWN_BROKEN_IDS & set(IMAGE_IDS)
    told = {size_text(size).split()[0] for size in (*sizes, sum(sizes))}
    return {f"{n:,}" for n in numbers} | told | {str(len(broken)), *map(str, broken)}


def test_every_number_is_computed_or_named_as_another_s(made: Published) -> None:
    text = without_code(body(made))
    numbers = set(NUMBER.findall(IN_NAMES.sub("", text)))
    assert numbers <= OF_OTHERS | computed(made), numbers - OF_OTHERS - computed(made)
    assert numbers >= OF_OTHERS
    template = read_template().split("\n---\n", 1)[1]
    typed = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", without_code(template))
    assert NUMBER.findall(IN_NAMES.sub("", typed)) == ["4.2", "108,077", "10,808", "2,000"]


def test_the_examples_are_rows_shortened_visibly(made: Published) -> None:
    told = [json.loads(text) for text in examples(body(made))]
    assert len(told) == len(made.release.configs)
    for config, row in zip(made.release.configs, told, strict=True):
        (path, *_) = shards(made, config.name, "train")
        first = pq.read_table(path).to_pylist()[0]
        assert list(row) == list(first)
        assert (row["image_id"], row["url"]) == (first["image_id"], first["url"])
        if config.has_photos:
            assert row["image"] == {"path": "1.jpg", "bytes": f"{len(first['image']['bytes']):,} bytes"}
    conversation = dict(zip(made.records, told, strict=False))["conversation"]
    assert conversation["conversations"][1:] == ["... 2 more conversations"]
    assert conversation["conversations"][0]["content"][2:] == ["... 8 more turns"]
    assert conversation["conversations"][0]["content"][1]["value"] == f"Because of {ODD_TEXT}"


def test_the_markdown_holds_together(made: Published) -> None:
    text = html(body(made))
    tables = re.findall(r"<table>.*?</table>", text, re.S)
    for table in tables:
        rows = re.findall(r"<tr>.*?</tr>", table, re.S)
        assert len({len(re.findall(r"<t[hd]", row)) for row in rows}) == 1
    assert len(re.findall(r'<pre><code class="language-json">', text)) == len(made.release.configs)
    assert "<code>&lt;st&gt;phrase&lt;ed&gt; [x1, y1, x2, y2]</code>" in text
    assert "&lt;img src=x&gt;" in text
    assert not re.search(r"<(st|ed|b|img)\b", text)
    assert re.findall(r"<h2>(.*?)</h2>", text) == [
        "Configurations", "Splits", "How it was made", "Known defects", "Use", "Rights and attribution", "Citation",
    ]  # fmt: skip
    assert "\n\n\n" not in body(made)


@pytest.mark.parametrize("config", TEXT_CONFIGS)
def test_a_card_speaks_only_of_what_is_there(config: str, tmp_path: Path) -> None:
    made = publish(tmp_path, configs=[config], images="none")
    text = (tmp_path / "README.md").read_text("utf-8")
    about = without_code(body(made))
    is_boxed, is_detail = config == "referring", config == "detail"
    assert [word in about for word in ("`objects`", "| boxes of marked phrases |", "<st>")] == [is_boxed] * 3
    assert ("grounding" in text) == is_boxed
    assert ("message is empty" in about) == is_detail
    assert not re.search(r"`captions`|COCO's captions|`images`|\bencoded\b|Pillow|recognised|\| photos \|", about)
    assert "The photos are not in it" in about
    assert "Every configuration has" not in about


def test_broken_answers_that_are_not_there_are_not_counted(tmp_path: Path) -> None:
    made = publish(tmp_path, configs=["detail"], images="none", image_ids=[1, 2, 8])
    assert "None of them is in this repository." in body(made)
    whole = publish(tmp_path / "whole", configs=["detail"], images="none")
    assert "Of them, 1 is in this repository: 30." in body(whole)


def test_photos_alone_and_one_split_alone(tmp_path: Path) -> None:
    made = publish(tmp_path, configs=[], images="separate", image_ids=[1, 2])
    text = body(made)
    assert "This repository holds the photos of 2 images, without text.\nEvery row carries its photo." in text
    assert "Here are rows of `train` alone." in text
    assert not re.search(r"svit-convert|language model|\| pairs", text)


def test_rows_without_a_photo_are_told(tmp_path: Path) -> None:
    made = publish(tmp_path, configs=["detail"])
    first, *others = made.release.shards
    shard = structs.replace(first, counts=structs.replace(first.counts, photos=2))
    (config,) = made.release.configs
    release = made.release._replace(configs=(config._replace(splits=sum_splits([shard, *others])["detail"]),))
    assert "* Without a photo in `detail`: 2 rows.\n" in render_card(release)


def test_the_repository_s_name_is_put_in_where_it_loads(made: Published) -> None:
    card = (made.folder / "README.md").read_text("utf-8")
    own = with_repo_id(card, r"me/\1.mine")
    assert PLACEHOLDER in card
    assert PLACEHOLDER not in own
    assert own.count(r"me/\1.mine") == card.count(PLACEHOLDER)
    assert with_repo_id(own, "other/name") == own


def test_the_same_release_gives_the_same_card(made: Published) -> None:
    assert render_card(made.release) == (made.folder / "README.md").read_text("utf-8")


JSON = st.recursive(
    st.none()
    | st.integers()
    | st.text()
    | st.sampled_from(["```", "\n```\n", "{{ x }}", ODD_TEXT, "\u202e\u2028\x7f"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@given(st.dictionaries(st.sampled_from(["conversations", "content", "boxes", "x", "```"]), JSON))
def test_an_example_is_json_that_stays_in_its_fence(example: dict[str, Any]) -> None:
    text = example_text(example)
    assert list(json.loads(text)) == list(example)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert not re.search(r"^\s*(```|~~~)", text, re.M)
    assert html(f"```json\n{text}\n```\nafter").endswith("</code></pre>\n<p>after</p>\n")


@pytest.mark.parametrize(
    ("length", "shown"),
    [(300, "x" * 300), (301, f"{'x' * 240}... 61 more characters"), (5240, f"{'x' * 240}... 5,000 more characters")],
)
def test_only_long_texts_are_cut(length: int, shown: str) -> None:
    assert json.loads(example_text({"value": "x" * length})) == {"value": shown}
