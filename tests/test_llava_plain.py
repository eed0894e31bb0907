"""``llava_plain``: all texts of a record at once give the rows that ``llava.to_row`` makes one by one, or nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_rendering import OPTIONS, ORDERED, SIZES, TEXTS

from svit_datasets.converters import sums
from svit_datasets.converters.llava import FORMAT
from svit_datasets.converters.llava_layout import Options
from svit_datasets.records import TASKS, Conversation, HubRecord, NativeRecord, Turn, TurnWithExtra

PLAIN = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["man", "two men", "\u4eba"]), st.lists(ORDERED, min_size=1, max_size=3)).map(
            lambda p: f"<st>{p[0]}<ed> {', '.join(p[1])}"
        ),
        ORDERED,
        st.sampled_from([" and ", "so ", ", ", "| ", "; ", "~"]),
    ),
    min_size=1,
    max_size=6,
).map("".join)
VALUES = st.one_of(PLAIN, PLAIN, PLAIN, TEXTS, st.sampled_from(["Why?", " ", "", "a\0b", "x ASSISTANT: y", "\ud83d"]))
TOPICS = st.sampled_from([msgspec.UNSET, msgspec.UNSET, None, "a topic"])
CONVERSATIONS = st.builds(
    lambda pairs, topic: Conversation(
        [Turn(role, value) for pair in pairs for role, value in zip(("user", "gpt"), pair, strict=True)], topic
    ),
    st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=3),
    TOPICS,
)
ALL_OPTIONS = st.tuples(OPTIONS, st.sampled_from(["inline", "none"]), st.booleans(), st.integers(0, 3)).map(
    lambda o: options(*o)
)


def options(base: Options, provenance: Any, instruction: bool, seed: int) -> Options:
    return Options(
        coordinates=base.coordinates,
        box_rounding=base.box_rounding,
        provenance=provenance,
        instruction=instruction,
        seed=seed,
    )


def pair(question: str, answer: str) -> Conversation:
    return Conversation([Turn("user", question), Turn("gpt", answer)])


def hub_of(record: NativeRecord, number: int, **more: Any) -> HubRecord:
    return HubRecord(
        image_id=record.image_id,
        record_index=7,
        conversation_index=number,
        conversation=record.conversations[number],
        image="vg/VG_100K/2.jpg",
        **more,
    )


def both(record: NativeRecord, chosen: Options, **more: Any) -> tuple[Any, list[Any]]:
    """Return what all at once gives, and what one by one gives: None where that has a finding or no row."""
    made = FORMAT.to_rows(hub_of(record, 0, **more), record, chosen)
    single = [FORMAT.to_row(hub_of(record, i, **more), chosen) for i in range(len(record.conversations))]
    return made, [None if one.findings or one.row is None else one.row for one in single]


@settings(max_examples=1500)
@given(
    st.lists(CONVERSATIONS, min_size=1, max_size=3),
    st.sampled_from(list(TASKS)),
    st.sampled_from([*SIZES, None]),
    ALL_OPTIONS,
    st.sampled_from([0, 2]),
)
@example([pair(", [0, 0, 1, 1]", "[0, 0, 1, 1],\n[0, 0, 1, 1]")], "referring_qa", (640, 480), Options(), 0)
@example([pair("Why?", "<st>a<ed> [0, 0, 1.5, 1]")], "referring_qa", (640, 480), Options(), 0)
def test_all_at_once_equals_one_by_one(
    conversations: list[Conversation], task: str, size_wh: Any, chosen: Options, copy: int
) -> None:
    record = NativeRecord(5, conversations)
    made, single = both(record, chosen, task=task, size_wh=size_wh, copy=copy)
    if made is not None:
        assert made == single


@settings(max_examples=300)
@given(st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=4), st.sampled_from(SIZES))
def test_what_is_plain_is_done_at_once(pairs: list[tuple[str, str]], size_wh: Any) -> None:
    record = NativeRecord(5, [Conversation([Turn("user", f"Is {q}?"), Turn("gpt", f"It {a}.")]) for q, a in pairs])
    made, single = both(record, Options(), task="referring_qa", size_wh=size_wh)
    if None not in single and all("text" not in row["svit"] for row in single):
        assert made is not None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("", "So."), (" \n", "So."), ("Why?", "a\0b"), ("Why?", "<image>"), ("Why?", "x</s>"), ("ASSISTANT:", "So."),
        ("Why?", "<st>a<ed>  [0, 0, 1, 1]"), ("Why?", "<st>a [0, 0, 1, 1]"), ("Why?", "[0, 0, 1, 1],[0, 0, 1, 1]"),
        ("Why?", "[0.5, 0, 0.4, 1]"), ("Why?", "[0, 0, 1]"), ("Why?", "[.5, 0, 1, 1]"), ("Why?", "[a]"),
        ("Why?", "<st>(a)<ed> [0, 0, 1, 1]"), ("Why?", "half \ud83d"),
    ],
)  # fmt: skip
def test_what_is_odd_is_left_to_a_closer_look(question: str, answer: str) -> None:
    record = NativeRecord(5, [Conversation([Turn("user", question), Turn("gpt", answer)])])
    assert FORMAT.to_rows(hub_of(record, 0, task="detail_description", size_wh=(640, 480)), record, Options()) is None


def test_unknown_keys_odd_roles_a_sidecar_and_an_unknown_size_are_left_to_a_closer_look() -> None:
    turns = [Turn("user", "Why?"), Turn("gpt", "A <st>man<ed> [0, 0, 1, 1].")]
    extra = TurnWithExtra("gpt", "So.", {"n": msgspec.Raw(b"1")})
    odd = [[turns[0]], [turns[1], turns[0]], [turns[0], extra], []]
    for content in odd:
        record = NativeRecord(5, [Conversation(content)])
        assert both_first(record, Options()) is None
    record = NativeRecord(5, [Conversation(turns)])
    assert both_first(record, Options()) is not None
    assert both_first(record, Options(provenance="sidecar")) is None
    assert both_first(record, Options(), size_wh=None) is None
    assert both_first(record, Options(coordinates="original"), size_wh=None) is not None


def both_first(record: NativeRecord, chosen: Options, size_wh: Any = (640, 480)) -> Any:
    return FORMAT.to_rows(hub_of(record, 0, task="referring_qa", size_wh=size_wh), record, chosen)


@given(st.lists(st.text(), min_size=2, max_size=6).filter(lambda v: len(v) % 2 == 0), st.data())
def test_a_sum_notices_any_edit(values: list[str], data: st.DataObject) -> None:
    roles = ["human", "gpt"] * (len(values) // 2)
    before = sums.text_sum(roles, values)
    at = data.draw(st.integers(0, len(values) - 1))
    changed = [*values[:at], data.draw(st.text().filter(lambda v: v != values[at])), *values[at + 1 :]]
    assert sums.text_sum(roles, changed) != before
    assert sums.text_sum(["gpt", *roles[1:]], values) != before
