"""Whatever carries the rows of ``load_dataset``, converting them gives the bytes that the native file gives."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import svit_datasets
from svit_datasets import compare, from_llava, to_llava
from svit_datasets.images import visual_genome
from tests.helpers_cli import DONE, FAULTS, SAMPLE, Ran, call, make_zip, run

STEMS = {
    "conversation": "conversation",
    "complex_reasoning": "complex_reasoning",
    "referring": "referring_qa",
    "detail": "detail_description",
}
GRANULARITIES = ("image", "conversation", "qa")
TEXT = ["image_id", "conversation_index", "pair_index", "topic", "question", "answer"]

Load = Callable[..., Any]


def native(config: str) -> Path:
    return SAMPLE / "data" / f"{STEMS[config]}.json"


@cache
def expected(config: str) -> bytes:
    """Return the bytes that the native file of the sample gives."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        to_llava(native(config), Path(folder) / "out.json", images=SAMPLE)
        return (Path(folder) / "out.json").read_bytes()


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Return ``load_dataset`` on the sample, each table built once."""
    folder = tmp_path_factory.mktemp("cache")

    def load(config: str, granularity: str = "image", split: str | None = "train", **given: Any) -> Any:
        return svit_datasets.load_dataset(
            "svit", config, data_dir=SAMPLE, cache_dir=folder, granularity=granularity, split=split, **given
        )

    return load


def bytes_of(given: Any, **options: Any) -> bytes:
    """Return the file that a conversion writes."""
    to_llava(given, "made.json", overwrite=True, **options)
    return Path("made.json").read_bytes()


def save(dataset: Any, path: str, **given: Any) -> Path:
    dataset.save_to_disk(path, **given)
    return Path(path)


def shard(dataset: Any, folder: str) -> Path:
    """Write Parquet shards as they lie on the Hub, cut anywhere, and a configuration without text beside them."""
    config = dataset.info.config_name
    Path(folder, "data", config).mkdir(parents=True)
    for i in range(5):
        part = dataset.shard(5, i, contiguous=True)
        part.to_parquet(f"{folder}/data/{config}/train-0000{i}-of-00005.parquet")
    Path(folder, "data", "images").mkdir()
    pq.write_table(pa.table({"image_id": [1]}), f"{folder}/data/images/train-00000-of-00001.parquet")
    return Path(folder)


def parquet(dataset: Any, path: str, **given: Any) -> Path:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    dataset.to_parquet(path, **given)
    return Path(path)


CARRIERS: dict[str, Callable[[Load, str, str], Any]] = {
    "dataset": lambda load, c, g: load(c, g),
    "dict": lambda load, c, g: load(c, g, None),
    "embedded": lambda load, c, g: load(c, g, images="embed"),
    "imageless": lambda load, c, g: load(c, g, images="none"),
    "halves": lambda load, c, g: [(d := load(c, g)).select(range(half := len(d) // 2)), d.select(range(half, len(d)))],
    "concatenated": lambda load, c, g: datasets.concatenate_datasets(
        [(d := load(c, g)).select(range(4)), d.select(range(4, len(d)))]
    ),
    "mapped": lambda load, c, g: load(c, g).map(lambda row: {"more": row["image_id"] + 1}, load_from_cache_file=False),
    "sorted": lambda load, c, g: load(c, g).add_column("n", range(len(load(c, g)))).shuffle(seed=1).sort("n"),
    "formatted": lambda load, c, g: load(c, g).with_format("numpy", columns=["image_id"]),
    "transformed": lambda load, c, g: load(c, g).with_transform(lambda rows: {"n": [0] * len(rows["image_id"])}),
    "saved": lambda load, c, g: save(load(c, g), f"saved-{c}"),
    "saved-dict": lambda load, c, g: save(load(c, g, None), "saved"),
    "saved-embedded": lambda load, c, g: save(load(c, g, images="embed"), "saved"),
    "saved-shards": lambda load, c, g: save(load(c, g), "saved", num_shards=5),
    "parquet": lambda load, c, g: parquet(load(c, g), f"{c}.parquet"),
    "parquet-embedded": lambda load, c, g: parquet(load(c, g, images="embed"), f"{c}-train.parquet", batch_size=2),
    "shards": lambda load, c, g: shard(load(c, g), "hub"),
    "pandas": lambda load, c, g: load(c, g).to_pandas().to_parquet(f"{STEMS[c]}.parquet") or f"{STEMS[c]}.parquet",
    "stream": lambda load, c, g: load(c, g, streaming=True),
    "stream-dict": lambda load, c, g: datasets.IterableDatasetDict(train=load(c, g, streaming=True)),
    "stream-embedded": lambda load, c, g: load(c, g, streaming=True, images="embed"),
    "stream-halves": lambda load, c, g: [
        (d := load(c, g, streaming=True)).take(half := len(load(c, g)) // 2),
        d.skip(half),
    ],
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("config", STEMS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_table_gives_the_bytes_of_the_native_file(load: Load, carrier: str, config: str, granularity: str) -> None:
    given = CARRIERS[carrier](load, config, granularity)
    assert bytes_of(given) == expected(config)


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("config", STEMS)
def test_a_table_comes_back_as_the_native_file(load: Load, config: str, granularity: str) -> None:
    to_llava(load(config, granularity), "made.json")
    from_llava("made.json", "back")
    assert list(compare(native(config), Path("back", f"{STEMS[config]}.json"))) == []


def test_without_output_the_records_are_returned(load: Load) -> None:
    for given in (load("referring", "qa"), load("referring", "qa", None), load("referring", "qa", streaming=True)):
        assert to_llava(given) == json.loads(expected("referring"))
    report = to_llava(load("referring", "qa"), "made.json")
    assert report.inputs == ["svit/referring[train]"]
    assert (report.counts["records_read"], report.counts["conversations_read.referring_qa"]) == (6, 60)
    assert report.outputs == {"made.json": 60}


def test_the_command_takes_tables(load: Load, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    saved, file = save(load("referring", "qa", None), "dict"), parquet(load("referring", images="embed"), "x.parquet")
    for path in (saved, file):
        ran = run("to-llava", path, "--task", "referring", "-o", "-", env=environment)
        assert (ran.code, ran.out) == (DONE, expected("referring")), ran.err
        assert ran.err.endswith("to-llava: 60 records from 6 native records; wrote - (60)\n")
    assert call("compare", native("referring"), saved) == Ran(DONE, b"compare: equal, value for value\n", "")
    assert call("compare", file, native("referring")) == Ran(DONE, b"compare: equal, value for value\n", "")


def test_zero_rows_give_what_an_empty_native_file_gives(load: Load) -> None:
    Path("detail_description.json").write_text("[]")
    empty = bytes_of("detail_description.json")
    none = load("detail", "qa").select([])
    pq.write_table(load("detail", "qa").data.table.slice(0, 0), "detail.parquet")
    for given in (none, datasets.DatasetDict(train=none), save(none, "none", num_shards=1), Path("detail.parquet")):
        assert bytes_of(given, images=SAMPLE) == empty


def test_images_that_are_given_count_instead_of_the_rows(load: Load) -> None:
    table = load("referring", "qa").select_columns(TEXT)
    assert bytes_of(table, images=SAMPLE) == expected("referring")
    wrong = load("referring").map(lambda _: {"width": 7, "height": 3, "url": None}, load_from_cache_file=False)
    assert bytes_of(wrong, images=str(SAMPLE / "raw")) == expected("referring")
    assert bytes_of(wrong) != expected("referring")


def test_the_folder_that_image_data_tells_counts_before_that_of_the_file(tmp_path: Path) -> None:
    """For an image that is not of Visual Genome, as for a native file."""
    root = shutil.copytree(SAMPLE, tmp_path / "svit")
    data = next(root.rglob("image_data.json"))
    entries = json.loads(data.read_bytes())
    for entry in entries:
        entry["url"] = f"https://cs.stanford.edu/people/rak248/VG_100K_2/{entry['image_id']}.jpg"
    data.write_text(json.dumps(entries))
    with pytest.warns(svit_datasets.SvitWarning, match="image-folder-differs"):
        want = to_llava(native("referring"), images=root)
    table = svit_datasets.load_dataset("svit", "referring", data_dir=root, cache_dir="cache", split="train")
    assert [row["image"] for row in to_llava(table)] == [row["image"] for row in want]


def test_images_in_zips_tell_their_folders(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE / "data", tmp_path / "data")
    (tmp_path / "raw").mkdir()
    photos = {f"VG_100K_2/{p.name}": p.read_bytes() for p in (SAMPLE / "raw/VG_100K").iterdir()}
    Path("raw/images2.zip").write_bytes(make_zip(photos))
    want = bytes_of(native("referring"), images="raw")
    for mode in ("path", "embed"):
        table = svit_datasets.load_dataset(
            "svit", "referring", data_dir=tmp_path, cache_dir="cache", split="train", images=mode
        )  # fmt: skip
        assert bytes_of(table) == want
        assert b"VG_100K_2" in want


def text_of(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps([row["image"], *(turn["value"] for turn in row["conversations"])]) for row in rows)


@pytest.mark.filterwarnings("ignore::svit_datasets.SvitWarning")
def test_shuffled_and_filtered_rows_keep_their_texts(load: Load) -> None:
    options = svit_datasets.Options(instruction=False)
    want = text_of(to_llava(native("conversation"), images=SAMPLE, options=options))
    table = load("conversation", "conversation")
    assert text_of(to_llava(table.shuffle(seed=3), options=options)) == want
    stream = load("conversation", "conversation", streaming=True).shuffle(seed=3, buffer_size=50)
    assert text_of(to_llava(stream, options=options)) == want
    odd = to_llava(table.filter(lambda row: row["conversation_index"] == 1), options=options)
    assert len(odd) == 6
    assert set(text_of(odd)) < set(want)


@pytest.mark.parametrize("kind", ["numpy", "arrow"])
def test_a_stream_in_another_format_is_read(load: Load, kind: str) -> None:
    assert bytes_of(load("referring", "qa", streaming=True).with_format(kind)) == expected("referring")


def test_a_stream_whose_columns_datasets_forgot_is_read(load: Load) -> None:
    stream = load("referring", "qa", streaming=True)
    assert bytes_of(stream.filter(lambda row: row["image_id"] > 0)) == expected("referring")
    assert bytes_of(stream.map(lambda row: {"n": row["image_id"]})) == expected("referring")


def test_native_files_and_tables_of_a_task_are_numbered_through(load: Load) -> None:
    one, two = json.loads(native("referring").read_bytes())[:3], json.loads(native("referring").read_bytes())[3:]
    Path("referring_qa.json").write_text(json.dumps(one))
    rest = load("referring").select(range(3, 6))
    assert bytes_of(["referring_qa.json", rest], images=SAMPLE) == expected("referring")
    Path("referring_qa.json").write_text(json.dumps(two))
    assert bytes_of([load("referring").select(range(3)), "referring_qa.json"], images=SAMPLE) == expected("referring")
    assert bytes_of(part for part in (load("referring").select(range(3)), rest)) == expected("referring")


@pytest.mark.parametrize("kind", [frozenset, lambda files: dict.fromkeys(files).keys()], ids=["frozenset", "keys"])
def test_native_files_may_stand_in_any_collection(kind: Callable[[list[Path]], Any]) -> None:
    assert bytes_of(kind([native("referring")]), images=SAMPLE) == expected("referring")


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_compare_tells_where_a_table_differs(load: Load, granularity: str) -> None:
    table = load("conversation", granularity)
    other = parquet(table.select(range(len(table) - 1)), "other.parquet")
    assert list(compare(native("conversation"), save(table, "saved"))) == []
    found = list(compare(other, native("conversation")))
    assert [(d.file, d.record) for d in found] == [("other.parquet", 6)]
    assert found[0].path == {"qa": "$.conversations[2].content[8]", "conversation": "$.conversations[2]"}.get(
        granularity, "$"
    )
    ran = call("compare", "saved", other)
    assert (ran.code, ran.out.splitlines()[-1]) == (FAULTS, b"compare: 1 records differ")


def test_folders_of_native_files_are_compared_as_such_whatever_lies_beside_them(load: Load) -> None:
    shutil.copytree(SAMPLE / "data", "a/data")
    parquet(load("detail"), "a/cache/detail.parquet")
    assert list(compare("a", SAMPLE / "data")) == []


PEAK = """
import sys
from pathlib import Path
import svit_datasets

