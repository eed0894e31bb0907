"""Send files to a repository: the large ones first, then the commits, the card in the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from svit_datasets.errors import InputError, OutputError
from svit_datasets.publish.pushing.repository import DELETED, KIND, NEW, REPLACED, Local, Plan, is_last, is_same, look
from svit_datasets.remote.hub import status_of
from svit_datasets.remote.retrying import PATIENT_SECONDS, is_passing, retrying, root_of
from svit_datasets.sizes import show_size

if TYPE_CHECKING:
    from huggingface_hub import HfApi

COMMIT_FILES = 50
_CHANGED_MEANWHILE = 412
_HOW = {True: "sent", False: "at the Hub:", None: "at the Hub now:"}
_NOT_DONE = (429, 503)  # after these, the Hub has done nothing


class Target(NamedTuple):
    """Where files go.

    Attributes:
        repo_id: The dataset repository.
        revision: The branch or pull request; with ``is_pull`` what the pull request starts from.
        commit: The commit that was looked at, on which the next stands.
        is_pull: Whether the first commit opens a pull request.
        message: What the commits are called.
    """

    repo_id: str
    revision: str
    commit: str | None
    is_pull: bool
    message: str


class Committed(NamedTuple):
    """What was committed.

    Attributes:
        revision: Where the commits went; of a pull request that was opened, ``refs/pr/N``.
        commit_url: Address of the last commit.
        pull_url: Address of the pull request; None where none was opened.
    """

    revision: str
    commit_url: str
    pull_url: str | None


class Progress:
    """Counts what is at the Hub, and says so.

    Args:
        wanted: What is to be sent.
        tell: Takes a line for each large file.

    Attributes:
        count: How many files are at the Hub.
        found: Those that it had already; None where the client does not tell.
    """

    def __init__(self, wanted: Sequence[Local], tell: Callable[[str], object]) -> None:
        self.tell = tell
        self.found: list[str] | None = []
        self.count = self._done_bytes = 0
        self._total_bytes = sum(file.size_bytes for file in wanted if not is_last(file.path))

    def add(self, file: Local, *, is_sent: bool | None) -> None:
        """Count a file that was sent, or that the Hub had already; None where the client does not tell which.

        >>> files = [Local("data/a", 480_000_000, "", b""), Local("data/b", 10**9, "", b"")]
        >>> Progress(files, print).add(files[0], is_sent=True)
        sent data/a, 480 MB (480 MB of 1.5 GB)
        """
        self.count += 1
        if is_sent is None:
            self.found = None
        elif not is_sent and self.found is not None:
            self.found.append(file.path)
        self._done_bytes += file.size_bytes
        done, total = show_size(self._done_bytes), show_size(self._total_bytes)
        how = _HOW[is_sent]
        self.tell(f"{how} {file.path}, {show_size(file.size_bytes)} ({done} of {total})")


def send(api: HfApi, target: Target, files: Mapping[str, Local], plan: Plan, progress: Progress) -> Committed:
    """Send what is new or replaced, then commit all, and delete what the new card must not load.

    Every large file is at the Hub before the first commit, so that a push which ends early has changed nothing, and
    the next does not send them again. What replaces or deletes something is one commit, so that no reader sees half
    of it; what is only new goes in commits of 50 files, the card in the last.

    Args:
        api: The client.
        target: Where to.
        files: The files, by path.
        plan: What to do with each.
        progress: Takes what was sent.

    Returns:
        What was committed.
    """
    wanted = [files[path] for path in plan.paths(NEW, REPLACED)]
    operations = {file.path: _addition(file) for file in wanted}
    for file in wanted:
        if not is_last(file.path):  # the card and Croissant are small and travel in the commit
            retrying(
                partial(_upload, api, target, operations[file.path]), tell=progress.tell, waits_seconds=PATIENT_SECONDS
            )
            progress.add(file, is_sent=operations[file.path].is_opened or (None if _is_xet() else False))
    deleted = plan.paths(DELETED)
    is_first = not deleted and not plan.paths(REPLACED)
    groups = list(batches(wanted, COMMIT_FILES if is_first else len(wanted))) or [[]]
    done: Committed | None = None
    for group in groups:
        gone = deleted if group is groups[-1] else []
        commit = _Commit(api, target, group, [operations[file.path] for file in group], gone)
        done, target = commit.make(done, progress.tell)
    assert done is not None
    return done


def batches(files: Sequence[Local], most: int) -> Iterator[list[Local]]:
    """Yield files in commits of ``most`` at most, those that tell of the others at the very end.

    >>> names = ["README.md", "data/a", "data/b", "data/c"]
    >>> [[f.path for f in batch] for batch in batches([Local(n, 1, "", b"") for n in names], 2)]
    [['data/a', 'data/b'], ['data/c', 'README.md']]
    """
    ordered = iter(sorted(files, key=lambda file: is_last(file.path)))
    while batch := list(islice(ordered, max(1, most))):
        yield batch


def _addition(file: Local) -> Any:
    from huggingface_hub import CommitOperationAdd

    class Addition(CommitOperationAdd):
        is_opened = False

        def as_file(self, with_tqdm: bool = False) -> Any:
            self.is_opened = True  # the client opens a file only to send it; by Xet it does not open it here
            return super().as_file(with_tqdm)

    content = file.content if isinstance(file.content, bytes) else str(file.content)
    addition = Addition(path_in_repo=file.path, path_or_fileobj=content)
    if addition.upload_info.sha256.hex() != file.sha256:  # the client reads the file once more, which may differ now
        raise InputError(f"{file.path}: changed since it was looked through; build the folder again; nothing was sent")
    return addition


def _is_xet() -> bool:
    """Tell whether the client may send by Xet, which leaves out what the Hub has and does not say so."""
    from importlib.util import find_spec

    from huggingface_hub import constants

    is_off = getattr(constants, "HF_HUB_DISABLE_XET", True)  # older clients know no Xet
    return not is_off and find_spec("hf_xet") is not None


def _upload(api: HfApi, target: Target, operation: Any) -> None:
    api.preupload_lfs_files(
        target.repo_id,
        [operation],
        repo_type=KIND,
        revision=target.revision,
        create_pr=target.is_pull,
        free_memory=False,
    )


class _Commit(NamedTuple):
    """One commit, made once even where its answer is lost."""

    api: HfApi
    target: Target
    files: Sequence[Local]
    additions: Sequence[Any]
    deleted: Sequence[str]

    def make(self, before: Committed | None, tell: Callable[[str], object]) -> tuple[Committed, Target]:
        """Commit; return what was committed, and where the next goes."""
        is_pull = self.target.is_pull
        try:
            made = retrying(
                self._ask,
                tell=tell,
                is_again=lambda e: not is_pull or status_of(e) in _NOT_DONE,
                waits_seconds=PATIENT_SECONDS,
            )
        except Exception as error:
            if is_pull and _may_be_done(root_of(error)):
                raise _lost_pull(self.target) from None
            raise
        pull_url = str(made.pr_url) if is_pull else before.pull_url if before else None
        revision = str(made.pr_revision) if is_pull else self.target.revision
        target = self.target._replace(revision=revision, commit=str(made.oid), is_pull=False)
        return Committed(revision, str(made.commit_url), pull_url), target

    def _ask(self) -> Any:
        from huggingface_hub import CommitOperationDelete

        target = self.target
        try:
            return self.api.create_commit(
                target.repo_id,
                [*self.additions, *(CommitOperationDelete(path_in_repo=path) for path in self.deleted)],
                commit_message=target.message,
                repo_type=KIND,
                revision=target.revision,
                parent_commit=target.commit,
                create_pr=target.is_pull,
            )
        except Exception as error:
            made = None if status_of(root_of(error)) != _CHANGED_MEANWHILE else self._own()
            if made is None:
                raise
            return made

    def _own(self) -> Any:
        """Return the commit that the repository is at, where it is this one and its answer was lost."""
        from huggingface_hub import CommitInfo

        target, api = self.target, self.api
        state = look(api, target.repo_id, target.revision)
        there = all(f.path in state.files and is_same(f, state.files[f.path]) for f in self.files)
        if target.is_pull or not there or set(self.deleted) & set(state.files) or state.commit is None:
            return None
        url = f"{api.endpoint}/datasets/{target.repo_id}/commit/{state.commit}"
        return CommitInfo(commit_url=url, commit_message=target.message, commit_description="", oid=state.commit)


def _may_be_done(error: Exception) -> bool:
    return is_passing(error) and status_of(error) not in _NOT_DONE


def _lost_pull(target: Target) -> OutputError:
    from huggingface_hub import constants

    page = f"{constants.ENDPOINT}/datasets/{target.repo_id}/discussions"
    return OutputError(
        f"{target.repo_id}: the answer to opening a pull request was lost; see {page}: if it is open, push again with "
        "--revision refs/pr/N, else with --create-pr. What is there is not sent again"
    )
