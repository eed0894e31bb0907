"""``to_llava`` with kernels and without: the same bytes, counts and findings, whatever the file and the options."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers_cli import SAMPLE, make_zip, run
from hypothesis import given, settings
from hypothesis import strategies as st
from native_files import IMAGE_IDS, write_sizes
from plain_records import PlainMaker, files
from test_kernels_forward import OPTIONS

import svit_datasets
from svit_datasets.converters.base import Rows
from svit_datasets.errors import SvitError
from svit_datasets.forward import conversion_runs
from svit_datasets.kernels.available import SWITCH, has_kernels, use_kernels
from svit_datasets.reading import split, window

TASK_NAMES = ("conversation", "complex_reasoning", "referring_qa", "detail_description")
POLICIES = st.sampled_from(["raise", "skip", "skip", "skip", "collect"])
WAYS: dict[str, Callable[[bytes], bytes]] = {
    "{}.json": bytes,
    "{}.json.gz": gzip.compress,
    "{}.zip": lambda data: make_zip({"a.json": data}),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kernels")
    write_sizes(folder)
    return folder


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as context:
        yield context


def convert(place: Path, inputs: list[Path], **given: Any) -> tuple[Any, ...]:
    """Return all that a conversion gives: bytes, report, and what it raises."""
    out, report = place / "out.json", place / "report.json"
    for old in (out, report):
        old.unlink(missing_ok=True)
    error = None
    try:
        svit_datasets.to_llava(
            inputs, out, images=given.pop("images", place / "image_data.json"), report=report, **given
        )
    except SvitError as raised:
        error = repr(raised)
    return out.read_bytes() if out.exists() else None, report.read_text() if report.exists() else None, error


def both(place: Path, inputs: list[Path], size: int = 1 << 20, **given: Any) -> tuple[Any, ...]:
    """Convert with kernels, through windows of some size, and without; assert that all is the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "CHUNK_BYTES", size)
        patch.setattr(split, "_TAKE_BYTES", size)
        patch.setenv(SWITCH, "1")
        fast = convert(place, inputs, **given)
        patch.setenv(SWITCH, "0")
        assert fast == convert(place, inputs, **given)
    return fast


@settings(max_examples=250)
@given(
    files, st.sampled_from(TASK_NAMES), OPTIONS, POLICIES, st.sampled_from([1, 60, 900, 1 << 20]),
    st.sampled_from([*WAYS, "{}.json", "{}.json"]), st.booleans(),
)  # fmt: skip
def test_any_file_gives_the_same_with_kernels_and_without(
    place: Path, data: bytes, task: str, options: Any, policy: Any, size: int, form: str, check: bool
) -> None:
    path = place / form.format(task)
    path.write_bytes(WAYS[form](data))
    both(place, [path], size, options=options, on_error=policy, check=check)


@settings(max_examples=60)
@given(st.integers(0, 10**9), OPTIONS, st.sampled_from([50, 1 << 20]))
def test_several_files_of_a_task_are_numbered_through(place: Path, seed: int, options: Any, size: int) -> None:
    maker = PlainMaker(seed, 0.03)
    inputs = []
    for name in ("a", "b"):
        (place / name).mkdir(exist_ok=True)
        inputs.append(place / name / "referring_qa.json")
        inputs[-1].write_text(json.dumps([maker.record() for _ in range(8)]))
    both(place, inputs, size, options=options, on_error="skip")


def plain_record(image_id: int) -> dict[str, Any]:
    texts = ("Who is it?", 'It is "a <st>man<ed> [0.1, 0.2, 0.3, 0.4]".', "Why?", "So.")
    content = [{"from": ("user", "gpt")[i % 2], "value": text} for i, text in enumerate(texts)]
    return {"image_id": image_id, "conversations": [{"topic": "t", "content": content}, {"content": content}]}


def test_what_is_plain_goes_through_the_kernels(place: Path, patch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    count = conversion_runs._count

    def counted(conversion: Any, task: Any, rows: Rows, records: int) -> None:
        written.append(records)
        count(conversion, task, rows, records)

    patch.setattr(conversion_runs, "_count", counted)
    path = place / "conversation.json"
    records = [plain_record(image_id) for image_id in IMAGE_IDS * 80]
    path.write_text(json.dumps(records))
    report = json.loads(both(place, [path])[1])
    assert report["counts"]["records_read"] == len(records) == sum(written) + 1  # the last has no comma behind it
    assert report["findings_by_code"] == {"duplicate-id": len(records) - len(IMAGE_IDS)}


def test_ids_whose_folder_is_guessed_and_unknown_ones_are_told_in_order(place: Path) -> None:
    sizes = {9000001: (640, 480), 9000003: (500, 375), 1: (640, 480)}
    (place / "own").mkdir(exist_ok=True)
    write_sizes(place / "own", sizes)
    ids = [1, 9000001, 9000002, 9000003, 2, 9000001, 1, 9000003, 1]
    path = place / "referring_qa.json"
    path.write_text(json.dumps([plain_record(image_id) for image_id in ids]))
    images = place / "own" / "image_data.json"
    _, report, _ = both(place, [path], images=images, on_error="skip")
    assert [found["code"] for found in json.loads(report)["findings"]] == [
        "image-folder-guessed", "image-unknown", "image-folder-guessed", *["image-size-unknown"] * 2,
        "image-folder-guessed", "duplicate-id", "duplicate-id", "image-folder-guessed", "duplicate-id", "duplicate-id",
    ]  # fmt: skip
    both(place, [path], images=images, on_error="raise")
    both(place, [path], images=images, on_error="collect")


def test_photos_and_their_sizes_serve_as_ever(place: Path) -> None:
    inputs = sorted((SAMPLE / "data").glob("*.json"))
    assert len(inputs) == 4
    assert both(place, inputs, images=SAMPLE)[2] is None


def test_the_records_in_memory_are_the_same(place: Path, patch: pytest.MonkeyPatch) -> None:
    path = place / "referring_qa.json"
    path.write_text(json.dumps([plain_record(image_id) for image_id in IMAGE_IDS * 3]))
    kept = []
    for switch in "01":
        patch.setenv(SWITCH, switch)
        with pytest.warns(svit_datasets.SvitWarning):
            kept.append(svit_datasets.to_llava(path, images=place / "image_data.json"))
    assert kept[0] == kept[1]


def test_a_sidecar_is_written_as_ever(place: Path) -> None:
    path = place / "referring_qa.json"
    path.write_text(json.dumps([plain_record(image_id) for image_id in IMAGE_IDS]))
    options = svit_datasets.Options(provenance="sidecar")
    both(place, [path], options=options, overwrite=True)


def test_the_switch_and_the_size_decide(patch: pytest.MonkeyPatch) -> None:
    patch.delenv(SWITCH, raising=False)
    assert [use_kernels(size) for size in (1000, 1 << 30, None)] == [False, has_kernels(), has_kernels()]
    patch.setenv(SWITCH, "0")
    assert not use_kernels(1 << 30)


def test_the_command_gives_the_same_bytes(tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
    given = ["to-llava", *sorted((SAMPLE / "data").glob("*.json")), "--images", SAMPLE, "-o"]
    for switch in "01":
        patch.setenv(SWITCH, switch)
        done = run(*given, tmp_path / f"{switch}.json")
        assert done.code == 0, done.err
    assert (tmp_path / "0.json").read_bytes() == (tmp_path / "1.json").read_bytes()
