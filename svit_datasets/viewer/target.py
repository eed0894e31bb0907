"""The folder of an export: what may be replaced, and how it appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from svit_datasets.errors import SvitError, UsageError
from svit_datasets.writing.writers import output_error, refuse_file

MARK = "svit-view.json"  # tells an earlier export from any other folder
DATA = "data.js"
_OWN = {"index.html", DATA, MARK, "page", "photos"}


def refuse_target(target: Path, *, overwrite: bool) -> None:
    """Raise where an export must not be written.

    Args:
        target: The folder.
        overwrite: Whether an earlier export may be replaced.

    Raises:
        UsageError: It is a file, a link, or the folder that the command runs in; or it holds anything but an earlier
            export that may be replaced.
        OutputError: The system refuses the name.
    """
    refuse_file(target)
    try:
        _refuse_place(target)
        names = {path.name for path in target.iterdir()} if target.exists() else set()
    except OSError as error:
        if isinstance(error, SvitError):
            raise
        raise output_error(str(target), error) from error
    if not names:
        return
    if MARK not in names or not names <= _OWN:
        raise UsageError(f"{target}: exists already and is no export of this command; name a new folder")
    if not overwrite:
        raise UsageError(f"{target}: exists already; name another folder or pass --overwrite")


def _refuse_place(target: Path) -> None:
    """Raise where putting a new folder in the place of ``target`` would do more than that."""
    if target.is_symlink():
        raise UsageError(f"{target}: is a link; name the folder that it leads to, or a new one")
    if target.exists() and Path.cwd().is_relative_to(target.resolve()):
        raise UsageError(f"{target}: is the folder you are in, or holds it; name a new folder")


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``target`` that takes its place when the block ends well.

    Args:
        target: The folder, which ``refuse_target`` let pass.

    Yields:
        The temporary folder.

    Raises:
        OutputError: It cannot be written; nothing is left then, and an earlier folder stays as it was.
    """
    made: Path | None = None
    try:
        place = target.resolve()
        place.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".svit-", suffix=".part", dir=place.parent))
        yield made
        made.chmod(0o755)
        _replace(made, place)
    except OSError as error:
        if isinstance(error, SvitError):
            raise
        raise output_error(str(target), error) from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _replace(made: Path, target: Path) -> None:
    if not target.exists():
        made.rename(target)
        return
    before = target.with_name(f".svit-{os.urandom(6).hex()}.part")
    target.rename(before)
    try:
        made.rename(target)
    except BaseException:
        before.rename(target)
        raise
    shutil.rmtree(before)
