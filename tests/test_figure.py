"""The one public example of SVIT's native text, from its figure: read, found, converted, restored. See its README."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import svit_datasets
from svit_datasets import Options, grounding
from svit_datasets.images import visual_genome

FIGURE = Path(__file__).parent / "fixtures" / "figure"
TASKS = ("conversation", "complex_reasoning", "referring_qa", "detail_description")
CAR, CONES = "[0.386, 0.435, 0.996, 0.715]", "[0.354, 0.573, 0.774, 0.875]"
VEHICLE, TRUCK = "[0.472, 0.432, 0.962, 0.696]", "[0, 0.448, 0.328, 0.795]"


def texts(task: str) -> list[str]:
    records = svit_datasets.read(FIGURE / f"{task}.json")
    return [turn.value for record in records for c in record.conversations for turn in c.content]


@pytest.mark.parametrize(("task", "conversations", "turns"), list(zip(TASKS, (1, 2, 3, 1), (6, 4, 6, 2), strict=True)))
def test_the_figure_is_read(task, conversations, turns):
    [record] = svit_datasets.read(FIGURE / f"{task}.json")
    assert len(record.conversations) == conversations
    assert len(texts(task)) == turns
    assert visual_genome.folder_of(record.image_id)


def test_the_topic_of_the_figure_is_read():
    [record] = svit_datasets.read(FIGURE / "conversation.json")
    assert record.conversations[0].topic == "Traffic Light Installation"


def test_the_groups_of_the_figure_are_found():
    found = [[(g.phrase, g.boxes) for g in grounding.find(text)] for text in texts("referring_qa")]
    assert found == [[("car", CAR)], [], [], [("cones", CONES)], [], [("white vehicle", VEHICLE), ("truck", TRUCK)]]
    coordinates = [g.coordinates for text in texts("referring_qa") for g in grounding.find(text)]
    assert coordinates[-1] == ["0", "0.448", "0.328", "0.795"]
    assert [f for task in TASKS for text in texts(task) for f in grounding.check_text(text)] == []


def convert(folder: Path, options: Options) -> dict[str, list[dict[str, str]]]:
    [record] = svit_datasets.read(FIGURE / "referring_qa.json")
    sizes = folder / "image_data.json"
    sizes.write_text(json.dumps([{"image_id": record.image_id, "width": 500, "height": 375}]))
    inputs = [FIGURE / f"{task}.json" for task in TASKS]
    report = svit_datasets.to_llava(inputs, folder / "llava.json", images=sizes, options=options)
    assert report.by_code == {}
    assert report.counts["records_written"] == 7
    return {row["id"]: row["conversations"] for row in json.loads((folder / "llava.json").read_text())}


def test_the_boxes_of_the_figure_are_moved_to_the_square(tmp_path):
    rows = list(convert(tmp_path, Options(instruction=False)).values())
    # 500 x 375 is centred on 500 x 500 with 62 px above: 0.435 * 375 = 163 px, 163 + 62 = 225, 225 / 500 = 0.45
    assert rows[3][0]["value"] == "<image>\nWhy might the car [0.386, 0.45, 0.996, 0.66] be stopped?"
    assert rows[5][1]["value"] == (
        "Yes, there is a white vehicle [0.472, 0.448, 0.962, 0.646] stopped nearby "
        "and a truck [0.0, 0.46, 0.328, 0.72]."
    )


def test_only_questions_about_places_get_a_formatting_sentence(tmp_path):
    plain = convert(tmp_path, Options(instruction=False))
    (tmp_path / "llava.json").unlink()
    for row_id, turns in convert(tmp_path, Options()).items():
        for turn, before in zip(turns, plain[row_id], strict=True):
            has_sentence = row_id.startswith("referring_qa-") and turn["from"] == "human"
            assert turn["value"].startswith(before["value"])
            assert turn["value"].count("\n") == before["value"].count("\n") + has_sentence


@pytest.mark.parametrize("provenance", ["inline", "sidecar"])
def test_the_figure_is_restored(tmp_path, provenance):
    convert(tmp_path, Options(provenance=provenance))
    svit_datasets.from_llava(tmp_path / "llava.json", tmp_path / "back")
    assert list(svit_datasets.compare(FIGURE, tmp_path / "back")) == []
    for task in TASKS:
        before, after = (json.loads((folder / f"{task}.json").read_text()) for folder in (FIGURE, tmp_path / "back"))
        assert before == after


def test_the_figure_without_provenance_has_its_words_marked_again(tmp_path):
    convert(tmp_path, Options(provenance="none"))
    report = svit_datasets.from_llava(tmp_path / "llava.json", tmp_path / "back", images=tmp_path / "image_data.json")
    record = json.loads((tmp_path / "back" / "referring_qa.json").read_text())[0]
    marked = [[g.phrase for t in c["content"] for g in grounding.find(t["value"])] for c in record["conversations"]]
    assert marked == [["car"], ["place more cones"], ["white vehicle", "truck"]]  # a guess: the figure marks "cones"
    assert report.inferred["boxes_inverted"] == report.inferred["phrases_marked"] == 4
