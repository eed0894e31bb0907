"""A repository on the Hub as it is, and what a push of a folder changes in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from svit_datasets.publish.card.stated import Pattern
from svit_datasets.publish.layout import CROISSANT, README, parse_shard
from svit_datasets.publish.pushing.refusals import no_such_pull

if TYPE_CHECKING:
    from huggingface_hub import HfApi

NEW, REPLACED, THERE, DELETED = "new", "replaced", "there already", "deleted"
KIND = "dataset"
_OF_THE_HUB = (".gitattributes",)  # it makes this one itself


class Local(NamedTuple):
    """A file to send.

    Attributes:
        path: Where it goes, with ``/``.
        size_bytes: Its size.
        sha256: Its digest.
        content: Where its bytes are, or the bytes.
    """

    path: str
    size_bytes: int
    sha256: str
    content: Path | bytes


class Remote(NamedTuple):
    """A file of the repository.

    Attributes:
        path: Where it is.
        size_bytes: Its size.
        sha256: Its digest, where it is kept as a large file; else empty.
        blob_id: Its git digest.
    """

    path: str
    size_bytes: int
    sha256: str
    blob_id: str


class State(NamedTuple):
    """A repository as it is.

    Attributes:
        exists: Whether it is there, and this token may see it.
        has_revision: Whether the branch or pull request is there.
        private: Whether it is private.
        commit: The commit that was looked at.
        files: Its files, by path.
    """

    exists: bool
    has_revision: bool
    private: bool
    commit: str | None
    files: Mapping[str, Remote]


class Item(NamedTuple):
    """What a push does with one file.

    Attributes:
        path: The file.
        size_bytes: Its size; of a file that is deleted, 0.
        state: ``new``, ``replaced``, ``there already`` or ``deleted``.
    """

    path: str
    size_bytes: int
    state: str


class Plan(NamedTuple):
    """What a push does.

    Attributes:
        items: What it does with each file, in order.
        left_alone: Other files of the repository, which stay.
    """

    items: tuple[Item, ...]
    left_alone: tuple[str, ...]

    def paths(self, *states: str) -> list[str]:
        """Return the files that are in one of some states.

        >>> Plan((Item("a", 1, NEW), Item("b", 0, DELETED)), ()).paths(NEW)
        ['a']
        """
        return [item.path for item in self.items if item.state in states]

    def size_bytes(self, *states: str) -> int:
        """Return the size of the files that are in one of some states.

        >>> Plan((Item("a", 1, NEW), Item("b", 2, REPLACED)), ()).size_bytes(NEW, REPLACED)
        3
        """
        return sum(item.size_bytes for item in self.items if item.state in states)


def git_digest(content: bytes) -> str:
    """Return what git calls a file with this content.

    >>> git_digest(b"hello\\n")
    'ce013625030ba8dba906f756967f9e9ca394464a'
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def is_same(local: Local, remote: Remote) -> bool:
    """Tell whether a file is in the repository with the same content.

    >>> text = Local("a", 6, "5f", b"hello\\n")
    >>> is_same(text, Remote("a", 6, "", "ce013625030ba8dba906f756967f9e9ca394464a"))
    True
    >>> is_same(text, Remote("a", 6, "5f", "")), is_same(text, Remote("a", 6, "60", ""))
    (True, False)
    """
    if local.size_bytes != remote.size_bytes:
        return False
    if remote.sha256:
        return local.sha256 == remote.sha256
    content = local.content if isinstance(local.content, bytes) else local.content.read_bytes()
    return git_digest(content) == remote.blob_id


def compare(
    files: Sequence[Local], remote: Mapping[str, Remote], patterns: Iterable[Pattern], *, is_thorough: bool = False
) -> Plan:
    """Return what a push does; shards that would be loaded with the new ones and are none of them are deleted.

    Args:
        files: The files to send.
        remote: The files that are there.
        patterns: The files that the new card names.
        is_thorough: Whether shards that the new card does not load are deleted too.

    Returns:
        What becomes of each.

    >>> name = "data/detail/train-0000{}-of-00002.parquet".format
    >>> there = {p: Remote(p, 1, "aa", "") for p in (name(0), "data/detail/train-00000-of-00001.parquet", "LICENSE")}
    >>> patterns = [Pattern("detail", "train", "data/detail/train-*")]
    >>> plan = compare([Local(name(i), 1, "aa", b"") for i in range(2)], there, patterns)
    >>> [item.state for item in plan.items], plan.left_alone
    (['there already', 'new', 'deleted'], ('LICENSE',))
    """
    patterns = tuple(patterns)
    items = [Item(file.path, file.size_bytes, _state(file, remote.get(file.path))) for file in files]
    others = sorted(set(remote) - {file.path for file in files})
    stale = [
        path
        for path in others
        if any(pattern.names(path) for pattern in patterns) or (is_thorough and parse_shard(path) is not None)
    ]
    items += [Item(path, 0, DELETED) for path in stale]
    return Plan(tuple(items), tuple(path for path in others if path not in [*stale, *_OF_THE_HUB]))


def _state(file: Local, remote: Remote | None) -> str:
    if remote is None:
        return NEW
    return THERE if is_same(file, remote) else REPLACED


def left_shards(plan: Plan) -> list[str]:
    """Return shards of configurations or splits that the new card does not name, which stay but are loaded no more.

    >>> left_shards(Plan((), ("LICENSE", "data/detail/test-00000-of-00001.parquet")))
    ['data/detail/test-00000-of-00001.parquet']
    """
    return [path for path in plan.left_alone if parse_shard(path) is not None]


def look(api: HfApi, repo_id: str, revision: str) -> State:
    """Return a repository as it is; nothing in it is changed.

    Args:
        api: The client.
        repo_id: The dataset repository.
        revision: The branch or pull request; where a branch is not there, the files are those of ``main``.

    Returns:
        Its state.

    Raises:
        UsageError: The pull request is not there.
    """
    from huggingface_hub.utils import RepositoryNotFoundError, RevisionNotFoundError

    has_revision = True
    try:
        info = api.repo_info(repo_id, repo_type=KIND, revision=revision)
    except RepositoryNotFoundError:
        if is_pull(revision):
            raise no_such_pull(repo_id, revision) from None
        return State(False, False, True, None, {})
    except RevisionNotFoundError:
        if is_pull(revision):
            raise no_such_pull(repo_id, revision) from None
        has_revision = False
        info = api.repo_info(repo_id, repo_type=KIND)
    files = _files(api, repo_id, str(info.sha))
    return State(True, has_revision, bool(info.private), info.sha, files)


def is_pull(revision: str) -> bool:
    """Tell whether a revision is a pull request.

    >>> is_pull("refs/pr/1"), is_pull("main")
    (True, False)
    """
    return revision.startswith("refs/")


def head(api: HfApi, repo_id: str) -> str:
    """Return the last commit of ``main``."""
    return str(api.repo_info(repo_id, repo_type=KIND).sha)


def _files(api: HfApi, repo_id: str, commit: str) -> dict[str, Remote]:
    from huggingface_hub.hf_api import RepoFile

    entries = api.list_repo_tree(repo_id, repo_type=KIND, revision=commit, recursive=True)
    files = (entry for entry in entries if isinstance(entry, RepoFile))
    return {f.path: Remote(f.path, f.size, f.lfs.sha256 if f.lfs else "", f.blob_id) for f in files}


def is_last(path: str) -> bool:
    """Tell whether a file goes in the last commit, since it tells of all others.

    >>> is_last("README.md"), is_last("data/detail/train-00000-of-00001.parquet")
    (True, False)
    """
    return path in (README, CROISSANT)
