"""What the Hub refuses while something is sent, in words that say what to do; no token in any of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from svit_datasets.errors import InputError, OutputError, SvitError, UsageError
from svit_datasets.remote.hub import is_of_client, status_of
from svit_datasets.remote.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

_PULL, _COMMIT = re.compile(r"refs/pr/[0-9]+"), re.compile(r"[0-9a-f]{40}")
# what `git check-ref-format --branch` takes
_BRANCH = re.compile(
    r"(?!-)(?!.*(?:\.\.|@\{|//|/\.|\.lock(?:/|$)))(?![./])[^\x00-\x20\x7f~^:?*\[\\]*[^\x00-\x20\x7f~^:?*\[\\./]"
)


def settings_page() -> str:
    """Return the address of the page where tokens are made."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/settings/tokens"


def check_revision(revision: str) -> None:
    """Raise ``UsageError`` where nothing can be pushed to what a text names: git allows no such branch.

    >>> check_revision("v1.0"), check_revision("refs/pr/3")
    (None, None)
    >>> check_revision("my branch")
    Traceback (most recent call last):
    svit_datasets.errors.UsageError: --revision 'my branch': git allows no branch of this name; use letters, digits, \
'.', '-' and '_'
    """
    if revision.startswith("refs/") and not _PULL.fullmatch(revision):
        raise UsageError(f"--revision {revision!r}: name a branch by its name alone, or a pull request as refs/pr/N")
    if _COMMIT.fullmatch(revision):
        raise UsageError(f"--revision {revision!r}: is a commit, to which nothing can be added; name a branch")
    if not _BRANCH.fullmatch(revision) or revision in ("@", "HEAD"):
        allowed = "use letters, digits, '.', '-' and '_'"
        raise UsageError(f"--revision {revision!r}: git allows no branch of this name; {allowed}")


def no_such_pull(repo_id: str, revision: str) -> UsageError:
    """Return the error for a pull request that is not there."""
    mend = "name one that is open as refs/pr/N, or open one with --create-pr"
    return UsageError(f"{repo_id}: has no pull request {revision}; {mend}")


def explain_refusal(error: Exception, repo_id: str, revision: str) -> SvitError | None:
    """Return what to do about an error of ``huggingface_hub`` while something was sent.

    Args:
        error: What it raised.
        repo_id: The dataset repository.
        revision: The branch or pull request.

    Returns:
        The error to raise; None where it is no matter of the Hub.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import HFValidationError, RevisionNotFoundError

    status = status_of(error)
    if isinstance(error, HFValidationError):
        return UsageError(f"{repo_id}: is no name of a repository; write it as org/name")
    if isinstance(error, RevisionNotFoundError):
        return UsageError(f"{repo_id}: has no {revision!r}; name a branch, or an open pull request as refs/pr/N")
    if status is not None:
        told = _server_message(error)
        advice = _by_status(repo_id).get(status, "try again later; what is there is not sent again")
        return OutputError(f"{repo_id}: the Hub answered {status}{told}: {advice}")
    if constants.HF_HUB_OFFLINE and is_of_client(error):
        return OutputError(f"{repo_id}: cannot be reached, since HF_HUB_OFFLINE is set; unset it and push again")
    if isinstance(error, ValueError) and "metadata" in str(error).lower():
        faults = redact(" ".join(str(error).split()))
        return OutputError(f"{repo_id}: the Hub refuses the YAML of README.md ({faults}); mend it and push again")
    if isinstance(error, ValueError):
        return OutputError(f"{repo_id}: {redact(' '.join(str(error).split()))}")
    if isinstance(error, OSError) and error.filename and not is_of_client(error):
        return InputError(f"{error.filename}: {(error.strerror or str(error)).lower()}; see to it and push again")
    if isinstance(error, OSError) or is_of_client(error):
        reason = redact(str(error).strip().split("\n")[0] or type(error).__name__)
        return OutputError(f"{repo_id}: cannot be reached ({reason}); push again, what is there is not sent again")
    return None


def _by_status(repo_id: str) -> Mapping[int, str]:
    page = settings_page()
    seen = f"there is no such repository, or this token may not see it; see that {repo_id} is written right"
    return {
        400: "it does not take what was sent; build the folder again if a shard changed, and push again",
        401: f"{seen}, and log in with `hf auth login`",
        402: "the account has no room or no right for this; see its plan",
        403: f"this token may not write to {repo_id}; be a member of its organisation, and make a token with the role "
        f"write at {page}",
        404: seen,
        409: "another change is under way; push again",
        412: "somebody pushed to it meanwhile; nothing of theirs was replaced. Look at it and push again",
        413: "a file is too large for it; build with a smaller --max-shard-size",
    }


def _server_message(error: Exception) -> str:
    headers = getattr(getattr(error, "response", None), "headers", {})
    told = str(getattr(error, "server_message", None) or headers.get("X-Error-Message") or "")
    return f" ({redact(' '.join(told.split()))[:300]})" if told else ""


def token_missing() -> OutputError:
    """Return the error for a user who is not logged in."""
    return OutputError(
        f"no token: log in with `hf auth login`, or set HF_TOKEN to a token with the role write ({settings_page()})"
    )


def token_unusable(reason: str) -> OutputError:
    """Return the error for a token that cannot be used."""
    return OutputError(
        f"the token {reason}: log in anew with `hf auth login`, or set HF_TOKEN, to a token with the role write "
        f"({settings_page()}); a token in HF_TOKEN goes before the one that was logged in with"
    )
