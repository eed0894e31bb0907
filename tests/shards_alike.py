"""What the tests of runs by shards share: odd files, tiny shards, and shards run here as processes would run them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from svit_datasets.engines.engine import Engine
from svit_datasets.sharding import chain as shard_chain
from svit_datasets.sharding import entry_shards, ranges

IDS = (2, 3, 4, 713136, 2407890, 9_999_999_999)
TEXTS = (
    "Why?", "So.", "", " edge ", "It is on the", "a <st>cat<ed> [0.1, 0.2, 0.5, 0.9]", "see [0.5, 0.1, 0.2, 1.4]",
    "I </s>.", "caf\u00e9 \U0001f600", "It seems your message is empty.", "<image>\nWho?", "USER ASSISTANT: ", "a, {\n",
)  # fmt: skip
BROKEN = ('{"image_id": 5 5}', '{"image_id": ', "null", "5", '{"id": 1, "id": 2}', '{"a": "\\ud800"}', "[1, 2]", "nul")


@contextmanager
def tiny_shards(size_bytes: int) -> Iterator[None]:
    """Cut files into shards of so many bytes, and run all of them here, each as in a process of its own."""

    def run(function: Callable[[Any], Any], shards: Any, _engine: Engine) -> Iterator[Any]:
        for shard in shards:
            work, one = pickle.loads(pickle.dumps((function, shard)))
            yield pickle.loads(pickle.dumps(work(one)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "_SMALLEST_BYTES", 1)
        patch.setattr(entry_shards, "SHARD_BYTES", size_bytes)
        patch.setattr(shard_chain, "run_shards", run)
        yield


@st.composite
def odd_records(draw: st.DrawFn) -> list[str]:
    """Make records of one layout as JSON, of few ids and texts, so that they repeat each other; some are broken."""
    is_native, is_plain = draw(st.booleans()), draw(st.booleans())
    records = []
    for _ in range(draw(st.integers(0, 12))):
        if not is_plain and not draw(st.integers(0, 5)):
            records.append(draw(st.sampled_from(BROKEN)))
            continue
        values = draw(st.lists(st.sampled_from(TEXTS), min_size=0, max_size=4))
        made = native(draw(st.sampled_from(IDS)), values) if is_native else llava(draw(st.sampled_from(IDS)), values)
        if not draw(st.integers(0, 7)):
            made = dict(reversed(made.items()))
        records.append(json.dumps(made, ensure_ascii=draw(st.booleans())))
    return records


def native(image_id: int, values: list[str]) -> dict[str, Any]:
    turns = [{"from": ("user", "gpt")[i % 2], "value": value} for i, value in enumerate(values)]
    return {"image_id": image_id, "conversations": [{"content": turns}]}


def llava(image_id: int, values: list[str]) -> dict[str, Any]:
    turns = [{"from": ("human", "gpt")[i % 2], "value": value} for i, value in enumerate(values)]
    return {"id": f"referring_qa-{image_id}-0", "image": f"vg/VG_100K/{image_id}.jpg", "conversations": turns}


@st.composite
def odd_files(draw: st.DrawFn) -> bytes:
    """Make a file of odd records: an array or lines, perhaps with a byte-order mark, cut short, or with more behind."""
    records = draw(odd_records())
    mark = draw(st.sampled_from(["", "", "\ufeff"]))
    if draw(st.booleans()):
        content = "".join(record + draw(st.sampled_from(["\n", "\n", "\r\n", "\n\n"])) for record in records)
    else:
        content = f"[{draw(st.sampled_from([',', ', ', chr(10) + ',' + chr(10)])).join(records)}]"
    encoded = (mark + content).encode()
    end = draw(st.sampled_from(["whole", "whole", "whole", "cut", "more", "turned"]))
    if end == "cut":
        return encoded[: draw(st.integers(0, len(encoded)))]
    if end == "more":
        return encoded + draw(st.sampled_from([b" x", encoded, b"]", b",{}]"]))
    if end == "turned" and encoded:
        at = draw(st.integers(0, len(encoded) - 1))
        return encoded[:at] + bytes([encoded[at] ^ 0xFF]) + encoded[at + 1 :]
    return encoded


def save(folder: Path, contents: list[bytes]) -> list[str]:
    """Write files and return their names; the first is named twice where there are several."""
    names = []
    for number, content in enumerate(contents):
        path = folder / ("mine.json" if number else "referring_qa.json")
        path.write_bytes(content)
        names.append(str(path))
    return [*names, *names[:1]] if len(names) > 1 else names