made = svit_datasets.to_llava(sys.argv[1], "out.json", task="detail", overwrite=True)
assert made.counts["records_written"] == int(sys.argv[2]), made.counts
line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(line.split()[1]) >> 10)
"""
MEGABYTES, ALLOWED_MEGABYTES = 120, 50


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="tells the peak of a process")
def test_embedded_images_are_not_read_into_memory(tmp_path: Path) -> None:
    """One row group holds all of them."""
    turns = [{"from": "user", "value": "What?"}, {"from": "gpt", "value": "It is <st>a<ed> [0.1, 0.2, 0.3, 0.4]."}]
    ids = visual_genome.image_ids()
    peaks = []
    for count in (2, MEGABYTES):
        rows = {"image_id": ids[:count], "conversations": [[{"topic": None, "content": turns}]] * count}
        more = {"width": [640] * count, "height": [480] * count}
        images = [{"bytes": os.urandom(1 << 20), "path": f"{i}.jpg"} for i in ids[:count]]
        file = tmp_path / f"{count}.parquet"
        pq.write_table(pa.table({"image": images, **rows, **more}), file, compression="none", use_dictionary=False)
        made = subprocess.run([sys.executable, "-c", PEAK, file, str(count)], check=True, capture_output=True)
        peaks.append(int(made.stdout))
    assert file.stat().st_size > MEGABYTES << 20
    assert peaks[1] - peaks[0] < ALLOWED_MEGABYTES, peaks
