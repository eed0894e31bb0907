"""Which files of a repository a configuration needs: of SVIT's own layout, or of one with Parquet shards. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from svit_datasets.configs import CONFIGS, IMAGES_CONFIG, find_config, task_of_config
from svit_datasets.errors import InputError, UsageError
from svit_datasets.publish.layout import CROISSANT, README, parse_shard

_IMAGES = ("raw/images.zip", "raw/images2.zip")
_SIZES = "raw/annotations/vg/image_data.json"
_ALL_TASKS = "data/svit.zip"


class RemoteFile(NamedTuple):
    """A file on the Hub.

    Attributes:
        path: Where it stands in the repository.
        size_bytes: Its size.
        digest: SHA-256 of its bytes, or, of a small file, SHA-1 as git takes it; in hexadecimal.
    """

    path: str
    size_bytes: int
    digest: str


def total_bytes(files: Iterable[RemoteFile]) -> int:
    """Return the size of files together.

    >>> total_bytes([RemoteFile("a", 2, ""), RemoteFile("b", 3, "")])
    5
    """
    return sum(file.size_bytes for file in files)


def is_published(files: Iterable[RemoteFile]) -> bool:
    """Tell whether files are laid out as ``svit-convert build`` does it.

    >>> is_published([RemoteFile("data/detail/train-00000-of-00001.parquet", 2, "")])
    True
    """
    return any((shard := parse_shard(file.path)) and shard.config in CONFIGS for file in files)


def choose_files(
    files: Sequence[RemoteFile], configs: Iterable[str], *, with_images: bool, repo_id: str
) -> list[RemoteFile]:
    """Return the files that some configurations need.

    Args:
        files: All files of the repository.
        configs: The configurations; none means all that there are.
        with_images: Whether the photos are wanted.
        repo_id: The repository, for messages.

    Returns:
        The files, in the order of their paths.

    Raises:
        UsageError: There is no such configuration.
        InputError: The repository lacks one of them.

    >>> paths = ["README.md", "data/conversation.zip", "data/referring_qa.json", "raw/annotations/vg/image_data.json"]
    >>> files = [RemoteFile(path, 1, "") for path in paths]
    >>> [file.path for file in choose_files(files, ["referring"], with_images=False, repo_id="org/svit")]
    ['data/referring_qa.json', 'raw/annotations/vg/image_data.json']
    """
    by_path = {file.path: file for file in files}
    there = {shard.config for path in by_path if (shard := parse_shard(path))}
    known = [name for name in CONFIGS if name in there] or CONFIGS
    asked = list(dict.fromkeys(_config(name, known) for name in configs))
    choose = _of_published if is_published(files) else _of_native
    chosen = choose(list(by_path), asked, with_images=with_images, repo_id=repo_id)
    return [by_path[path] for path in sorted(chosen)]


def _config(name: str, known: Sequence[str]) -> str:
    """Return the configuration that a name means; one that is there is suggested for one that is none."""
    try:
        return find_config(name)
    except UsageError as error:
        close = get_close_matches(name.lower(), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"no configuration {name!r}; there are {', '.join(known)}{hint}") from error


def _of_published(paths: list[str], asked: list[str], *, with_images: bool, repo_id: str) -> set[str]:
    there: dict[str, set[str]] = {}
    for path in paths:
        shard = parse_shard(path)
        if shard and shard.config in CONFIGS:
            there.setdefault(shard.config, set()).add(path)
    missing = [config for config in asked if config not in there]
    if missing:
        raise InputError(
            f"{repo_id}: has no {', '.join(missing)}; there are {', '.join(name for name in CONFIGS if name in there)}"
        )
    configs = {*(asked or there), *((IMAGES_CONFIG,) if with_images else ())}
    if not with_images and asked != [IMAGES_CONFIG]:
        configs.discard(IMAGES_CONFIG)
    return {
        *(path for path in (README, CROISSANT) if path in paths),
        *(path for config in configs for path in there.get(config, ())),
    }


def _of_native(paths: list[str], asked: list[str], *, with_images: bool, repo_id: str) -> set[str]:
    stems = [stem for config in asked or CONFIGS if (stem := task_of_config(config))]
    wanted: list[tuple[str, ...]] = [(f"data/{stem}.zip", f"data/{stem}.json", _ALL_TASKS) for stem in stems]
    wanted += [(path,) for path in (*(_IMAGES if with_images else ()), _SIZES)]
    missing = [" or ".join(names) for names in wanted if not any(name in paths for name in names)]
    if missing:
        expected = "data/*.zip and raw/, as SVIT's, or data/CONFIG/*.parquet"
        raise InputError(f"{repo_id}: has no {'; no '.join(missing)}; expected {expected}; ask for what it has")
    return {next(name for name in names if name in paths) for names in wanted}
