"""``svit-convert build`` of a dataset that is not SVIT, and of one record: what it says of each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from build_sources import Source, make_photo, make_record, make_source, write_source
from helpers_cli import call


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return make_source(tmp_path / "svit")


def test_one_is_told_as_one(tmp_path: Path) -> None:
    root = write_source(tmp_path / "one", {"detail": [make_record("detail", 2)]}, {2: make_photo(2)}).root
    (photo,) = root.rglob("2.jpg")
    photo.write_bytes(make_photo(2)[:700])
    stopped = call("build", root, "-o", tmp_path / "hub")
    (text,) = root.rglob("detail_description.json")
    place = f"{text}:1 id=2 $.image_id: found "
    mend = "expected an image that decodes; fetch the image, or pass --on-missing-image null or drop"
    assert stopped.code == 1
    assert re.fullmatch(rf"error: {re.escape(place)}[^;]*; {mend} \[image-undecodable\]\n", stopped.err), stopped.err
    ran = call("build", root, "-o", tmp_path / "hub", "--on-missing-image", "null")
    found, kept, absent, config, written = [line for line in ran.err.splitlines() if not line.startswith("pyarrow ")]
    assert (found.startswith(f"warning: {place}"), kept) == (True, "1 image kept without its photo")
    assert absent == "not in the source: conversation, complex_reasoning, referring"
    assert re.fullmatch(r"detail: train 1 row, 2 pairs, \S+ kB", config)
    assert re.fullmatch(r"build: wrote 1 shard, \S+ kB to .*", written)


def test_a_dataset_of_another_name_makes_no_claim_for_svit(source: Source, tmp_path: Path) -> None:
    (source.root / "LICENSE.txt").write_text("Mine.")
    given = ("build", source.root, "-o", tmp_path / "hub", "--images", "none", "--title", "Mine: a\nb", "--licence")
    ran = call(*given, "other", "--report", tmp_path / "r.json")
    assert ran.code == 0, ran.err
    assert f"{source.root}/LICENSE.txt: read it; its terms are not on the card\n" in ran.err
    card = (tmp_path / "hub" / "README.md").read_text("utf-8")
    assert card.startswith("---\npretty_name: 'Mine: a b'\nlicense: other\n")
    assert "\n# Mine: a b\n\nA dataset in SVIT's layout: questions and answers about photos, " in card
    assert "GPT-4" not in card
    options = json.loads((tmp_path / "r.json").read_bytes())["options"]
    assert (options["title"], options["licence"]) == ("Mine: a b", "other")


def test_svit_with_another_licence_stays_svit(source: Source, tmp_path: Path) -> None:
    ran = call("build", source.root, "-o", tmp_path / "hub", "--images", "none", "--licence", "cc-by-sa-4.0")
    assert ran.code == 0, ran.err
    card = (tmp_path / "hub" / "README.md").read_text("utf-8")
    assert card.startswith("---\npretty_name: SVIT\nlicense: cc-by-sa-4.0\nlanguage:\n")
    assert "\n# SVIT: Scaling up Visual Instruction Tuning\n" in card
