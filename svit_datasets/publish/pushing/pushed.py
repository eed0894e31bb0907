"""What a push did, and the words for it. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from svit_datasets.publish.pushing.repository import DELETED, REPLACED, Item, Plan

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
        found: Files that this push added and whose bytes the Hub had, so that they were not sent again; None where
            the client does not tell, as by Xet.
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
    found: tuple[str, ...] | None
    left_alone: tuple[str, ...]
    commit_url: str | None
    pull_url: str | None
    load: str


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


def replaced_told(plan: Plan) -> str:
    """Return which files of the repository a push replaces or deletes; empty where none.

    >>> replaced_told(Plan((Item("README.md", 1, REPLACED), Item("data/a", 0, DELETED)), ()))
    'replaces README.md and deletes data/a'
    """
    told = ((REPLACED, "replaces"), (DELETED, "deletes"))
    return " and ".join(f"{verb} {shorten(plan.paths(state))}" for state, verb in told if plan.paths(state))
