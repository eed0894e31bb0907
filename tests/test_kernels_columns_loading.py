"""``load_dataset`` with the column kernels and without: streams, photos that are missing, names of what is made."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import datasets
import pytest
from columns_made import GRANULARITIES, IDS, PlainMaker, check_same, native_text, spec_of, write_file
from native_files import dumps
from test_loading import photo, rows, write

from svit_datasets.images import visual_genome

pytest.importorskip("numba")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a folder with a file of ordinary and odd records, and photos of all images but two."""
    texts = [native_text(seed, 9, {})[1:-1] for seed in range(4)]
    plain = [{**PlainMaker(n).record(), "image_id": IDS[n % len(IDS)]} for n in range(30)]
    texts.insert(2, dumps([{k: r[k] for k in ("image_id", "conversations")} for r in plain])[1:-1])
    root = write_file(tmp_path / "SVIT", "referring_qa", f"[{', '.join(texts)}]".encode())
    for i in (*IDS[:2], *IDS[4:]):
        write(root / f"raw/{visual_genome.folder_of(i)}/{i}.jpg", photo(i))
    return root


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("on_missing", ["null", "drop", "error"])
def test_missing_photos_are_told_alike(
    root: Path, monkeypatch: pytest.MonkeyPatch, on_missing: str, granularity: str
) -> None:
    options: dict[str, Any] = {"images": "path", "on_missing_image": on_missing}
    spec = spec_of(root, "referring", granularity, **options)
    assert check_same(lambda said: monkeypatch.setenv("SVIT_KERNELS", said), spec) >= 10


@pytest.mark.parametrize("images", ["path", "embed", "none"])
def test_loading_is_the_same(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: str) -> None:
    loaded = []
    for said in ("0", "1"):
        monkeypatch.setenv("SVIT_KERNELS", said)
        options = {"data_dir": str(root), "cache_dir": str(tmp_path / said), "images": images}
        warned = nullcontext() if images == "none" else pytest.warns(UserWarning, match="image-missing")
        with warned:
            loaded.append(datasets.load_dataset("svit", "referring", on_missing_image="null", **options))
    assert {name: rows(split) for name, split in loaded[0].items()} == {n: rows(s) for n, s in loaded[1].items()}
    assert {name: s.features for name, s in loaded[0].items()} == {name: s.features for name, s in loaded[1].items()}
    assert len(loaded[1]["train"]) > 20


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_a_stream_is_resumed_at_any_row(root: Path, monkeypatch: pytest.MonkeyPatch, granularity: str) -> None:
    def open_stream() -> Any:
        options = {"data_dir": str(root), "images": "none", "granularity": granularity, "streaming": True}
        return datasets.load_dataset("svit", "referring", split="train", on_error="skip", **options)

    monkeypatch.setenv("SVIT_KERNELS", "0")
    expected = list(open_stream())
    monkeypatch.setenv("SVIT_KERNELS", "1")
    for at in (1, len(expected) // 2, len(expected) - 1):
        first, seen = open_stream(), []
        for row in first:
            seen.append(row)
            if len(seen) == at:
                break
        again = open_stream()
        again.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert [*seen, *again] == expected
