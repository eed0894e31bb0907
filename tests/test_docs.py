"""The docs cannot rot: generated pages are up to date, and every command and example in them runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest
from hub_server import HubServer

import svit_datasets

ROOT = Path(__file__).parent.parent
PAGES = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "dataset_card.md",
    *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
]
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.M | re.S)
ENV = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONWARNINGS": "error",
}


def test_generated_pages_are_up_to_date():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_docs.py", "--check"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def to_hub(hub):
    """Return the settings of a client of a loopback Hub."""
    rest = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1,localhost"}
    own = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": "hf_made_up", "HF_HUB_OFFLINE": "0"}
    return {**own, **rest, "PYTHONWARNINGS": ""}  # the client's own remarks are not ours


def run_blocks(page, folder, **settings):
    """Run the examples of a page one after another; return what each printed."""
    outputs = []
    env = {**ENV, "HF_HOME": str(folder / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    env |= settings
    for language, code in BLOCK.findall(page.read_text()):
        command = ["bash", "-euc", code] if language == "bash" else [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{code}\n{done.stderr}"
        outputs.append(done.stdout)
    return outputs


def test_the_page_on_loading_runs_from_top_to_bottom(tmp_path):
    svit_datasets.write_sample(tmp_path / "svit-sample")
    text = (ROOT / "docs" / "loading.md").read_text().replace("svit-convert sample svit-sample\n", "")
    page = tmp_path / "loading.md"
    page.write_text(text)
    first, second, third = run_blocks(page, tmp_path)
    assert "'phrase': 'the brown dog'" in first
    assert second == "50 vg/VG_100K/9000001.jpg\n"
    assert third.endswith("compare: equal, value for value\n")


def test_readme_runs_from_top_to_bottom(tmp_path):
    outputs = run_blocks(ROOT / "README.md", tmp_path)
    assert len(outputs) >= 7
    assert "compare: equal, value for value\n" in outputs[0]
    assert outputs[1].startswith("(906, 600) What is <st>the brown dog<ed> [0, 0.16, 0.336, 0.953]")
    assert outputs[1].endswith("the brown dog [[0.0, 0.16, 0.336, 0.953]]\n")
    assert outputs[2].startswith("9000001 What is <st>the brown dog<ed> [0, 0.16, 0.336, 0.953]")
    assert "78 {}" in outputs[4]
    assert (tmp_path / "pictures" / "9000006.padded.png").exists()


def test_the_page_on_validating_runs_from_top_to_bottom(tmp_path):
    outputs = run_blocks(ROOT / "docs" / "validate.md", tmp_path)
    assert len(outputs) == 4
    assert outputs[0].endswith("validate: 174 records, nothing found\n")
    assert "  bad:  " in outputs[1]
    assert outputs[2].endswith("fix: wrote mended.json (6 records); changed: nothing\n")
    assert outputs[3] == "174 {}\n"


def test_the_page_on_statistics_runs_from_top_to_bottom(tmp_path):
    outputs = run_blocks(ROOT / "docs" / "stats.md", tmp_path)
    assert "246" in outputs[0]
    assert (tmp_path / "stats.html").read_text().startswith("<!doctype html>")
    assert outputs[1] == "246 3\n"


def test_the_page_on_looking_runs_from_top_to_bottom(tmp_path):
    outputs = run_blocks(ROOT / "docs" / "view.md", tmp_path)
    assert (tmp_path / "look" / "index.html").exists()
    assert (tmp_path / "two" / "index.html").exists()
    assert re.fullmatch(r"[0-9]+ [0-9]+\n", outputs[1])


def test_the_page_on_publishing_runs_from_top_to_bottom(tmp_path):
    with HubServer() as hub:
        outputs = run_blocks(ROOT / "docs" / "publish.md", tmp_path, **to_hub(hub))
        pushed = hub.files("org/svit")
        assert "README.md" in hub.files("org/svit-text")
    assert outputs[1] == "(906, 600) the brown dog 9000001\n"
    assert outputs[2].endswith("nothing was sent: --dry-run\n")
    shards = [name for name in pushed if name.endswith(".parquet")]
    assert {name: (tmp_path / "svit-hub" / name).read_bytes() for name in shards} == {n: pushed[n] for n in shards}
    sample = tmp_path / "svit-sample" / "data" / "referring_qa.json"
    svit_datasets.to_llava(sample, tmp_path / "own.json", images=tmp_path / "svit-sample")
    assert (tmp_path / "referring.json").read_bytes() == (tmp_path / "own.json").read_bytes()
    name = "data/referring/train-00000-of-00001.parquet"
    assert (tmp_path / "svit-copy" / name).read_bytes() == pushed[name]


def test_the_page_on_scale_runs_from_top_to_bottom(tmp_path):
    run_blocks(ROOT / "docs" / "scale.md", tmp_path)
    assert (tmp_path / "resumed.json").read_bytes() == (tmp_path / "llava.json").read_bytes()
    own = svit_datasets.to_llava(tmp_path / "svit/data/referring_qa.json", images=tmp_path / "svit/raw")
    assert json.loads((tmp_path / "two.json").read_bytes()) == own


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    text = (ROOT / page).read_text()
    targets = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    missing = [t for t in targets if not t.startswith("http") and not ((ROOT / page).parent / t).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_named_in_the_docs_exist(page):
    from svit_datasets.cli import cli

    named = set(re.findall(r"svit-convert ([a-z][a-z-]+)", (ROOT / page).read_text()))
    assert named <= set(cli.commands)


def test_command_help_examples_run(tmp_path):
    with ExitStack() as stack:
        run_examples(tmp_path, stack)


def run_examples(tmp_path, stack):
    from svit_datasets.cli import cli

    shutil.copytree(ROOT / "svit_datasets" / "sample", tmp_path / "SVIT")
    llava = "svit-convert to-llava svit-sample/data/*.json --images svit-sample/raw -o mix.json"
    examples = {
        name: re.findall(r"^svit-convert .*$", re.sub(r"^ +", "", c.help, flags=re.M), re.M)
        for name, c in cli.commands.items()
    }
    order = ["sample", "stats", "view", "to-llava", "from-llava", "compare", "draw", "schema", "validate", "build"]
    online = ["push", "download"]
    assert sorted(order + online) == sorted(cli.commands)
    shutil.copytree(tmp_path / "SVIT", tmp_path / "published")
    raw = tmp_path / "published" / "raw"
    for name in ("images", "images2"):
        shutil.make_archive(str(raw / name), "zip", raw, "VG_100K")
    hub = stack.enter_context(HubServer(tmp_path / "published"))
    for name in order + online:
        (example,) = examples[name]
        example = example.replace("SVIT/data/referring_qa.zip", "SVIT/data/referring_qa.json")
        before = f"{llava} &&" if name == "from-llava" else ""
        done = subprocess.run(
            ["bash", "-c", f"{before} {example}"],
            cwd=tmp_path,
            env={**ENV, "HF_HOME": str(tmp_path / "hf"), **to_hub(hub)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


def test_version_is_told_once():
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{svit_datasets.VERSION}"' in pyproject
    assert f"## [{svit_datasets.VERSION}]" in (ROOT / "CHANGELOG.md").read_text()


def test_every_package_folder_is_in_the_wheel_list():
    listed = set(
        re.findall(
            r'"(svit_datasets[a-z._]*)"',
            re.search(r"^packages = \[.*?\]$", (ROOT / "pyproject.toml").read_text(), re.M | re.S)[0],
        )
    )
    package = ROOT / "svit_datasets"
    own = {".".join(p.parent.relative_to(package).parts) for p in package.glob("*/**/__init__.py")}
    own |= {p.parent.name for p in package.glob("*/__init__.py")}  # links to folders too
    mapped = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"svit_datasets"}
    assert mapped <= own
    found = {"svit_datasets", *(f"svit_datasets.{name}" for name in own)}
    assert listed == found
    told = (ROOT / "CONTRIBUTING.md").read_text()
    assert [name for name in own if f"{name.rpartition('.')[2]}/" not in told] == []


def test_no_machine_paths_or_registry_addresses():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    pattern = re.compile(rb"https?://[^ \"]*/(simple|packages)/|/home/[a-z]|/root/")
    leaks = [
        f
        for f in tracked
        if (ROOT / f).is_file() and f != "tests/test_docs.py" and pattern.search((ROOT / f).read_bytes())
    ]
    assert leaks == []


def test_the_page_on_pipelines_runs_from_top_to_bottom(tmp_path):
    text = (ROOT / "docs" / "pipelines.md").read_text()
    has_ray = find_spec("ray") is not None
    page = tmp_path / "pipelines.md"
    page.write_text(text if has_ray else text.partition("## With Ray Data")[0])
    quiet = {"PYTHONWARNINGS": "", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}  # Ray warns of itself
    outputs = run_blocks(page, tmp_path, **quiet)
    assert outputs[0] == "['id', 'image', 'conversations', 'svit'] 60\n60\n"
    assert outputs[1] == "compare: equal, value for value\n"
    assert outputs[2] == "[{'task': 'complex_reasoning', 'image_id': 2, 'outcome': 'inferred'}]\n"
    assert outputs[3:] == ["True\n", *["60\n"] * (1 + has_ray)]
