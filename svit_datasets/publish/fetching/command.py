"""The command ``svit-convert download``."""

from __future__ import annotations

import json
import sys
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from svit_datasets.sizes import show_size

if TYPE_CHECKING:
    from svit_datasets.publish.fetching.download import Download

_INTERRUPTED = 130


@click.command()
@click.argument("configs", nargs=-1, metavar="[CONFIG]...")
@click.option("-o", "--output", required=True, metavar="ROOT", help="Folder for the files.")
@click.option("--repo-id", default="BAAI/SVIT", show_default=True, metavar="ORG/NAME", help="Dataset repository on the Hub.")  # fmt: skip
@click.option("--revision", metavar="NAME", help="Branch, tag or commit.")
@click.option("--no-images", is_flag=True, help="Leave out the photos (about 15 GB), where they are files of their own.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Fetch again what is in ROOT but not as on the Hub.")
@click.option("--dry-run", is_flag=True, help="List what would be fetched, with sizes, and fetch nothing.")
def download(configs: tuple[str, ...], output: str, **given: Any) -> None:
    """Fetch SVIT, or what some configurations of it need, from the Hugging Face Hub into a folder.

    CONFIG is conversation, complex_reasoning, referring, detail or images; without any, all. The repository is laid
    out as SVIT's own, or as svit-convert build does it. Accept its terms and log in once with hf auth login.

    Every file is checked against the Hub's size and digest before it gets its name. Nothing is unpacked. What is there
    is not fetched again, so run it again after an interruption.

    \b
    svit-convert download referring -o SVIT
    """
    from svit_datasets.publish.fetching.download import download as fetch

    with_images = not given.pop("no_images")
    try:
        done = fetch(output, configs, with_images=with_images, tell=_say, **given)
    except KeyboardInterrupt:
        _say(f"interrupted; what was fetched whole is in {output}. Run this again to go on")
        sys.exit(_INTERRUPTED)
    if given["dry_run"]:
        for file in done.fetched:
            click.echo(f"{file.size_bytes:>15,}  {file.path}")
    for line in closing_lines(done, is_dry=given["dry_run"]):
        _say(line)


def closing_lines(done: Download, *, is_dry: bool) -> list[str]:
    """Return what the command says at its end.

    >>> from pathlib import Path
    >>> from svit_datasets.publish.fetching.download import Download
    >>> from svit_datasets.publish.fetching.wanted import RemoteFile
    >>> file = RemoteFile("data/detail/train-00000-of-00001.parquet", 2_000_000, "")
    >>> for line in closing_lines(Download(Path("svit"), "org/svit", "0" * 40, (file,), (), 1), is_dry=False):
    ...     print(line)
    download: fetched 1 file (2 MB), 0 files (0 B) were there; asked again 1 time; org/svit at 000000000000 is in svit
    next: datasets.load_dataset("svit", "detail")
    next: svit-convert to-llava svit/data/detail -o detail.json
    """
    from svit_datasets.publish.fetching.wanted import total_bytes

    verb = "would fetch" if is_dry else "fetched"
    fetched, there = (f"{_files(len(part))} ({show_size(total_bytes(part))})" for part in (done.fetched, done.there))
    again = f"; asked again {done.retries} time{'s' * (done.retries != 1)}" if done.retries else ""
    card = []
    if done.left_out:
        names, them = ", ".join(done.left_out), "it" if len(done.left_out) == 1 else "them"
        card = [f"README.md: leaves out {names}, not fetched, so that the rest loads; fetch {them} to have the Hub's"]
    place = f"{done.repo_id} at {done.commit[:12]}"
    first = f"download: {verb} {fetched}, {there} were there{again}; {place}{'' if is_dry else f' is in {done.root}'}"
    return [first, *card, *([] if is_dry else [f"next: {step}" for step in next_steps(done)])]


def next_steps(done: Download) -> list[str]:
    """Return how to load and how to convert what was fetched, with one configuration as an example.

    >>> from pathlib import Path
    >>> from svit_datasets.publish.fetching.download import Download
    >>> from svit_datasets.publish.fetching.wanted import RemoteFile
    >>> next_steps(Download(Path("svit"), "org/svit", "0", (RemoteFile("data/referring_qa.zip", 2, ""),), (), 0))
    ['svit_datasets.load_dataset("svit", "referring", data_dir="svit", images="none")', \
'svit-convert to-llava svit/data/referring_qa.zip --images svit/raw -o referring.json']
    """
    from svit_datasets.configs import CONFIGS, IMAGES_CONFIG
    from svit_datasets.publish.fetching.wanted import is_published
    from svit_datasets.publish.layout import parse_shard
    from svit_datasets.records import TASKS, find_task

    files, quoted = (*done.fetched, *done.there), quote(str(done.root))
    named = json.dumps(str(done.root), ensure_ascii=False)
    if is_published(files):
        there = {shard.config for file in files if (shard := parse_shard(file.path))}
        config = next(name for name in CONFIGS if name in there)
        load = [f'datasets.load_dataset({named}, "{config}")']
        return load + [f"svit-convert to-llava {quoted}/data/{config} -o {config}.json"] * (config != IMAGES_CONFIG)
    without = "" if any(file.path.endswith("images.zip") for file in files) else ', images="none"'
    texts = {find_task(file.path.split("/")[-1].split(".")[0]): file.path for file in files}
    task = next((task for task in TASKS.values() if task.stem in texts), None)
    if task is None:
        return [f'svit_datasets.load_dataset("svit", "{IMAGES_CONFIG}", data_dir={named}{without})']
    return [
        f'svit_datasets.load_dataset("svit", "{task.config}", data_dir={named}{without})',
        f"svit-convert to-llava {quoted}/{texts[task.stem]} --images {quoted}/raw -o {task.config}.json",
    ]


def _files(number: int) -> str:
    return f"{number:,} file{'s' * (number != 1)}"


def _say(text: str) -> None:
    click.echo(text, err=True)
