"""Send a folder that a build made to a dataset repository on the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from svit_datasets import VERSION
from svit_datasets.errors import InputError, SvitError, UsageError
from svit_datasets.progress import bytes_done
from svit_datasets.publish.card.stated import RIGHTS
from svit_datasets.publish.layout import CROISSANT, README
from svit_datasets.publish.origin import changed_sources, has_source, is_edited
from svit_datasets.publish.pushing.client_output import quiet_client
from svit_datasets.publish.pushing.folder import BuiltFolder, check_bytes, check_text, open_folder, tells_photos
from svit_datasets.publish.pushing.leaks import machine_places
from svit_datasets.publish.pushing.pushed import MAIN, Pushed, shorten
from svit_datasets.publish.pushing.refusals import check_revision, explain_refusal
from svit_datasets.publish.pushing.repository import is_pull, look
from svit_datasets.publish.pushing.run import Run, Tell, Wanted
from svit_datasets.publish.pushing.source import is_built, looks_like
from svit_datasets.publish.pushing.token_check import check_token
from svit_datasets.remote.redaction import has_secret
from svit_datasets.remote.retrying import PATIENT_SECONDS, is_reached, retrying, root_of
from svit_datasets.sizes import show_size

WHY_RIGHTS = (
    "the photos are each under their photographer's licence, and a private repository is a copy on the Hub too; "
    "pass --licence-ok if you may send them, or build with --images none"
)


def push(
    folder: str | Path,
    repo_id: str,
    *,
    revision: str | None = None,
    create_pr: bool = False,
    public: bool = False,
    licence_ok: bool = False,
    dry_run: bool = False,
    overwrite: bool = False,
    stale_ok: bool = False,
    commit_message: str | None = None,
    tell: Tell = lambda _: None,
) -> Pushed:
    """Send a folder that ``build`` made to a dataset repository; what is there already is not sent again.

    Before anything is sent, the folder is checked: that no shard is damaged, that the card's counts are those of the
    shards, and that no path of this machine stands in any file. The token is the one of ``huggingface_hub``
    (``HF_TOKEN``, ``hf auth login``).

    Args:
        folder: The folder.
        repo_id: The repository, ``org/name``; it is made, private, where it is not there.
        revision: Branch, made from ``main`` where it is not there, or open pull request as ``refs/pr/N``; ``main`` by
            default.
        create_pr: Whether to open a pull request instead of changing ``revision``.
        public: Whether a repository that is made is public.
        licence_ok: Whether photos may be sent: you have looked at their rights.
        dry_run: Whether to change nothing and only tell what would be done.
        overwrite: Whether files of the repository with other content are replaced, and shards that the new card does
            not load deleted. A pull request and a new branch may do so in any case: ``main`` stays.
        stale_ok: Whether a folder may be sent whose source has changed since.
        commit_message: What the commits are called.
        tell: Takes lines on how it goes.

    Returns:
        What was done.

    Raises:
        UsageError: The options do not allow it: photos without ``licence_ok``, other content without ``overwrite``.
        InputError: The folder is damaged, is older than its source, or tells a path of this machine.
        OutputError: The Hub refuses, or cannot be reached.
    """
    _check_target(repo_id, revision, create_pr=create_pr)
    if not is_built(Path(folder)) and (found := looks_like(folder)):
        raise UsageError(found)
    opened = open_folder(folder)
    _show_rights(opened, licence_ok=licence_ok, tell=tell)
    message = commit_message or f"Push {len(opened.shards)} shards with svit-datasets {VERSION}"
    wanted = Wanted(repo_id, MAIN if revision is None else revision, create_pr, public, overwrite, message)
    built = _checked(opened, stale_ok=stale_ok, tell=tell)
    with _explained(wanted), quiet_client():
        return Run(built, wanted, tell)(dry_run=dry_run)


def check_access(repo_id: str, revision: str | None = None, *, create_pr: bool = False, tell: Tell) -> None:
    """Raise where a name is none, the token is missing, wrong or may only read, or a pull request is not there.

    Args:
        repo_id: The repository.
        revision: Branch or pull request.
        create_pr: Whether a pull request is to be opened.
        tell: Takes a line where the Hub is asked again.

    Raises:
        UsageError: A name is none, or the pull request is not there.
        OutputError: The Hub refuses the token, or cannot be reached.
    """
    from huggingface_hub import HfApi

    _check_target(repo_id, revision, create_pr=create_pr)
    place, api = revision or MAIN, HfApi()
    with _explained(Wanted(repo_id, place, create_pr, public=False, overwrite=False, message="")), quiet_client():
        retrying(lambda: check_token(api), tell=tell, waits_seconds=PATIENT_SECONDS, is_again=is_reached)
        if is_pull(place):
            retrying(lambda: look(api, repo_id, place), tell=tell, waits_seconds=PATIENT_SECONDS)


def _check_target(repo_id: str, revision: str | None, *, create_pr: bool) -> None:
    """Raise ``UsageError`` where a repository or a revision is none, or a pull request cannot start from it."""
    if create_pr and revision not in (None, MAIN):
        raise UsageError(
            f"--create-pr with --revision {revision}: a pull request starts from main; pass one of the two"
        )
    if revision is not None:
        check_revision(revision)
    _check_name(repo_id)


def _check_name(repo_id: str) -> None:
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError:
        raise UsageError(f"{repo_id}: is no name of a repository; write it as org/name") from None
    if repo_id.count("/") != 1:
        raise UsageError(f"{repo_id}: names no organisation or user; write it as org/name")


def _checked(folder: BuiltFolder, *, stale_ok: bool, tell: Tell) -> BuiltFolder:
    """Return the folder once all of it is looked at; raise ``InputError`` where it must not leave."""
    changed = changed_sources(folder.path)
    if changed and not stale_ok:
        raise InputError(
            f"{folder.path}: its source changed since it was built: {shorten(changed)}; build again, or pass "
            "--stale-ok to push it as it is"
        )
    if changed:
        tell(f"its source changed since it was built: {shorten(changed)}; pushed as it is, by --stale-ok")
    if not has_source(folder.path):
        tell("its source is not here; not compared with it")
    if is_edited(folder.path):
        tell(f"{README} was edited since it was built; it is sent as it stands")
    places = machine_places(folder.path, folder.sources)
    total = sum(shard.size_bytes for shard in folder.shards)
    check_text(README, folder.card, places)
    check_text(CROISSANT, folder.croissant.decode("utf-8", "replace"), places)
    with bytes_done("checking", total) as add:
        checked = check_bytes(folder, places, add)
    tell(f"checked {len(folder.shards):,} shards, {show_size(total)}: whole, and no path of this machine in them")
    if folder.left_alone:
        tell(f"not sent, since the build did not make them: {shorten(folder.left_alone)}")
    return checked


def _show_rights(folder: BuiltFolder, *, licence_ok: bool, tell: Tell) -> None:
    stated = folder.stated
    tell(f"licence: {stated.licence or 'the card states none'}")
    tell(f"{RIGHTS}: {' '.join(stated.rights.split()) or 'the card has no such section'}")
    if not licence_ok and tells_photos(folder):
        raise UsageError(f"{folder.path}: photos are in the shards, and --licence-ok is not given: {WHY_RIGHTS}")


@contextmanager
def _explained(wanted: Wanted) -> Iterator[None]:
    """Turn what the client raises into errors that say what to do; none of them has the token in it."""
    try:
        yield
    except SvitError:
        raise
    except Exception as error:
        explained = explain_refusal(root_of(error), wanted.repo_id, wanted.revision)
        if explained is None:
            raise
        raise explained from (None if has_secret(error) else error)


__all__ = ["Pushed", "push"]
