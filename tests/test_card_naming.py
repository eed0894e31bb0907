"""The card and Croissant of a dataset that is not SVIT: its own name and licence, and no claim of SVIT's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from published import Published, publish

from svit_datasets.errors import UsageError
from svit_datasets.publish.building.build import build
from svit_datasets.publish.card.card import render_card
from svit_datasets.publish.card.croissant import render_croissant
from svit_datasets.publish.card.naming import Naming, check_naming
from svit_datasets.publish.card.stated import RIGHTS, read_stated, section
from svit_datasets.sample import write_sample

OWN_IDS = (9_000_001, 9_000_002)
ODD_TITLE = "A: \"b\" 'c' # *d* _e_ [f](g) <script>&amp;`h` | {{ x }} {% raw %} --- \\ $i$ ~~j~~ \u4eba"
CLAIMS = (
    "GPT-4|Zhao, Wu|BAAI|4\\.2 million|CC BY 4\\.0|10,808|held|native files and|Scaling up Visual Instruction Tuning\n|"
    "language model|message is empty|upstream|Please name|machine-generated|language:"
)
MODES = ("embed", "separate", "none")


def own(folder: Path, *, title: str = ODD_TITLE, **options: Any) -> tuple[Published, str]:
    """Return a published folder of another dataset, and its card."""
    naming = check_naming(title, options.pop("licence", "other"))
    made = publish(folder, naming=naming, **{"image_ids": OWN_IDS, **options})
    return made, (made.folder / "README.md").read_text("utf-8")


def heading(card: str) -> str:
    """Return the title as a reader sees it, without markup."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(card.split("\n---\n", 1)[1])
    (first, *_) = [i for i, token in enumerate(tokens) if token.type == "heading_open"]
    children = tokens[first + 1].children or []
    assert [child.type for child in children if child.type not in ("text", "text_special")] == []
    return "".join(child.content for child in children)


@pytest.mark.parametrize("mode", MODES)
def test_another_dataset_makes_no_claim_of_svit_s(tmp_path: Path, mode: str) -> None:
    made, card = own(tmp_path, images=mode)
    assert not re.search(CLAIMS, card.split("## Citation")[0])
    told = re.sub(r"```json.*?```", "", card, flags=re.S)
    assert not re.search(r"(?i)visual.?genome|stanford|flickr\.com|lin2014|Microsoft COCO", told)
    assert "## Known defects" not in card
    assert "\n\n\n" not in card
    assert re.findall(r"^@\w+\{(\w+)", card, re.M) == ["zhao2023svit"]
    assert "\nA dataset in SVIT's layout: questions and answers about photos, with objects marked and boxed.\n" in card
    photos = "" if mode == "none" else " and the photos"
    assert section(card, RIGHTS) == (
        f"The licence is stated as `other` by who built this repository. Maintainer: say here where the texts{photos} "
        "come\nfrom, and under which terms.\n\nThe layout is SVIT's ([paper](https://arxiv.org/abs/2307.04087))."
    )
    assert render_card(made.release._replace(naming=Naming())).count("GPT-4") == 1


def test_images_of_visual_genome_and_captions_of_coco_are_attributed(tmp_path: Path) -> None:
    _, card = own(tmp_path, image_ids=[1, 2, 9_000_001], has_captions=True)
    rights = section(card, RIGHTS)
    assert (
        "Images have ids of Visual Genome. Its images come from Flickr, each under its photographer's licence."
        in rights
    )
    assert "COCO's captions are CC BY 4.0." in rights
    assert "\n- visual-genome\n" in card
    assert re.findall(r"^@\w+\{(\w+)", card, re.M) == ["zhao2023svit", "krishna2017visual", "lin2014microsoft"]
    assert not re.search("GPT-4|BAAI|10,808|language model", card)


def test_photos_that_are_not_there_are_still_told(tmp_path: Path) -> None:
    made, _ = own(tmp_path, configs=["detail"])
    (config,) = made.release.configs
    counts = {split: type(c)(rows=c.rows, photos=0) for split, c in config.splits.items()}
    card = render_card(made.release._replace(configs=(config._replace(splits=counts),)))
    assert "\n## Known defects\n\n* Without a photo in `detail`: 2 rows.\n\n## Use\n" in card


