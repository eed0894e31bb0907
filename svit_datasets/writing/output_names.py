"""Which names an output may have: no folder, no input, nothing that exists unless it may be replaced."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from svit_datasets.errors import SvitError, UsageError
from svit_datasets.reading.input_files import STDIN
from svit_datasets.remote.files import look, place_of
from svit_datasets.remote.names import address_hint, is_remote, local_path, shown_name
from svit_datasets.writing.targets import STDOUT, output_error

_IS_FOLDER = "is a folder; name a file in it"
_IS_INPUT = "is an input; inputs are never modified, so name another output"


def is_same(left: str | Path, right: str | Path) -> bool:
    """Tell whether two paths or URLs mean the same file, there or not.

    >>> is_same("a/../b.json", "./b.json"), is_same("memory://b.json", "b.json")
    (True, False)
    """
    if is_remote(left) != is_remote(right):
        return False
    return place_of(str(left)) == place_of(str(right))


def refuse_file(folder: str | Path, purpose: str = "") -> None:
    """Raise where ``folder`` cannot be a folder: it is a file, or the system refuses the name."""
    name = str(folder)
    refuse_address(name)
    try:
        path = local_path(name)
        if path is None:
            status = look(name)
            is_file = status is not None and not status.is_folder
        else:
            is_file = path.exists() and not path.is_dir()
        if is_file:
            raise UsageError(f"{shown_name(name)}: is a file; name a folder{purpose}")
    except OSError as error:
        raise output_error(name, error) from error


def refuse_target(path: str | Path, *, inputs: Iterable[str | Path] = (), overwrite: bool = False) -> None:
    """Raise ``UsageError`` where ``path`` must not be written: a folder, an input, or a file that exists."""
    name = str(path)
    if name == STDOUT:
        return
    refuse_address(name)
    try:
        target = local_path(name)
        is_there = _refuse_in_store(name, inputs) if target is None else _refuse_here(name, target, inputs)
    except OSError as error:
        if isinstance(error, SvitError):
            raise
        raise output_error(name, error) from error
    if is_there and not overwrite:
        raise UsageError(f"{shown_name(name)}: exists already; name another output or pass --overwrite")


def refuse_address(name: str) -> None:
    """Raise ``UsageError`` for what looks like a URL and is none, before a folder of that name is made."""
    hint = address_hint(name)
    if hint and not Path(Path(name).parts[0]).exists():
        raise UsageError(f"{name}: {hint}")


def _refuse_here(name: str, target: Path, inputs: Iterable[str | Path]) -> bool:
    if not target.exists():
        return False
    if target.is_dir():
        raise UsageError(f"{name}: {_IS_FOLDER}")
    if not target.is_file():
        raise UsageError(f"{name}: is a pipe or a device; write to - and redirect")
    sources = [path for i in inputs if str(i) != STDIN and (path := local_path(str(i))) is not None]
    if any(_holds(source, target) for source in sources):
        raise UsageError(f"{name}: {_IS_INPUT}")
    return True


def _refuse_in_store(name: str, inputs: Iterable[str | Path]) -> bool:
    if any(is_remote(i) and is_same(i, name) for i in inputs):
        raise UsageError(f"{shown_name(name)}: {_IS_INPUT}")
    status = look(name)
    if name.endswith("/") or (status and status.is_folder):
        raise UsageError(f"{shown_name(name)}: {_IS_FOLDER}")
    return status is not None


def _holds(source: Path, target: Path) -> bool:
    """Tell whether ``target`` is the input ``source``, or an image, archive or size table in that folder."""
    if not source.is_dir():
        return source.exists() and source.samefile(target)
    is_data = target.suffix in (".jpg", ".zip") or target.name.startswith("image_data")
    return is_data and target.resolve().is_relative_to(source.resolve())
