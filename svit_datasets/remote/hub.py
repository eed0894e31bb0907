"""Fetch SVIT's published files from the Hugging Face Hub, and say what to do where that cannot be done."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from svit_datasets.errors import InputError
from svit_datasets.records import TaskName

REPOSITORY = "BAAI/SVIT"
_IMAGES = ("raw/images.zip", "raw/images2.zip")
_DISK = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)
_CLIENTS = ("httpx", "httpcore", "requests", "urllib3", "huggingface_hub")
_SIZES = "raw/annotations/vg/image_data.json"
_INSTEAD = (
    "pass data_dir=FOLDER with SVIT's files, or name it in SVIT_DATA_DIR; "
    "`svit-convert sample FOLDER` writes a small one"
)


class Advice(NamedTuple):
    """What else a user can do: behind another advice, and where there is no other."""

    after: str
    alone: str


_LOADING = Advice(f", or {_INSTEAD}", _INSTEAD)


@cache
def fetch(
    task: TaskName | None,
    *,
    with_files: bool,
    repo_id: str = REPOSITORY,
    revision: str | None = None,
    token: str | bool | None = None,
) -> Path:
    """Fetch what a configuration needs into ``huggingface_hub``'s own cache; what is there is not fetched again.

    Args:
        task: The task; None for the configuration ``images``.
        with_files: Whether the images are wanted too (about 15 GB).
        repo_id: The dataset repository.
        revision: Branch, tag or commit.
        token: See ``huggingface_hub``; None takes the one that the user logged in with.

    Returns:
        The folder that holds the files, laid out as published.

    Raises:
        InputError: Access was not granted, there is no network, or the repository lacks a file.
    """
    from huggingface_hub import hf_hub_download

    def fetch_one(name: str) -> Path:
        path = hf_hub_download(repo_id, name, repo_type="dataset", revision=revision, token=token)
        return Path(path).parents[len(PurePosixPath(name).parts) - 1]

    wanted: list[tuple[str, ...]] = [(f"data/{task}.zip", f"data/{task}.json")] if task else []
    wanted += [(name,) for name in (*(_IMAGES if with_files else ()), _SIZES)]
    roots = [_first(names, fetch_one, repo_id, revision) for names in wanted]
    return roots[0]


def _first(names: tuple[str, ...], fetch_one: Callable[[str], Path], repo_id: str, revision: str | None) -> Path:
    """Fetch the first of ``names`` that the repository has."""
    from huggingface_hub import constants
    from huggingface_hub.utils import EntryNotFoundError, LocalEntryNotFoundError

    unreachable: Exception | None = None
    for name in names:
        try:
            return fetch_one(name)
        except LocalEntryNotFoundError as error:
            unreachable = error
            if not constants.HF_HUB_OFFLINE:
                break  # offline, another of the names may be there; online, asking again would only take longer
        except EntryNotFoundError:
            continue
        except Exception as error:
            explained = explain(error, repo_id, revision)
            if explained is None:
                raise
            raise explained from error
    if unreachable is not None:
        raise explain(unreachable, repo_id, revision) or unreachable from unreachable
    raise InputError(f"{repo_id}: has no {' or '.join(names)}; {_INSTEAD}")


def cause_of(error: BaseException) -> Any:
    """Return what stands behind an error of the client that says no more than that a file is not in its cache."""
    from huggingface_hub.utils import LocalEntryNotFoundError

    return (error.__cause__ or error) if isinstance(error, LocalEntryNotFoundError) else error


def status_of(error: BaseException) -> int | None:
    """Return the status that the Hub answered with; None where it did not answer."""
    return getattr(getattr(cause_of(error), "response", None), "status_code", None)


def is_of_client(error: BaseException) -> bool:
    """Tell whether an error comes from ``huggingface_hub`` or from what it speaks HTTP with."""
    return type(cause_of(error)).__module__.startswith(_CLIENTS)


def explain(
    error: Exception, repo_id: str, revision: str | None = None, *, advice: Advice = _LOADING
) -> InputError | None:
    """Return what to do about an error of ``huggingface_hub`` while something was fetched.

    Args:
        error: What it raised.
        repo_id: The dataset repository.
        revision: The branch, tag or commit that was asked for.
        advice: What else can be done.

    Returns:
        The error to raise; None where it is no matter of access, network or disk.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    page = f"{constants.ENDPOINT}/datasets/{repo_id}"
    is_local = isinstance(error, LocalEntryNotFoundError)
    cause, status = cause_of(error), status_of(error)
    if isinstance(cause, RevisionNotFoundError):
        return InputError(f"{repo_id}: has no branch, tag or commit {revision!r}; see its page")
    if isinstance(cause, HFValidationError):
        return InputError(f"{repo_id}: is no name of a repository ({cause})")
    if isinstance(cause, GatedRepoError):
        return InputError(
            f"{repo_id}: access was not granted; accept the terms at {page} with the account that you log in with "
            f"(`hf auth login`, or the token in HF_TOKEN){advice.after}"
        )
    if isinstance(cause, RepositoryNotFoundError) or status in (401, 403):
        return InputError(
            f"{repo_id}: not found, or not for this token ({status}); log in with `hf auth login` after accepting the "
            f"terms at {page}{advice.after}"
        )
    if status is not None:
        return InputError(f"{repo_id}: the Hub answered {status}; try again later{advice.after}")
    if isinstance(cause, PermissionError) or getattr(cause, "errno", None) in _DISK:
        reason = str(cause.strerror or cause).lower()
        return InputError(f"{repo_id}: cannot be kept in {constants.HF_HUB_CACHE}: {reason}; set HF_HOME{advice.after}")
    if not is_local and not isinstance(cause, OSError) and not is_of_client(cause):
        return None
    reason = str(cause).strip().split("\n")[0] or type(cause).__name__
    return InputError(f"{repo_id}: cannot be reached at {constants.ENDPOINT} ({reason}); {advice.alone}")
