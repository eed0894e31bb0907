"""Build what is to be pushed, where SVIT's own files are given instead of a built folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svit_datasets import VERSION
from svit_datasets.errors import InputError, UsageError
from svit_datasets.publish.layout import CROISSANT, DATA, README, parse_shard
from svit_datasets.publish.origin import changed_sources, has_source, note_asked, read_origin
from svit_datasets.sizes import show_size

if TYPE_CHECKING:
    from svit_datasets.publish.building.build import Built

_NO_MATTER = ("tell", "jobs", "engine", "address")  # options that do not change what is built
_MADE = "`svit-convert build` made"


def is_built(folder: Path) -> bool:
    """Tell whether a folder is one that ``build`` made."""
    return (folder / CROISSANT).is_file() and (folder / README).is_file()


def looks_like(given: str | Path) -> str:
    """Return what is wrong with a folder that was built once, or is in one that was; empty for any other.

    Args:
        given: The folder; it is not a built one.

    Returns:
        What it is, and what to do.
    """
    folder = Path(given)
    whole = next((parent for parent in folder.absolute().parents if is_built(parent)), None)
    if whole is not None and folder.is_dir():
        shown = whole if folder.is_absolute() else os.path.relpath(whole)
        return f"{given}: is a part of a built folder; push {shown}"
    shards = (path.relative_to(folder).as_posix() for path in folder.glob(f"{DATA}/*/*.parquet"))
    if not any(parse_shard(path) for path in shards):
        return ""
    missing = [name for name in (README, CROISSANT) if not (folder / name).is_file()]
    return f"{given}: looks like a built folder that has lost its {' and '.join(missing)}; build it again"


def check_source(given: str, options: Mapping[str, Any]) -> None:
    """Raise where there is nothing to build: no folder, or none with SVIT's files.

    Args:
        given: The folder, which is not a built one.
        options: Keywords of ``build``.

    Raises:
        UsageError: It is no folder, or has nothing to build or to push.
        InputError: A configuration that is asked for is not there.
    """
    from svit_datasets.configs import find_config
    from svit_datasets.publish.building.choice import choose_configs

    folder = Path(given)
    if not folder.is_dir():
        raise UsageError(f"{given}: is no folder; name one that {_MADE}, or one with SVIT's files")
    try:
        choose_configs(folder, [find_config(name) for name in options["configs"]], options["images"])
    except InputError:
        if found := looks_like(given):
            raise UsageError(found) from None
        if options["configs"]:
            raise
        looked = "conversation, complex_reasoning, referring_qa or detail_description, there or under data/"
        raise UsageError(
            f"{given}: is no folder that {_MADE}, and has none of SVIT's files ({looked}); name another folder"
        ) from None


@contextmanager
def built_folder(
    given: str | Path,
    output: str | Path | None,
    options: Mapping[str, Any],
    show: Callable[[Built], object],
    *,
    tell: Callable[[str], object],
    is_trial: bool = False,
) -> Iterator[Path]:
    """Yield a built folder: the one given, or one built of the files given, where it is not there yet.

    It is built in ``output``, which stays; else in the cache of ``huggingface_hub``, and removed once the block ends
    well. After an interruption what is there is used again, unless the source or the options changed.

    Args:
        given: A built folder, or one with SVIT's files.
        output: Where to build.
        options: Keywords of ``build``.
        show: Takes what was built, to tell of it.
        tell: Takes lines on what is used again, and what is kept.
        is_trial: Whether the block sends nothing, so that what was built is kept for the next run.

    Yields:
        The folder.

    Raises:
        UsageError: ``output`` is given with a folder that is built already, or is another folder.
        SvitError: What ``build`` raises.
    """
    root = Path(given)
    if is_built(root):
        if output is not None:
            raise UsageError(f"{given}: is built already, so there is nothing to build in {output}; leave out --output")
        yield root
        return
    asked = _asked(root, options)
    target = _place(root, asked) if output is None else Path(output)
    if is_current(target, root, asked):
        tell(f"{target}: was built from {given} with these options before; used as it is")
    else:
        if output is not None:
            _refuse_other(target, root, given)
        from svit_datasets.publish.building.build import build

        show(build(root, target, **options, overwrite=output is None))
        note_asked(target, asked)
    if output is not None:
        yield target
        return
    try:
        yield target
    except BaseException:
        tell(f"what was built is kept in {target}, {_size(target)}; the same command goes on with it")
        raise
    if is_trial:
        tell(f"what was built is kept in {target}, {_size(target)}; the push uses it, and removes it at its end")
    else:
        shutil.rmtree(target)


def is_current(target: Path, root: Path, asked: str) -> bool:
    """Tell whether a folder was built from a source as it is now, by the same options."""
    origin = read_origin(target) if is_built(target) else None
    if origin is None or origin.asked != asked or origin.root != str(root.absolute()):
        return False
    return has_source(target) and not changed_sources(target)


def _refuse_other(target: Path, root: Path, given: str | Path) -> None:
    """Raise where something else is in the place where a folder is to be built."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not is_built(target):
        raise UsageError(f"{target}: is there already, and is no folder that {_MADE}; name another after -o")
    origin = read_origin(target)
    if origin is None or origin.root != str(root.absolute()):
        reason = f"was not built from {given}"
    elif changed_sources(target):
        reason = "its source changed since it was built"
    else:
        reason = "was not built by this command with these options"
    raise UsageError(f"{target}: is there already, and {reason}; remove it, name another after -o, or push it itself")


def _asked(root: Path, options: Mapping[str, Any]) -> str:
    """Return a digest of what is built from, and by which options."""
    told = {name: value for name, value in options.items() if name not in _NO_MATTER}
    told["coco_captions"] = [str(Path(path).absolute()) for path in options.get("coco_captions", ())]
    return hashlib.sha256(
        json.dumps([VERSION, str(root.absolute()), told], default=str, sort_keys=True).encode()
    ).hexdigest()


def _place(root: Path, asked: str) -> Path:
    """Return where a source is built with some options: the same place in every run."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "svit" / f"{root.resolve().name}-{asked[:12]}"


def _size(folder: Path) -> str:
    return show_size(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
