"""The conversion of tables inside other people's pipelines: ``Dataset.map``, Arrow's scanner, built shards, Ray."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

import svit_datasets
from svit_datasets import Options, build, from_llava, to_llava, write_sample
from svit_datasets.pipelines.llava import LLAVA_SCHEMA, convert_table
from svit_datasets.pipelines.places import number_records
from svit_datasets.pipelines.writing import write_llava
from svit_datasets.tables.parts import GRANULARITIES

from . import native_files as made

TASKS = {"conversation": "conversation", "referring": "referring_qa", "detail": "detail_description"}
pytestmark = pytest.mark.filterwarnings("ignore::svit_datasets.SvitWarning")  # the sample's ids are not VG's


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipelines")
    write_sample(folder / "svit")
    return folder / "svit"


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def load(sample: Path, config: str, granularity: str = "image", **given: Any) -> Any:
    given = {"data_dir": str(sample), "split": "train", "granularity": granularity, "images": "none", **given}
    return svit_datasets.load_dataset("svit", config, **given)


def assert_native_again(rows: Path, sample: Path, config: str) -> None:
    from_llava(rows, rows.parent / "back", overwrite=True)
    name = f"{TASKS[config]}.json"
    back, native = (made.loads((folder / name).read_bytes()) for folder in (rows.parent / "back", sample / "data"))
    assert back == sorted(native, key=lambda record: int(record["image_id"]))


@pytest.mark.parametrize("num_proc", [1, 2])
@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_a_dataset_is_mapped(tmp_path: Path, sample: Path, granularity: str, num_proc: int) -> None:
    dataset = load(sample, "referring", granularity)
    numbered = dataset.with_format("arrow").map(number_records, batched=True, batch_size=None)
    mapped = numbered.map(
        convert_table,
        batched=True,
        batch_size=10,  # ends between the pairs of no conversation: all have one
        remove_columns=numbered.column_names if num_proc == 1 else None,  # a table is the result as it is
        fn_kwargs={"task": "referring", "options": Options(seed=7)},
        num_proc=num_proc,
    )
    assert mapped.column_names == LLAVA_SCHEMA.names
    assert mapped.features["image"].dtype == "string"
    assert write_llava(mapped.with_format("arrow").iter(7), tmp_path / "out.json") == 60
    to_llava(dataset, tmp_path / "want.json", options=Options(seed=7))
    assert (tmp_path / "out.json").read_bytes() == (tmp_path / "want.json").read_bytes()


def test_a_stream_with_photos_is_mapped(sample: Path) -> None:
    stream = load(sample, "detail", images="embed", streaming=True).with_format("arrow")
    convert = partial(convert_table, task="detail", options=Options(provenance="none"))
    mapped = stream.map(convert, batched=True, batch_size=4)  # remove_columns would take the result's, too
    rows = [row for table in mapped.iter(2) for row in table.to_pylist()]
    want = to_llava(load(sample, "detail"), options=Options(provenance="none"))
    assert rows == [{**row, "svit": None} for row in want]


def test_many_rows_with_faulty_ones_among_them_give_what_the_whole_gives(tmp_path: Path) -> None:
    turns = [{"from": role, "value": role} for role in ("user", "gpt")]
    ids = made.IMAGE_IDS * 150
    table = pa.table(
        {
            "image_id": ids,
            "conversations": [[{"content": turns}]] * len(ids),
            "width": [0 if i in (0, 7, 8, 749) else 640 for i in range(len(ids))],
            "height": [480] * len(ids),
        }
    )
    to_llava(datasets.Dataset(table), tmp_path / "want.json", task="detail", on_error="skip")
    numbered = number_records(table)
    assert numbered.column("record_index").to_pylist()[:3] == [0, 0, 1]
    for size in (len(ids), 100):
        parts = (numbered.slice(start, size) for start in range(0, len(ids), size))
        converted = (convert_table(part, task="detail", on_error="skip") for part in parts)
        assert write_llava(converted, tmp_path / "out.json", overwrite=True) == len(ids) - 4
        assert (tmp_path / "out.json").read_bytes() == (tmp_path / "want.json").read_bytes()


@pytest.mark.parametrize("config", TASKS)
def test_shards_of_a_build_are_scanned_in_batches(tmp_path: Path, sample: Path, config: str) -> None:
    build(sample, tmp_path / "built", configs=config, images="embed")
    scanned = pads.dataset(tmp_path / "built" / "data" / config)
    convert = pickle.loads(pickle.dumps(partial(convert_table, task=config, images=sample)))
    for size in (1, 4):
        batches = scanned.to_batches(batch_size=size)
        count = write_llava(
            (convert(batch) for batch in batches if batch.num_rows), tmp_path / "o.json", overwrite=True
        )
        assert count == len(to_llava(sample / "data" / f"{TASKS[config]}.json", images=sample))
        assert_native_again(tmp_path / "o.json", sample, config)


RAY = """
import sys
from functools import partial
from pathlib import Path
import ray
from svit_datasets.pipelines.llava import convert_table
from svit_datasets.pipelines.writing import write_llava

ray.init("local", num_cpus=1, object_store_memory=80 << 20, include_dashboard=False, log_to_driver=False)
ray.data.DataContext.get_current().enable_progress_bars = False
folder, given = Path(sys.argv[1]), {"batch_format": "pyarrow", "fn_kwargs": {"task": "referring"}}
whole = ray.data.read_parquet(str(folder / "conversation.parquet"), override_num_blocks=3)
pairs = ray.data.read_parquet(str(folder / "qa.parquet"))
for name, rows in (
    ("conversation", whole.map_batches(convert_table, batch_size=4, **given)),
    ("qa", pairs.groupby("image_id").map_groups(convert_table, **given)),
):
    print(name, write_llava(rows.iter_batches(batch_format="pyarrow", batch_size=None), folder / f"{name}.json"))
ray.shutdown()
"""


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: pip install 'svit-datasets[ray]'")
def test_ray_data_converts_shards(tmp_path: Path, sample: Path) -> None:
    for granularity in GRANULARITIES[1:]:
        load(sample, "referring", granularity).to_parquet(tmp_path / f"{granularity}.parquet")
    with TemporaryDirectory(prefix="ray") as short:  # a socket's path has 107 characters at most
        env = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_TMPDIR": short}
        command = [sys.executable, "-c", RAY, tmp_path]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["conversation 60", "qa 60"]
    for granularity in GRANULARITIES[1:]:
        assert_native_again(tmp_path / f"{granularity}.json", sample, "referring")


def test_a_fault_in_a_process_arrives_as_itself(sample: Path) -> None:
    rows = load(sample, "detail").with_format("arrow")[:].select(["image_id", "conversations"])
    dataset = datasets.Dataset(rows).with_format("arrow")  # without what tells of the photos
    for num_proc in (1, 2):
        with pytest.raises(svit_datasets.RecordError, match=r"^table:1 id=900000[14] \$\.image_id: found 9"):
            dataset.map(convert_table, batched=True, fn_kwargs={"task": "detail"}, num_proc=num_proc)
