"""One push of a folder that was looked through: look at the repository, make it, send, tell."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from svit_datasets.errors import UsageError
from svit_datasets.publish.card import with_repo_id
from svit_datasets.publish.folder import BuiltFolder
from svit_datasets.publish.layout import CROISSANT, README
from svit_datasets.publish.repository import (
    DELETED,
    KIND,
    NEW,
    REPLACED,
    Item,
    Local,
    Plan,
    State,
    compare,
    left_shards,
    look,
)
from svit_datasets.publish.sending import Committed, Progress, Target, send
from svit_datasets.publish.token_check import check_token
from svit_datasets.retrying import PATIENT_SECONDS, retrying
from svit_datasets.sizes import show_size

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Tell = Callable[[str], object]
MAIN = "main"
_SHOWN = 5


class Pushed(NamedTuple):
    """What a push did, or would do.

    Attributes:
        repo_id: The dataset repository.
        url: Its address.
        revision: Where the files went.
        private: Whether it is private.
        items: What became of each file.
        left_alone: Other files of the repository, which stay.
        commit_url: Address of the last commit; None where nothing was committed.
        pull_url: Address of the pull request that was opened, if one was.
        load: The line of Python that loads it.
    """

    repo_id: str
    url: str
    revision: str
    private: bool
    items: tuple[Item, ...]
    left_alone: tuple[str, ...]
    commit_url: str | None
    pull_url: str | None
    load: str


class Wanted(NamedTuple):
    """How to push.

    Attributes:
        repo_id: The dataset repository.
        revision: The branch or pull request.
        create_pr: Whether to open a pull request.
        public: Whether a repository that is made is public.
        overwrite: Whether other content may be replaced.
        message: What the commits are called.
    """

    repo_id: str
    revision: str
    create_pr: bool
    public: bool
    overwrite: bool
    message: str


class Run:
    """One push.

    Args:
        folder: The folder, checked.
        wanted: How to push.
        tell: Takes lines on how it goes.
    """

    def __init__(self, folder: BuiltFolder, wanted: Wanted, tell: Tell) -> None:
        from huggingface_hub import HfApi

        self.folder, self.wanted, self.tell = folder, wanted, tell
        self.api: HfApi = HfApi()
        self.files = {file.path: file for file in to_send(folder, wanted.repo_id)}

    def __call__(self, *, dry_run: bool) -> Pushed:
        """Push, or find out what a push would do; errors are those of the client."""
        retrying(lambda: check_token(self.api), tell=self.tell, waits_seconds=PATIENT_SECONDS)
        state, plan = self._look()
        if dry_run:
            return self._pushed(state, plan, None)
        if not plan.paths(NEW, REPLACED, DELETED):
            self.tell(f"nothing to send: all {len(plan.items):,} files are there")
            return self._pushed(state, plan, None)
        if not state.exists or not state.has_revision:
            self._make(state)
            state, plan = self._look()
        self._warn(state, plan)
        target = Target(
            self.wanted.repo_id, self.wanted.revision, state.commit, self.wanted.create_pr, self.wanted.message
        )
        progress = Progress([self.files[path] for path in plan.paths(NEW, REPLACED)], self.tell)
        try:
            done = send(self.api, target, self.files, plan, progress)
        except BaseException:
            there = len(plan.items) - len(plan.paths(NEW, REPLACED, DELETED)) + progress.count
            self.tell(
                f"not finished: {there:,} of {len(self.files):,} files are there, the new card is not; run the same "
                "command again, what is there is not sent again"
            )
            raise
        return self._pushed(state, plan, done)

    def _look(self) -> tuple[State, Plan]:
        """Return the repository and the plan; raise ``UsageError`` where other content is in the way."""
        state = retrying(
            lambda: look(self.api, self.wanted.repo_id, self.wanted.revision),
            tell=self.tell,
            waits_seconds=PATIENT_SECONDS,
        )
        plan = compare(list(self.files.values()), state.files, self.folder.stated.patterns)
        self._refuse_other(plan)
        return state, plan

    def _refuse_other(self, plan: Plan) -> None:
        others = plan.paths(REPLACED, DELETED)
        if not others or self.wanted.overwrite:
            return
        raise UsageError(
            f"{self.wanted.repo_id}: has other content: {shorten(others)}; pass --overwrite to replace it and to "
            "delete shards that would be loaded with the new ones, or name another repository or --revision"
        )

    def _make(self, state: State) -> None:
        wanted = self.wanted
        if not state.exists:
            private = not wanted.public
            retrying(
                lambda: self.api.create_repo(wanted.repo_id, private=private, repo_type=KIND, exist_ok=True),
                tell=self.tell,
                waits_seconds=PATIENT_SECONDS,
            )
            self.tell(f"made {wanted.repo_id}, {privacy(private)}")
        if wanted.revision != MAIN and not wanted.revision.startswith("refs/"):
            retrying(
                lambda: self.api.create_branch(wanted.repo_id, branch=wanted.revision, repo_type=KIND, exist_ok=True),
                tell=self.tell,
                waits_seconds=PATIENT_SECONDS,
            )
            self.tell(f"made the branch {wanted.revision}")

    def _warn(self, state: State, plan: Plan) -> None:
        if not state.private:
            self.tell(f"NOTE: {self.wanted.repo_id} is PUBLIC: anyone can read what is sent now")
        elif self.wanted.public:
            self.tell(f"{self.wanted.repo_id} is there already and stays private; its settings page makes it public")
        left = left_shards(plan)
        if left:
            self.tell(f"shards that the new card does not load stay: {shorten(left)}")
        sent = plan.paths(NEW, REPLACED)
        there = len(plan.items) - len(sent) - len(plan.paths(DELETED))
        size = show_size(plan.size_bytes(NEW, REPLACED))
        self.tell(f"to send: {len(sent):,} files, {size}; there already: {there:,}")

    def _pushed(self, state: State, plan: Plan, done: Committed | None) -> Pushed:
        wanted = self.wanted
        revision = done.revision if done else wanted.revision
        private = state.private if state.exists else not wanted.public
        return Pushed(
            wanted.repo_id,
            f"{self.api.endpoint}/datasets/{wanted.repo_id}",
            revision,
            private,
            plan.items,
            plan.left_alone,
            done.commit_url if done else None,
            done.pull_url if done else None,
            load_line(wanted.repo_id, self.folder.example, revision),
        )


def to_send(folder: BuiltFolder, repo_id: str) -> Sequence[Local]:
    """Return the files of a folder as they are sent: the card with the repository's name in it."""
    shards = [Local(s.path, s.size_bytes, s.sha256, folder.path / s.path) for s in folder.shards]
    texts = {CROISSANT: folder.croissant, README: with_repo_id(folder.card, repo_id).encode()}
    return [*shards, *(Local(p, len(c), hashlib.sha256(c).hexdigest(), c) for p, c in texts.items())]


def load_line(repo_id: str, config: str, revision: str) -> str:
    """Return the line of Python that loads what was pushed.

    >>> load_line("org/svit", "referring", "main"), load_line("org/svit", "detail", "refs/pr/1")
    ('load_dataset("org/svit", "referring")', 'load_dataset("org/svit", "detail", revision="refs/pr/1")')
    """
    more = "" if revision == MAIN else f', revision="{revision}"'
    return f'load_dataset("{repo_id}", "{config}"{more})'


def privacy(private: bool) -> str:
    """Return what a repository is.

    >>> privacy(True)
    'private'
    """
    return "private" if private else "PUBLIC"


def shorten(names: Sequence[str]) -> str:
    """Return some names, the first five if there are more.

    >>> shorten("abc"), shorten("abcdefg")
    ('a, b, c', 'a, b, c, d, e and 2 more')
    """
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
