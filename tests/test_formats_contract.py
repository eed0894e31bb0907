"""The contract of every target layout in the registry; a new layout passes this suite as it stands.

``UPDATE_GOLDEN=1 python -m pytest tests/test_formats_contract.py`` writes ``tests/golden/NAME.json`` anew; look at the
difference before you commit it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings

import svit_datasets
from svit_datasets import schemas
from svit_datasets.check import validator
from svit_datasets.converters import formats
from svit_datasets.converters.base import Format
from svit_datasets.images import visual_genome
from svit_datasets.records import Conversation, HubRecord, Turn, extra_of, to_native_conversation
from svit_datasets.writing.writers import encode_ascii

from . import native_files as made

HERE = Path(__file__).parent
SIZES = {1: (800, 600), 2: (333, 500)}
FORMATS = pytest.mark.parametrize("fmt", formats().values(), ids=formats())
LOSSES = {"llava": ()}


def hubs() -> Iterator[HubRecord]:
    """Yield the conversations of the fixture, which has all four tasks and odd cases of each."""
    for task in made.TASKS:
        seen: dict[int, int] = {}
        for i, record in enumerate(svit_datasets.read(HERE / "fixtures" / "native" / f"{task}.json")):
            copy = seen[record.image_id] = seen.get(record.image_id, -1) + 1
            for j, conversation in enumerate(record.conversations):
                yield make_hub(conversation, task, record.image_id, i, j, copy, extra_of(record))


def make_hub(conversation: Conversation, task="referring_qa", image_id=1, i=0, j=0, copy=0, extra=None) -> HubRecord:
    folder = visual_genome.folder_of(image_id)
    return HubRecord(
        task=task, image_id=image_id, record_index=i, conversation_index=j, conversation=conversation, copy=copy,
        image=visual_genome.llava_path(image_id, folder), size_wh=SIZES[image_id], record_extra=extra or {},
    )  # fmt: skip


def write(fmt: Format, hub: HubRecord) -> bytes:
    made_row = fmt.to_row(hub, fmt.options())
    assert made_row.row is not None, made_row.findings
    return encode_ascii(made_row.row)


def as_file(fmt: Format, rows: list[bytes]) -> bytes:
    return (
        b"".join(row + b"\n" for row in rows)
        if fmt.container == "json-lines"
        else b"[\n" + b",\n".join(rows) + b"\n]\n"
    )


def back(fmt: Format, row: bytes) -> HubRecord:
    outcome = fmt.from_row(row, None, SIZES.get, fmt.options())
    assert outcome.outcome == "restored"
    assert [f.code for f in outcome.findings] == []
    return outcome.record


def facts(hub: HubRecord) -> bytes:
    """Return all that a native file holds of a conversation, as JSON text."""
    place = (hub.task, hub.image_id, hub.record_index, hub.conversation_index)
    return msgspec.json.encode([*place, to_native_conversation(hub.conversation), hub.record_extra])


@FORMATS
def test_its_output_is_the_golden_file(fmt):
    golden, data = HERE / "golden" / f"{fmt.name}.json", as_file(fmt, [write(fmt, hub) for hub in hubs()])
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_bytes(data)
    assert golden.read_bytes() == data


def test_the_golden_file_is_what_the_command_writes(tmp_path):
    inputs = [HERE / "fixtures" / "native" / f"{task}.json" for task in made.TASKS]
    svit_datasets.to_llava(inputs, tmp_path / "llava.json", images=made.write_sizes(tmp_path, SIZES))
    assert (tmp_path / "llava.json").read_bytes() == (HERE / "golden" / "llava.json").read_bytes()


@FORMATS
def test_its_rows_fit_its_schema_by_both_validators(fmt):
    reference = jsonschema.Draft202012Validator(schemas.record_schema(fmt.schema))
    for hub in hubs():
        row = json.loads(write(fmt, hub))
        assert list(reference.iter_errors(row)) == []
        assert validator(fmt.schema)(row) == []


@FORMATS
def test_its_losses_are_those_that_are_known(fmt):
    assert fmt.losses == LOSSES[fmt.name]


@FORMATS
def test_the_fixture_comes_back_but_for_its_losses(fmt):
    assert fmt.losses == (), "say in this test what may differ"
    for hub in hubs():
        assert facts(back(fmt, write(fmt, hub))) == facts(hub)


@FORMATS
@settings(max_examples=200)
@given(question=made.texts, answer=made.texts)
def test_any_text_comes_back(fmt, question, answer):
    hub = make_hub(Conversation([Turn("user", question), Turn("gpt", answer)]))
    assert facts(back(fmt, write(fmt, hub))) == facts(hub)


@FORMATS
def test_converting_what_came_back_gives_the_same_row(fmt):
    for hub in hubs():
        row = write(fmt, hub)
        again = msgspec.structs.replace(back(fmt, row), size_wh=hub.size_wh, copy=hub.copy)
        assert write(fmt, again) == row


@FORMATS
@pytest.mark.parametrize(
    ("content", "codes"),
    [
        ([], ["no-turns"]),
        ([Turn("user", "Why?")], ["turn-odd"]),
        ([Turn("user", "Why?"), Turn("gpt", " ")], ["turn-empty"]),
        ([Turn("gpt", "So."), Turn("user", "Why?")], ["turn-role"]),
    ],
)
def test_empty_conversations_are_findings_and_no_rows(fmt, content, codes):
    made_row = fmt.to_row(make_hub(Conversation(content)), fmt.options())
    assert made_row.row is None
    assert [f.code for f in made_row.findings] == codes


def test_an_empty_file_gives_an_empty_file_and_no_native_files(tmp_path):
    (tmp_path / "conversation.json").write_text("[]")
    svit_datasets.to_llava(tmp_path / "conversation.json", tmp_path / "llava.json")
    assert json.loads((tmp_path / "llava.json").read_text()) == []
    report = svit_datasets.from_llava(tmp_path / "llava.json", tmp_path / "back", rest=tmp_path / "rest.json")
    assert report.outputs == {str(tmp_path / "rest.json"): 0}
    assert json.loads((tmp_path / "rest.json").read_text()) == []


@FORMATS
@pytest.mark.parametrize(
    "text", ["caf\u00e9", "\U0001f468\u200d\U0001f469", "\u202e\u05d0", "\ufeffx", "\x00", "a\u2028b", "e\u0301"]
)
def test_unicode_comes_back_and_is_written_in_ascii(fmt, text):
    content = [Turn("user", text), Turn("gpt", f"<st>{text}<ed> [0, 0, 1, 1]")]
    hub = make_hub(Conversation(content, topic=text), extra={text: msgspec.Raw(json.dumps(text).encode())})
    row = write(fmt, hub)
    assert row.isascii()
    assert json.loads(facts(back(fmt, row))) == json.loads(facts(hub))
