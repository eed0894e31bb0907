"""Records that were edited after conversion: noticed, counted, and every turn that was not touched restored."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svit_datasets import Options, boxes

from . import native_files as made
from .there_and_back import conversation, convert, record, restore, values

FIRST = made.IMAGE_IDS[0]

EDITS = ("Edited text.", "Edited text, in\ntwo lines.", "<b>x</b>")


@settings(max_examples=120)
@given(
    seed=st.integers(0, 10**9),
    options=st.sampled_from([Options(), Options(box_rounding="exact"), Options(coordinates="original")]),
    edit=st.sampled_from(EDITS),
    data=st.data(),
)
def test_an_edited_turn_is_noticed_and_the_others_are_restored(folder, seed, options, edit, data):
    root, native = folder(), made.Maker(seed).native()
    rows = convert(root, native, options)
    index = data.draw(st.integers(0, len(rows) - 1))
    task, i, j = made.places(native)[index]
    turns = rows[index]["conversations"]
    turn = data.draw(st.integers(0, len(turns) - 1))
    asks = task == "referring_qa" and turn % 2 == 0
    turns[turn]["value"] = ("<image>\n" if turn == 0 else "") + edit + (f"\n{made.SENTENCES[0]}" if asks else "")
    _, report = restore(root, rows, options)
    expected = made.as_spelt(native)
    expected[task][i]["conversations"][j]["content"][turn]["value"] = edit
    assert made.read_natives(root / "back") == expected
    assert (report.counts["records_edited"], report.counts["records_restored"]) == (1, len(rows) - 1)
    assert report.by_code == {"provenance-edited": 1}
    assert report.inferred["turns_restored"] + report.inferred.get("turns_inferred", 0) == len(turns)


def test_an_edited_grounded_turn_is_inferred_and_counted(tmp_path):
    native = {
        "referring_qa": [
            record(
                FIRST,
                conversation("Who?", "The <st>man<ed> [0.1, 0.2, 0.3, 0.4].", "And?", "A <st>dog<ed> [0, 0, 1, 1]."),
            )
        ]
    }
    rows = convert(tmp_path, native, Options())
    assert rows[0]["conversations"][1]["value"] == "The man [0.1, 0.275, 0.3, 0.425]."
    rows[0]["conversations"][1]["value"] = "The old man [0.1, 0.275, 0.3, 0.425] and his [0.0, 0.125, 1.0, 0.875]."
    back, report = restore(tmp_path, rows)
    assert values(back) == [
        "Who?",
        "The <st>old man<ed> [0.1, 0.2, 0.3, 0.4] and his [0.0, 0.0, 1.0, 1.0].",
        "And?",
        "A <st>dog<ed> [0, 0, 1, 1].",
    ]
    bound = max(map(boxes.unpad_error_bound, boxes.padded_axes(made.SIZES[FIRST])))
    assert report.inferred == pytest.approx({
        "turns_restored": 3, "turns_inferred": 1, "boxes_inverted": 2, "phrases_marked": 1, "groups_left_bare": 1,
        "box_error_bound_max": bound,
    })  # fmt: skip


ODD_QUESTION = "Who is <st>she<ed>  [.5, 0, 1, 1]?"


def test_editing_an_answer_leaves_a_question_of_odd_spelling_as_it_was(tmp_path):
    native = {"referring_qa": [record(FIRST, conversation(ODD_QUESTION, "The boss."))]}
    rows = convert(tmp_path, native, Options())
    rows[0]["conversations"][1]["value"] = "The owner."
    back, _ = restore(tmp_path, rows)
    assert values(back) == [ODD_QUESTION, "The owner."]


@pytest.mark.parametrize("change", ["a pair added", "a pair dropped"])
def test_no_formatting_sentence_is_left_when_the_number_of_turns_was_changed(tmp_path, change):
    native = {"referring_qa": [record(FIRST, conversation("Who?", "She.", "Why?", "So."))]}
    rows = convert(tmp_path, native, Options())
    turns = rows[0]["conversations"]
    if change == "a pair added":
        turns += [{"from": "human", "value": "New?"}, {"from": "gpt", "value": "Yes."}]
    else:
        del turns[2:]
    back, report = restore(tmp_path, rows)
    expected = ["Who?", "She.", "Why?", "So.", "New?", "Yes."]
    assert values(back) == (expected if change == "a pair added" else expected[:2])
    assert report.counts["records_edited"] == 1


def test_the_last_line_of_an_edited_question_is_not_lost(tmp_path):
    rows = convert(tmp_path, {"referring_qa": [record(FIRST, conversation("Who?", "She."))]}, Options())
    rows[0]["conversations"][0]["value"] = "<image>\nWho is she?\nAnswer in one word."
    back, report = restore(tmp_path, rows)
    assert values(back) == ["Who is she?\nAnswer in one word.", "She."]
    assert report.counts["records_edited"] == 1
