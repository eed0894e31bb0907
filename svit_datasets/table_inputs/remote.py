"""Parquet shards in a dataset repository of the Hugging Face Hub, read by ranges of bytes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

from svit_datasets.errors import InputError, SvitWarning, UsageError
from svit_datasets.remote.hub import Advice, explain
from svit_datasets.remote.retrying import is_reached, retrying
from svit_datasets.table_inputs.names import Shard

_SCHEME = "hf://"
_ADDRESS = re.compile(r"datasets/([^/@]+/[^/@]+)(?:@(refs/(?:convert|pr)/[^/]+|[^/]+))?(?:/(.*))?")
_FORM = "hf://datasets/ORG/NAME[@REVISION][/FOLDER]"
_ADVICE = Advice(", then run this again", "run this again when it can")
_OFFLINE = "HF_HUB_OFFLINE is set: unset it, then run this again"
_MOST_TOLD = 10

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
    from huggingface_hub import HfApi

    address, api = parse_address(text), HfApi()
    commit = _asked(address, lambda: str(api.dataset_info(address.repo_id, revision=address.revision).sha), is_reached)
    paths = _asked(address, partial(_list_parquet, address, commit))
    if not paths:
        raise _lacking(address, commit)
    return [_shard(address, commit, path) for path in paths]


def _list_parquet(address: Address, commit: str) -> list[str]:
    """Return the paths of the Parquet files under the address; none where there is no such place."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    place = PurePosixPath(address.path)
    folder = place.parent if place.suffix == ".parquet" else place
    inside = None if folder == PurePosixPath() else str(folder)
    try:
        tree = HfApi().list_repo_tree(address.repo_id, inside, repo_type="dataset", revision=commit, recursive=True)
        paths = sorted(entry.path for entry in tree if entry.path.endswith(".parquet") and hasattr(entry, "blob_id"))
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except EntryNotFoundError:
        return []
    return [path for path in paths if place in (PurePosixPath(path), *PurePosixPath(path).parents)]


def _lacking(address: Address, commit: str) -> InputError:
    """Return what says which places with Parquet there are instead."""
    whole = address._replace(path="")
    paths = _asked(address, partial(_list_parquet, whole, commit)) if address.path else []
    if not paths:
        return InputError(f"{_told(whole)}: has no Parquet; for SVIT's own layout use svit-convert download")
    return InputError(f"{_told(address)}: is not in the repository; {places_told(address.path, paths)}")


def places_told(asked: str, paths: Iterable[str]) -> str:
    """Return which places there are, and the nearest to the one asked for.

    Args:
        asked: A folder or file that is not there.
        paths: The Parquet files that are.

    Returns:
        What to say.

    >>> places_told("data/refering", ["data/detail/train.parquet", "data/referring/train.parquet"])
    'there are data/detail, data/referring; did you mean data/referring?'
    """
    files = sorted(paths)
    folders = sorted({str(PurePosixPath(path).parent) for path in files} - {"."})
    told = folders if folders else files
    more = f" and {len(told) - _MOST_TOLD:,} more" if len(told) > _MOST_TOLD else ""
    close = get_close_matches(asked, files if asked.endswith(".parquet") else [*folders, *files], n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"there are {', '.join(told[:_MOST_TOLD])}{more}{hint}"


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


def when_offline(advice: Advice) -> Advice:
    """Return the advice for a Hub that cannot be reached, as it is while HF_HUB_OFFLINE is set.

    >>> when_offline(Advice(", then run this again", "run this again")).alone
    'run this again'
    """
    from huggingface_hub import constants

    return advice._replace(alone=_OFFLINE) if constants.HF_HUB_OFFLINE else advice


def _asked(
    address: Address, act: Callable[[], Answer], is_again: Callable[[Exception], bool] = lambda _: True
) -> Answer:
    """Return what the Hub answers; what is asked again is said, what cannot be is explained."""
    try:
        return retrying(act, _told(address), tell=_warn, is_again=is_again)
    except InputError:
        raise
    except Exception as error:
        explained = explain(error, address.repo_id, address.revision, advice=when_offline(_ADVICE))
        if explained is None:
            raise
        raise explained from error


def _warn(text: str) -> None:
    warnings.warn(text, SvitWarning, stacklevel=2)
