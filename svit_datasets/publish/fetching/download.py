"""Fetch the files that configurations need from the Hub into a folder: whole, checked, and never twice."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from svit_datasets.errors import InputError, OutputError, SvitError, UsageError
from svit_datasets.publish.fetching.digests import is_same_file
from svit_datasets.publish.fetching.local_card import is_there, settle_card
from svit_datasets.publish.fetching.wanted import RemoteFile, choose_files, is_published, total_bytes
from svit_datasets.remote.hub import REPOSITORY, Advice, cause_of, explain
from svit_datasets.remote.retrying import is_reached, retrying
from svit_datasets.sizes import show_size
from svit_datasets.table_inputs.remote import when_offline
from svit_datasets.writing.writers import refuse_file

STAGING = ".svit-download"
_ADVICE = Advice(", then run this again", "run this again: what was fetched whole stays")
_OF_DISK = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.EACCES, errno.EPERM,
    errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG,
)  # fmt: skip


class Download(NamedTuple):
    """What a download did, or would do.

    Attributes:
        root: The folder.
        repo_id: The dataset repository.
        commit: Its commit.
        fetched: The files that were fetched; of a dry run, those that would be.
        there: The files that were there already, byte for byte.
        retries: How often the Hub was asked again.
        left_out: The configurations that the Hub's card lists and the folder's does not: their files are not there.
    """

    root: Path
    repo_id: str
    commit: str
    fetched: tuple[RemoteFile, ...]
    there: tuple[RemoteFile, ...]
    retries: int
    left_out: tuple[str, ...] = ()


class _Source(NamedTuple):
    """Where files come from."""

    repo_id: str
    revision: str | None
    token: str | bool | None


def download(
    root: str | Path,
    configs: Iterable[str] = (),
    *,
    repo_id: str = REPOSITORY,
    revision: str | None = None,
    with_images: bool = True,
    overwrite: bool = False,
    dry_run: bool = False,
    token: str | bool | None = None,
    tell: Callable[[str], object] | None = None,
) -> Download:
    """Fetch what configurations need from SVIT as it is published, or from a repository of Parquet shards.

    Each file gets its name when it is whole and its size and digest are the Hub's. Nothing is unpacked. What is there
    already, byte for byte, is not fetched again, so that a download that was broken off goes on. The card of a
    repository of Parquet shards lists in the folder what is there, so that plain ``datasets`` loads it.

    Args:
        root: The folder; made if needed.
        configs: The configurations; none means all, with the images.
        repo_id: The dataset repository.
        revision: Branch, tag or commit.
        with_images: Whether the photos are fetched too, where they are files of their own.
        overwrite: Whether files that are not as on the Hub may be replaced.
        dry_run: Look what there is to fetch, and fetch nothing.
        token: See ``huggingface_hub``; None takes the one that the user logged in with.
        tell: Takes a line whenever something is tried again.

    Returns:
        What was fetched, and what was there.

    Raises:
        UsageError: A configuration is none, or a file in the folder is another one than on the Hub.
        InputError: Access was not granted, the Hub cannot be reached, lacks a file or sends a damaged one.
        OutputError: The folder cannot be written, or is too small.
    """
    folder, source, said = Path(root), _Source(repo_id, revision, token), list[str]()

    def note(line: str) -> None:
        said.append(line)
        if tell is not None:
            tell(line)

    refuse_file(folder)
    asked = [configs] if isinstance(configs, str) else list(configs)
    with _explained(folder, source):
        commit, files = _list_files(source, note)
        chosen = choose_files(files, asked, with_images=with_images, repo_id=repo_id)
        there = tuple(file for file in chosen if is_there(folder, file))
        missing = tuple(file for file in chosen if file not in there)
        _refuse_others(folder, missing, overwrite=overwrite)
        if not dry_run and missing:
            _refuse_small(folder, missing)
            _fetch_all(folder, missing, source._replace(revision=commit), note)
        left_out = settle_card(folder, files) if is_published(files) and not dry_run else ()
    return Download(folder, repo_id, commit, missing, there, len(said), left_out)


def _list_files(source: _Source, note: Callable[[str], object]) -> tuple[str, list[RemoteFile]]:
    """Return the commit that the revision means now, and its files."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    api = HfApi(token=source.token)

    def first() -> str:
        return str(api.dataset_info(source.repo_id, revision=source.revision).sha)

    def then() -> list[RepoFile]:
        tree = api.list_repo_tree(source.repo_id, repo_type="dataset", revision=commit, recursive=True)
        return [entry for entry in tree if isinstance(entry, RepoFile)]

    commit = retrying(first, source.repo_id, tell=note, is_again=is_reached)
    files = retrying(then, source.repo_id, tell=note)
    return commit, [RemoteFile(f.path, f.size, f.lfs.sha256 if f.lfs else f.blob_id) for f in files]


