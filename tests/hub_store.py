"""What the loopback Hub keeps: repositories, their commits with whole trees, refs, and LFS objects by SHA-256.

Small files are kept in memory, LFS objects as files of a folder. A commit never changes; a ref points at one.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

REPOSITORY = "BAAI/SVIT"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHUNK_BYTES = 1 << 20
LARGE_BYTES = 10 << 20
LFS_SUFFIXES = frozenset(
    [".7z", ".arrow", ".bin", ".bz2", ".gz", ".jpeg", ".jpg", ".npy", ".parquet", ".png", ".tar", ".zip", ".zst"]
)
ATTRIBUTES = "".join(f"*{s} filter=lfs diff=lfs merge=lfs -text\n" for s in sorted(LFS_SUFFIXES)).encode()


class Blob(NamedTuple):
    """A file of a commit: its bytes in memory, or where they are."""

    size_bytes: int
    sha256: str
    oid: str
    is_lfs: bool
    content: bytes | Path

    @property
    def etag(self) -> str:
        """Return what the Hub sends as the ETag, without quotes."""
        return self.sha256 if self.is_lfs else self.oid

    def read(self) -> bytes:
        """Return the bytes."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


class Commit(NamedTuple):
    """A state of all files."""

    id: str
    title: str
    description: str
    date: str
    parent: str | None
    tree: Mapping[str, Blob]


@dataclass
class Repository:
    """A repository. ``live`` is a folder that it shows as it is now, until the first commit.

    ``lfs`` says where the objects that were sent to it are, whether a commit names them or not.
    """

    id: str
    kind: str = "dataset"
    private: bool = False
    live: Path | None = None
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pulls: dict[str, str] = field(default_factory=dict)
    lfs: dict[str, Path] = field(default_factory=dict)

    def find(self, revision: str) -> Commit | None:
        """Return the commit that a branch, tag, pull request or full commit id names."""
        if self.live:
            return _live_commit(self.live) if revision in ("main", "refs/heads/main", COMMIT) else None
        named = {**self.tags, **self.pulls, **self.branches, **{f"refs/heads/{k}": v for k, v in self.branches.items()}}
        return self.commits.get(named.get(revision, revision))

    def add(self, ref: str, tree: Mapping[str, Blob], title: str, description: str = "", base: str = "") -> Commit:
        """Commit a tree to a ref, on top of ``base`` or of what the ref names."""
        self.freeze()
        parent = self.find(base or ref)
        tree_id = digest_tree(tree)
        text = f"{self.kind} {self.id} {tree_id} {parent and parent.id} {title} {len(self.commits)}"
        id = hashlib.sha1(text.encode()).hexdigest()
        self.commits[id] = Commit(id, title, description, _now(), parent and parent.id, dict(tree))
        refs = self.pulls if ref.startswith("refs/pr/") else self.branches
        refs[ref.removeprefix("refs/heads/")] = id
        return self.commits[id]

    def freeze(self) -> None:
        """Make the state of the live folder the first commit."""
        if self.live:
            commit = self.commits[COMMIT] = _live_commit(self.live)
            self.branches["main"], self.live = COMMIT, None
            self.lfs = {b.sha256: b.content for b in commit.tree.values() if isinstance(b.content, Path)}

    def history(self, commit: Commit) -> list[Commit]:
        """Return a commit and all before it, newest first."""
        found = [commit]
        while (parent := found[-1].parent) is not None:
            found.append(self.commits[parent])
        return found


class Store:
    """All repositories, and the folder of their LFS objects."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)

    def create(self, repo_id: str, *, kind: str = "dataset", private: bool = False) -> Repository:
        """Add a repository with the commit that the Hub itself makes."""
        made = self.repositories[kind, repo_id] = Repository(repo_id, kind, private)
        made.add("main", {".gitattributes": to_blob(ATTRIBUTES, is_lfs=False)}, "initial commit")
        return made

    def lfs_path(self, sha256: str) -> Path:
        """Return where an LFS object is or would be."""
        return self.folder / sha256

    def keep(self, repository: Repository, content: bytes, path: str) -> Blob:
        """Return the blob of a file as a commit would hold it, an LFS object written to the folder."""
        blob = to_blob(content, is_lfs=needs_lfs(path, len(content), content[:512]))
        if not blob.is_lfs:
            return blob
        self.lfs_path(blob.sha256).write_bytes(content)
        repository.lfs[blob.sha256] = self.lfs_path(blob.sha256)
        return lfs_blob(blob.sha256, blob.size_bytes, repository.lfs[blob.sha256])


def needs_lfs(path: str, size_bytes: int, sample: bytes) -> bool:
    """Return whether the Hub wants a file as an LFS object."""
    is_large = size_bytes > LARGE_BYTES or b"\0" in sample
    return size_bytes > 0 and (is_large or PurePosixPath(path).suffix.lower() in LFS_SUFFIXES)


def to_blob(content: bytes, *, is_lfs: bool) -> Blob:
    """Return the blob of bytes in memory."""
    sha256 = hashlib.sha256(content).hexdigest()
    return Blob(len(content), sha256, _git_oid(_pointer(sha256, len(content)) if is_lfs else content), is_lfs, content)


def lfs_blob(sha256: str, size_bytes: int, path: Path) -> Blob:
    """Return the blob of an LFS object."""
    return Blob(size_bytes, sha256, _git_oid(_pointer(sha256, size_bytes)), True, path)


def digest_tree(tree: Mapping[str, Blob]) -> str:
    """Return the id of a tree: equal content, equal id."""
    return hashlib.sha1("".join(f"{path} {tree[path].oid}\n" for path in sorted(tree)).encode()).hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _pointer(sha256: str, size_bytes: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size_bytes}\n".encode()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


_SEEN: dict[tuple[str, int, int], Blob] = {}


def _live_commit(folder: Path) -> Commit:
    files = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}
    return Commit(COMMIT, "as the folder is", "", _now(), None, {name: _live_blob(p) for name, p in files.items()})


def _live_blob(path: Path) -> Blob:
    found = path.stat()
    key = (str(path), found.st_mtime_ns, found.st_size)
    if key not in _SEEN:
        with path.open("rb") as file:
            sample = file.read(512)
        lfs = needs_lfs(path.name, found.st_size, sample)
        _SEEN[key] = (
            lfs_blob(digest_file(path), found.st_size, path) if lfs else to_blob(path.read_bytes(), is_lfs=False)
        )
    return _SEEN[key]
