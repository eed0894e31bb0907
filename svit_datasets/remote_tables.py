"""Parquet shards in a dataset repository of the Hugging Face Hub, read by ranges of bytes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

from svit_datasets.errors import InputError, SvitWarning, UsageError
from svit_datasets.hub import Advice, explain
from svit_datasets.retrying import retrying
from svit_datasets.shards import Shard

_SCHEME = "hf://"
_ADDRESS = re.compile(r"datasets/([^/@]+/[^/@]+)(?:@(refs/(?:convert|pr)/[^/]+|[^/]+))?(?:/(.*))?")
_FORM = "hf://datasets/ORG/NAME[@REVISION][/FOLDER]"
_ADVICE = Advice(", then run this again", "run this again when it can")

Answer = TypeVar("Answer")


class Address(NamedTuple):
    """A place on the Hub.

    Attributes:
        repo_id: The dataset repository.
        revision: Branch, tag or commit; None for its main branch.
        path: A folder or file in it; '' for all of it.
    """

    repo_id: str
    revision: str | None
    path: str


def is_address(given: str | Path) -> bool:
    """Tell whether an input is on the Hub; a ``Path`` has lost one of its slashes.

    >>> is_address("hf://datasets/org/svit"), is_address(Path("hf://datasets/org/svit")), is_address("hf")
    (True, True, False)
    """
    return str(given).startswith("hf:/")


def parse_address(text: str) -> Address:
    """Return what an address tells.

    Args:
        text: ``hf://datasets/ORG/NAME``, with ``@REVISION`` and ``/FOLDER`` behind it as wanted.

    Returns:
        Its parts.

    Raises:
        UsageError: It is of another form.

    >>> parse_address("hf://datasets/org/svit@refs/pr/1/data/referring")
    Address(repo_id='org/svit', revision='refs/pr/1', path='data/referring')
    """
    match = _ADDRESS.fullmatch(re.sub("^hf:/+", "", text))
    if match is None:
        raise UsageError(f"{text}: names no dataset repository of the Hub; write {_FORM}")
    return Address(match[1], None if match[2] is None else unquote(match[2]), (match[3] or "").strip("/"))


def list_shards(text: str) -> list[Shard]:
    """Return the Parquet files at an address, all of the commit that its revision means now.

    Args:
        text: The address.

    Returns:
        The shards; opened, they fetch what is read of them.

    Raises:
        UsageError: The address is of another form.
        InputError: The Hub cannot be reached, does not give the files, or there is no Parquet.
    """
    address = parse_address(text)
    commit, paths = _asked(address, partial(_list_parquet, address))
    if not paths:
        raise InputError(f"{_told(address)}: has no Parquet; for SVIT's own layout use svit-convert download")
    return [_shard(address, commit, path) for path in paths]


def _list_parquet(address: Address) -> tuple[str, list[str]]:
    """Return the commit, and the paths of its Parquet files under the address."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    api, place = HfApi(), PurePosixPath(address.path)
    commit = str(api.dataset_info(address.repo_id, revision=address.revision).sha)
    folder = place.parent if place.suffix == ".parquet" else place
    inside = None if folder == PurePosixPath() else str(folder)
    try:
        tree = api.list_repo_tree(address.repo_id, inside, repo_type="dataset", revision=commit, recursive=True)
        paths = sorted(entry.path for entry in tree if entry.path.endswith(".parquet") and hasattr(entry, "blob_id"))
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except EntryNotFoundError as error:
        raise InputError(f"{_told(address)}: there is no such folder in the repository; see its page") from error
    return commit, [path for path in paths if place in (PurePosixPath(path), *PurePosixPath(path).parents)]


def _told(address: Address, path: str | None = None) -> str:
    """Return the address of a file as the user would write it."""
    revision = "" if address.revision is None else f"@{address.revision}"
    place = address.path if path is None else path
    return f"{_SCHEME}datasets/{address.repo_id}{revision}{'/' * bool(place)}{place}"


def _shard(address: Address, commit: str, path: str) -> Shard:
    name = _told(address, path)
    return Shard(name, PurePosixPath(address.repo_id, path), partial(_open, address, commit, path), is_far=True)


@contextmanager
def _open(address: Address, commit: str, path: str) -> Iterator[_Ranges]:
    from huggingface_hub import HfFileSystem

    def opened() -> Any:  # without a cache: it would read ahead, into the images
        return HfFileSystem().open(f"datasets/{address.repo_id}@{commit}/{path}", "rb", cache_type="none")

    with _asked(address, opened) as file:
        yield _Ranges(file, address)


class _Ranges:
    """A file on the Hub as ``pyarrow`` reads it: each read is one request, made again where the connection breaks."""

    closed = False

    def __init__(self, file: Any, address: Address) -> None:
        self._file, self._address = file, address

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, at: int, whence: int = 0) -> int:
        return int(self._file.seek(at, whence))

    def close(self) -> None:
        self.closed = True

    def read(self, size: int = -1) -> bytes:
        start = self.tell()
        end = self._file.size if size < 0 else min(start + size, self._file.size)
        return _asked(self._address, partial(self._read, start, end)) if end > start else b""

    def _read(self, start: int, end: int) -> bytes:
        self._file.seek(start)
        content = bytes(self._file.read(end - start))
        if len(content) != end - start:
            raise ConnectionError(f"{len(content):,} of {end - start:,} bytes came")
        return content


def _asked(address: Address, act: Callable[[], Answer]) -> Answer:
    """Return what the Hub answers; what is asked again is said, what cannot be is explained."""
    try:
        return retrying(act, _told(address), tell=_warn)
    except InputError:
        raise
    except Exception as error:
        explained = explain(error, address.repo_id, address.revision, advice=_ADVICE)
        if explained is None:
            raise
        raise explained from error


def _warn(text: str) -> None:
    warnings.warn(text, SvitWarning, stacklevel=2)
