"""One push of a folder that was looked through: look at the repository, make it, send, tell."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from svit_datasets.errors import UsageError
from svit_datasets.publish.card.card import with_repo_id
from svit_datasets.publish.layout import CROISSANT, README
from svit_datasets.publish.pushing.folder import BuiltFolder
from svit_datasets.publish.pushing.pushed import MAIN, Pushed, load_line, privacy, replaced_told, shorten
from svit_datasets.publish.pushing.repository import (
    DELETED,
    KIND,
    NEW,
    REPLACED,
    Local,
    Plan,
    State,
    compare,
    head,
    is_pull,
    left_shards,
    look,
)
from svit_datasets.publish.pushing.sending import Committed, Progress, Target, send
from svit_datasets.publish.pushing.token_check import check_token
from svit_datasets.remote.retrying import PATIENT_SECONDS, is_reached, retrying
from svit_datasets.sizes import show_size

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Tell = Callable[[str], object]
Answer = TypeVar("Answer")


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
        self._ask(lambda: check_token(self.api), is_again=is_reached)
        state, plan = self._look()
        if self.wanted.public and state.exists and state.private:
            self.tell(f"{self.wanted.repo_id} is there already and stays private; its settings page makes it public")
        if dry_run:
            self._say_changes(plan)
            self._say_would(state, plan)
            return self._pushed(state, plan, None)
        if not plan.paths(NEW, REPLACED, DELETED):
            self._end_early(state, plan)
            return self._pushed(state, plan, None)
        if not state.exists or not state.has_revision:
            self._make(state)
            state, plan = self._look()
        self._say_changes(plan)
        self._say_sending(state, plan)
        return self._send(state, plan)

    def _ask(self, act: Callable[[], Answer], is_again: Callable[[Exception], bool] = lambda _: True) -> Answer:
        return retrying(act, tell=self.tell, waits_seconds=PATIENT_SECONDS, is_again=is_again)

    def _send(self, state: State, plan: Plan) -> Pushed:
        wanted = self.wanted
        target = Target(wanted.repo_id, wanted.revision, state.commit, wanted.create_pr, wanted.message)
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
        return self._pushed(state, plan, done, None if progress.found is None else tuple(progress.found))

    def _look(self) -> tuple[State, Plan]:
        """Return the repository and the plan; raise ``UsageError`` where other content is in the way."""
        wanted, patterns = self.wanted, self.folder.stated.patterns
        state = self._ask(lambda: look(self.api, wanted.repo_id, wanted.revision))
        files = list(self.files.values())
        plan = compare(files, state.files, patterns, is_thorough=wanted.overwrite)
        others = plan.paths(REPLACED, DELETED)
        if not others or wanted.overwrite:
            return state, plan
        if not self._loses_nothing(state):
            raise other_content(wanted, others)
        return state, compare(files, state.files, patterns, is_thorough=True)

    def _loses_nothing(self, state: State) -> bool:
        """Tell whether what is there stays all the same: in ``main``, behind a pull request or a branch made of it."""
        wanted = self.wanted
        if wanted.create_pr or not state.has_revision:
            return True
        return wanted.revision != MAIN and state.commit == self._ask(lambda: head(self.api, wanted.repo_id))

    def _make(self, state: State) -> None:
        wanted, api = self.wanted, self.api
        if not state.exists:
            private = not wanted.public
            self._ask(lambda: api.create_repo(wanted.repo_id, private=private, repo_type=KIND, exist_ok=True))
            self.tell(f"made {wanted.repo_id}, {privacy(private)}")
        if wanted.revision != MAIN and not is_pull(wanted.revision):
            self._ask(lambda: api.create_branch(wanted.repo_id, branch=wanted.revision, repo_type=KIND, exist_ok=True))
            self.tell(f"made the branch {wanted.revision} from main")

    def _end_early(self, state: State, plan: Plan) -> None:
        """Make the branch, if it is not there; no file is to be sent."""
        if not state.has_revision:
            self._make(state)
        more = "; no pull request was opened" if self.wanted.create_pr else ""
        self.tell(f"nothing to send: all {len(self.files):,} files are there{more}")
        self._say_left(plan)

    def _say_changes(self, plan: Plan) -> None:
        told, wanted = replaced_told(plan), self.wanted
        if told and wanted.create_pr:
            self.tell(f"the pull request {told}; nothing changes before it is merged")
        elif told and not wanted.overwrite:
            self.tell(f"the branch {wanted.revision}, made from main, {told}; main stays as it is")
        elif told:
            self.tell(f"--overwrite {told}")

    def _say_would(self, state: State, plan: Plan) -> None:
        wanted = self.wanted
        if not state.exists:
            self.tell(f"would make {wanted.repo_id}, {privacy(not wanted.public)}")
        if wanted.revision != MAIN and not (state.exists and state.has_revision):
            self.tell(f"would make the branch {wanted.revision} from main")
        if wanted.create_pr:
            is_any = plan.paths(NEW, REPLACED, DELETED)
            self.tell(f"would open {'a pull request' if is_any else 'no pull request: all files are there'}")
        self._say_left(plan)

    def _say_left(self, plan: Plan) -> None:
        if left := left_shards(plan):
            self.tell(f"shards that the new card does not load stay: {shorten(left)}; --overwrite deletes them")

    def _say_sending(self, state: State, plan: Plan) -> None:
        if not state.private:
            self.tell(f"NOTE: {self.wanted.repo_id} is PUBLIC: anyone can read what is sent now")
        self._say_left(plan)
        sent = plan.paths(NEW, REPLACED)
        there = len(plan.items) - len(sent) - len(plan.paths(DELETED))
        size = show_size(plan.size_bytes(NEW, REPLACED))
        self.tell(f"to send: {len(sent):,} files, {size}; there already: {there:,}")

    def _pushed(self, state: State, plan: Plan, done: Committed | None, found: tuple[str, ...] | None = ()) -> Pushed:
        wanted = self.wanted
        revision = done.revision if done else wanted.revision
        private = state.private if state.exists else not wanted.public
        return Pushed(
            wanted.repo_id,
            f"{self.api.endpoint}/datasets/{wanted.repo_id}",
            revision,
            private,
            plan.items,
            found,
            plan.left_alone,
            done.commit_url if done else None,
            done.pull_url if done else None,
            load_line(wanted.repo_id, self.folder.example, revision),
        )


def other_content(wanted: Wanted, others: Sequence[str]) -> UsageError:
    """Return the error for content that is in the way.

    >>> wanted = Wanted("org/svit", "v1", create_pr=False, public=False, overwrite=False, message="")
    >>> print(other_content(wanted, ["README.md"]))
    org/svit: has other content: README.md; pass --overwrite to replace it and to delete shards that the new card does \
not load, or name a new branch with --revision, or another repository
    """
    pull = "open a pull request with --create-pr, " if wanted.revision == MAIN else ""
    return UsageError(
        f"{wanted.repo_id}: has other content: {shorten(others)}; pass --overwrite to replace it and to delete shards "
        f"that the new card does not load, or {pull}{'or ' * bool(pull)}name a new branch with --revision, or another "
        "repository"
    )


def to_send(folder: BuiltFolder, repo_id: str) -> Sequence[Local]:
    """Return the files of a folder as they are sent: the card with the repository's name in it."""
    shards = [Local(s.path, s.size_bytes, s.sha256, folder.path / s.path) for s in folder.shards]
    texts = {CROISSANT: folder.croissant, README: with_repo_id(folder.card, repo_id).encode()}
    return [*shards, *(Local(p, len(c), hashlib.sha256(c).hexdigest(), c) for p, c in texts.items())]
