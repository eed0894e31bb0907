"""The folder in which an output grows: what of it stays when a run ends, and what goes."""

from __future__ import annotations

import warnings

from svit_datasets.errors import FindingsError, InputError, RecordError, SvitWarning, UsageError
from svit_datasets.remote.names import is_remote, path_of
from svit_datasets.sharding.manifest import Manifest, open_manifest


def leave_parts(manifest: Manifest, error: BaseException | None, *, resume: bool) -> None:
    """Remove what was finished of a run, unless it ended early and is to go on; then say that it is kept.

    What was not finished goes in any case.

    Args:
        manifest: What is finished.
        error: What ended the run; None where it ended well.
        resume: Whether the run is to go on.
    """
    is_kept = resume and error is not None and not is_hopeless(error)
    kept = manifest.count_finished() if is_kept else 0
    if not kept:
        manifest.folder.clear()
        return
    manifest.drop_unfinished()
    told = f"{kept:,} finished part{'s are' if kept > 1 else ' is'} kept in {manifest.folder.place}"
    warnings.warn(f"{told}; the same command with --resume goes on from there", SvitWarning, stacklevel=2)


def is_hopeless(error: BaseException) -> bool:
    """Tell whether the input must change before anything else can come of it; then nothing finished is of use.

    >>> is_hopeless(RecordError("llava.json:7: no")), is_hopeless(KeyboardInterrupt())
    (True, False)
    """
    if isinstance(error, InputError):
        return error.finding is None or error.finding.code != "input-unreadable"
    return isinstance(error, RecordError | FindingsError)


def forget_parts(place: str, target: str) -> None:
    """Remove what a killed run left of an output that is whole now; of a run that goes on, leave it alone.

    Args:
        place: The folder in which the output grew. In a store nothing tells whether another process is at it, so
            nothing is removed there.
        target: What the user called the output.
    """
    if is_remote(place) or not _is_folder(place):
        return
    try:
        with open_manifest(place, target, "") as manifest:
            manifest.folder.clear()
    except UsageError:  # another process is at it
        return
    except OSError as error:
        reason = error.__cause__ if isinstance(error.__cause__, OSError) else error
        told = f"{place}: left as it is ({reason.strerror or reason}); remove it, it is of no use"
        warnings.warn(told, SvitWarning, stacklevel=2)


def _is_folder(place: str) -> bool:
    try:
        return path_of(place).is_dir()
    except OSError:  # a name too long for a folder
        return False
