"""The name "svit": known whatever is imported first, in other processes too, and no other name is changed by it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import datasets
import pytest
from test_loading import IDS, python, write, write_root

import svit_datasets
from svit_datasets import registration
from svit_datasets.builder import Svit
from svit_datasets.images import visual_genome

SHOW = "print(load_dataset('svit', 'detail', data_dir=sys.argv[1], split='train')['image_id'][:])\n"
TRAIN_IDS = str([i for i in IDS if not visual_genome.is_held_out(i)])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    turns = [{"from": "user", "value": "Why?"}, {"from": "gpt", "value": "So."}]
    records = [{"image_id": i, "conversations": [{"content": turns}]} for i in IDS]
    return write_root(tmp_path_factory.mktemp("registration") / "SVIT", {"detail_description": json.dumps(records)})


def run(code: str, *args: object, cwd: Path, **environment: str) -> list[str]:
    """Run code in a process and return the lines that it printed."""
    ran = python(f"import sys\n{code}", *args, cwd=cwd, **environment)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout.splitlines()


def test_an_import_alone_imports_neither_datasets_nor_arrow(tmp_path: Path) -> None:
    code = (
        "import svit_datasets, svit_datasets.loading\nsvit_datasets.load_dataset, svit_datasets.read\n"
        "print([m for m in ('datasets', 'pyarrow', 'numpy', 'PIL') if m in sys.modules])"
    )
    assert run(code, cwd=tmp_path) == ["[]"]


@pytest.mark.parametrize(
    "imports",
    [
        "import datasets, svit_datasets\nfrom datasets import load_dataset",
        "import svit_datasets, datasets\nfrom datasets import load_dataset",
        "from datasets import load_dataset\nimport svit_datasets",
        "from svit_datasets.builder import Svit\nfrom datasets.load import load_dataset",
        "import svit_datasets, importlib\nfrom datasets import load_dataset\nimportlib.reload(svit_datasets)\n"
        "importlib.reload(svit_datasets.registration)\nimportlib.reload(svit_datasets)",
        "import datasets, svit_datasets, importlib\nimportlib.reload(datasets.load)\nimportlib.reload(svit_datasets)\n"
        "load_dataset = datasets.load.load_dataset",
    ],
    ids=lambda code: code.replace("\n", "; "),
)
def test_the_order_of_imports_does_not_matter(root: Path, tmp_path: Path, imports: str) -> None:
    tell = "import datasets\nprint(datasets.get_dataset_config_names('svit')[2])\n"
    assert run(f"{imports}\n{SHOW}{tell}", root, cwd=tmp_path) == [TRAIN_IDS, "referring"]


def test_what_tells_of_a_dataset_knows_the_name_also_when_it_was_imported_before(root: Path, tmp_path: Path) -> None:
    code = (
        "from datasets import get_dataset_config_names, get_dataset_split_names, get_dataset_config_info\n"
        "import svit_datasets\nprint(get_dataset_config_names('svit'))\n"
        "print(get_dataset_split_names('svit', 'detail', data_dir=sys.argv[1]))\n"
        "print(get_dataset_config_info('svit', 'detail', data_dir=sys.argv[1]).config_name)"
    )
    configs = str(["conversation", "complex_reasoning", "referring", "detail", "images"])
    assert run(code, root, cwd=tmp_path) == [configs, "['train', 'test']", "detail"]


def test_other_names_load_as_before(tmp_path: Path) -> None:
    row = [{"a": 1, "b": "x"}, {"a": 2, "b": "\u00e9"}]
    write(tmp_path / "svit/train.json", json.dumps(row).encode())
    write(tmp_path / "folder/data/train.jsonl", "\n".join(map(json.dumps, row)).encode())
    write(tmp_path / "a.csv", b"a,b\n1,x\n")
    code = (
        "from datasets import Dataset\nDataset.from_list([{'a': 5}]).to_parquet('x.parquet')\n"
        "import svit_datasets\nfrom datasets import load_dataset, get_dataset_config_names\n"
        "for load in load_dataset, svit_datasets.load_dataset:\n"
        "    print(load('json', data_files='svit/train.json', split='train')[:])\n"
        "    print(load('./svit', split='train')['a'][:], load('folder')['train'][1])\n"
        "    print(load('parquet', data_files={'train': 'x.parquet'})['train'][0], load('csv', data_files='a.csv', "
        "split='train')[0])\n"
        "    print([r['a'] for r in load('folder', split='train', streaming=True)])\n"
        "print(get_dataset_config_names('folder'), datasets.__version__)\n"
        "for name in 'svit/x', 'svitt':\n"
        "    try:\n        load_dataset(name)\n"
        "    except Exception as error:\n        print(type(error).__module__.split('.')[0], name in str(error))\n"
    ).replace("import svit_datasets\n", "import svit_datasets, datasets\n")
    found = run(code, cwd=tmp_path)
    each = [
        "{'a': [1, 2], 'b': ['x', '\u00e9']}",
        "[1, 2] {'a': 2, 'b': '\u00e9'}",
        "{'a': 5} {'a': 1, 'b': 'x'}",
        "[1, 2]",
    ]
    assert found[:8] == each * 2
    assert found[8] == f"['default'] {datasets.__version__}"
    assert found[9:] in (["datasets True"] * 2, ["builtins True"] * 2)


def test_another_version_of_datasets_is_refused_and_still_loads_other_names(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "a.json", b'[{"a": 1}]')
    versions = ["2.20.0", "1.18.4", "6.0.0", "6.0.0.dev0", "7.1"]
    calls = ["datasets.load_dataset", "svit_datasets.load_dataset", "datasets.load_dataset_builder"]
    code = f"import svit_datasets, datasets\nfor datasets.__version__ in {versions}:\n"
    for call in calls:
        code += f"    try:\n        {call}('svit', 'detail', data_dir=sys.argv[1])\n"
        code += "    except svit_datasets.UsageError as error:\n        print(error)\n"
    code += "    print(datasets.load_dataset('json', data_files='a.json', split='train')[0])\n"
    expected = []
    for version in versions:
        message = (
            f"svit-datasets {svit_datasets.VERSION} was tested with datasets>=2.21,<6, and {version} is installed: "
            "pip install 'datasets>=2.21,<6', or a newer svit-datasets"
        )
        expected += [*[message] * len(calls), "{'a': 1}"]
    assert run(code, root, cwd=tmp_path) == expected


@pytest.mark.parametrize("version", ["2.21.0", "3.0.0rc1", "4.8.5", "5.2.1.dev0", "5.99"])
def test_versions_of_the_range_are_taken(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(datasets, "__version__", version)
    registration.check_version()


def test_the_builder_can_be_pickled(root: Path, tmp_path: Path) -> None:
    assert pickle.loads(pickle.dumps(Svit)) is Svit
    builder = Svit(cache_dir=str(tmp_path / "c"), config_name="detail", data_dir=root, images="embed")
    again = pickle.loads(pickle.dumps(builder))
    assert (again.config, again.cache_dir, again.info) == (builder.config, builder.cache_dir, builder.info)
    again.download_and_prepare()
    assert str(again.as_dataset("train")["image_id"][:]) == TRAIN_IDS


def test_pickles_and_saved_tables_open_where_the_package_was_not_imported(root: Path, tmp_path: Path) -> None:
    given = {"data_dir": str(root), "cache_dir": str(tmp_path / "c"), "split": "train"}
    stream = datasets.load_dataset("svit", "detail", streaming=True, **given)
    write(tmp_path / "stream.pkl", pickle.dumps(stream))
    datasets.load_dataset("svit", "detail", **given).save_to_disk(tmp_path / "saved")
    code = (
        "import pickle, datasets, pathlib\n"
        "rows = list(pickle.loads(pathlib.Path('stream.pkl').read_bytes()))\n"
        "saved = datasets.load_from_disk('saved')\n"
        "for rows in rows, saved:\n    print([r['image_id'] for r in rows])\n    print(rows[1]['image'].size)\n"
    )
    size = str((24 + IDS[1] % 7, 16 + IDS[1] % 5))
    assert run(code, cwd=tmp_path) == [TRAIN_IDS, size] * 2


def test_processes_that_are_not_forked(root: Path, tmp_path: Path) -> None:
    script = write(
        tmp_path / "main.py",
        b"import sys, multiprocess\nfrom datasets import load_dataset\nimport svit_datasets\n"
        b"if __name__ == '__main__':\n    multiprocess.set_start_method('spawn')\n"
        b"    print(load_dataset('svit', 'detail', data_dir=sys.argv[1], split='train', num_proc=2)['image_id'][:])\n",
    )
    code = "import subprocess\nsubprocess.run([sys.executable, '-W', 'ignore', *sys.argv[1:]], check=True)"
    assert run(code, script, root, cwd=tmp_path) == [TRAIN_IDS]


def test_without_a_folder_the_hub_is_asked_and_what_to_do_is_said(tmp_path: Path) -> None:
    code = (
        "import svit_datasets, datasets\n"
        "print(list(datasets.load_dataset_builder('svit', 'images').info.features))\n"
        "print(datasets.get_dataset_split_names('svit', 'detail'))\n"
        "for load in datasets.load_dataset, svit_datasets.load_dataset:\n"
        "    try:\n        load('svit', 'detail', images='none')\n"
        "    except svit_datasets.InputError as error:\n        print(str(error).split(' (')[0])\n"
    )
    columns = ["image", "image_id", "width", "height", "url", "coco_id", "flickr_id"]
    wanted = "BAAI/SVIT: cannot be reached at http://127.0.0.1:9"
    assert run(code, cwd=tmp_path) == [str(columns), "['train', 'test']", wanted, wanted]