def _refuse_others(root: Path, missing: Iterable[RemoteFile], *, overwrite: bool) -> None:
    others = [file for file in missing if (root / file.path).exists()]
    if others and not overwrite:
        found = ", ".join(f"{root / f.path} ({_found(root / f.path, f)})" for f in others[:5])
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        raise UsageError(
            f"{found}{more}: changed, damaged or of another revision; pass --overwrite to fetch again what "
            f"is not as on the Hub, or name another folder"
        )


def _found(path: Path, remote: RemoteFile) -> str:
    size = path.stat().st_size
    if size == remote.size_bytes:
        return "another digest than the Hub's"
    return f"{size:,} bytes, the Hub's has {remote.size_bytes:,}"


def _refuse_small(root: Path, missing: Iterable[RemoteFile]) -> None:
    """Raise where the disk has no room for what is left to fetch."""
    there = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.exists())
    staged = sum(p.stat().st_size for p in (root / STAGING).rglob("*") if p.is_file())
    needed, free = total_bytes(missing) - staged, shutil.disk_usage(there).free
    if needed > free:
        raise OutputError(
            f"{root}: {show_size(needed)} are to be fetched and {show_size(free)} are free; make room or name another "
            f"folder"
        )


def _fetch_all(root: Path, files: Iterable[RemoteFile], source: _Source, note: Callable[[str], object]) -> None:
    staging, is_new = root / STAGING, not root.exists()
    try:
        for file in files:
            staged = _fetch(staging, file, source, note)
            target = root / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(target)
    except BaseException:
        if not any(_is_of_use(path, staging) for path in staging.rglob("*")):
            _clear(staging, root if is_new else None)
        raise
    _clear(staging, None)  # what broken-off downloads left there is of no use any more


def _is_of_use(path: Path, staging: Path) -> bool:
    """Tell whether the client can go on with a file in its folder: whole or begun, and no note of its own."""
    return path.is_file() and (path.suffix == ".incomplete" or path.relative_to(staging).parts[0] != ".cache")


def _clear(staging: Path, root: Path | None) -> None:
    shutil.rmtree(staging, ignore_errors=True)
    if root is not None:
        with suppress(OSError):  # it holds something
            root.rmdir()


def _fetch(staging: Path, file: RemoteFile, source: _Source, note: Callable[[str], object]) -> Path:
    """Return a file as the client put it into ``staging``, its digest checked; a damaged one is fetched once more."""
    from huggingface_hub import hf_hub_download

    def fetch(*, is_again: bool) -> Path:
        return Path(
            hf_hub_download(
                source.repo_id,
                file.path,
                repo_type="dataset",
                revision=source.revision,
                token=source.token,
                local_dir=staging,
                force_download=is_again,
            )
        )

    for is_again in (False, True):
        path = retrying(lambda again=is_again: fetch(is_again=again), file.path, tell=note)  # type: ignore[misc]
        if is_same_file(path, file):
            return path
        path.unlink()
        if not is_again:
            note(f"{file.path}: arrived damaged; fetching it again")
    raise InputError(
        f"{source.repo_id}: {file.path} arrived damaged twice; nothing is kept of it, run this again later"
    )


@contextmanager
def _explained(root: Path, source: _Source) -> Iterator[None]:
    """Say what to do about whatever the client or the disk raises."""
    try:
        yield
    except SvitError:
        raise
    except Exception as error:
        cause = cause_of(error)
        if isinstance(cause, OSError) and cause.errno in _OF_DISK:
            reason = (cause.strerror or str(cause)).lower()
            raise OutputError(
                f"{root}: {reason}; what was fetched whole stays. Make room or name another folder, then run this again"
            ) from error
        explained = explain(error, source.repo_id, source.revision, advice=when_offline(_ADVICE))
        if explained is None:
            raise
        raise explained from error