def test_an_odd_title_shows_as_it_stands(tmp_path: Path) -> None:
    made, card = own(tmp_path, licence="cc-by-nc-sa-4.0")
    data = DatasetCard.load(made.folder / "README.md").data
    assert (data.pretty_name, data.license) == (ODD_TITLE, "cc-by-nc-sa-4.0")
    assert read_stated(card).licence == "cc-by-nc-sa-4.0"
    assert heading(card) == ODD_TITLE
    document = json.loads((made.folder / "croissant.json").read_bytes())
    assert document["name"] == ODD_TITLE
    assert document["license"] == "https://creativecommons.org/licenses/by-nc-sa/4.0/"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return publish(tmp_path_factory.mktemp("small"), configs=["detail"], images="none", image_ids=OWN_IDS)


TEXT = st.characters(categories=("L", "M", "N", "P", "S", "Z", "Cf")) | st.sampled_from("\n\t\r\\`*_<>&#-:'\"")


@given(title=st.text(TEXT, min_size=1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
def test_any_title_is_safe(small: Published, title: str) -> None:
    if not title.split():
        with pytest.raises(UsageError, match=r"^title is empty; pass what the dataset is called$"):
            check_naming(title, "other")
        return
    naming = check_naming(title, "other")
    if naming.is_svit:
        return
    release = small.release._replace(naming=naming)
    card = render_card(release)
    data = DatasetCard(card).data
    assert (data.pretty_name, data.license) == (naming.title, "other")
    assert len(read_stated(card).patterns) == 1
    assert heading(card) == naming.title
    assert json.loads(render_croissant(release))["name"] == naming.title


@pytest.mark.parametrize(("title", "shown"), [("a\x00b", r"'\x00'"), ("a\ud800", r"'\ud800'"), ("a\x7f", r"'\x7f'")])
def test_what_is_no_text_is_refused(title: str, shown: str) -> None:
    told = f"title={title!a}: has a character that is no text, {shown}; leave it out"
    with pytest.raises(UsageError, match=f"^{re.escape(told)}$"):
        check_naming(title, "mit")


@pytest.mark.parametrize("ids", [OWN_IDS, (1, 2)], ids=["own", "visual genome"])
def test_croissant_names_no_one_else(tmp_path: Path, ids: tuple[int, ...]) -> None:
    made, _ = own(tmp_path, title="Mine", image_ids=ids, licence="mit")
    document = json.loads((made.folder / "croissant.json").read_bytes())
    assert not {"creator", "citeAs", "url", "datePublished", "inLanguage"} & set(document)
    assert (document["name"], document["license"]) == ("Mine", "mit")
    assert not re.search("GPT-4|Zhao|BAAI|held", json.dumps(document))
    assert ("Visual Genome" in document["keywords"]) == (ids != OWN_IDS)
    assert json.dumps(document).count("Visual Genome") == (ids != OWN_IDS)


def test_croissant_of_another_dataset_validates(tmp_path: Path) -> None:
    pytest.importorskip("mlcroissant")
    made, _ = own(tmp_path)
    command = [Path(sys.executable).parent / "mlcroissant", "validate", "--jsonld", made.folder / "croissant.json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    missing = re.findall(r'Property "\S*/(\w+)" is recommended', done.stderr)
    assert sorted(missing) == ["citeAs", "datePublished"], done.stderr


def test_the_ids_decide_in_a_build(tmp_path: Path) -> None:
    """The sample's photos are none of Visual Genome's."""
    write_sample(tmp_path / "sample")
    told: list[str] = []
    made = build(tmp_path / "sample", tmp_path / "hub", title="Mine", licence="other", images="none", tell=told.append)
    assert made.release.images == {"train": 6}
    assert (made.release.naming, made.release.is_of_visual_genome) == (Naming("Mine", "other"), False)
    assert "Visual Genome" not in (tmp_path / "hub" / "README.md").read_text("utf-8")
    assert told == [f"{tmp_path}/sample/NOTICE: read it; its terms are not on the card"]
    (tmp_path / "sample" / "NOTICE").unlink()
    assert build(tmp_path / "sample", tmp_path / "svit", images="none").release.is_of_visual_genome
