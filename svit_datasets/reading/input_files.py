"""The files that are read, by the names that a user gives: whether they are there, opened, their faults in words."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterable
from pathlib import Path

from svit_datasets.errors import InputError, RecordError
from svit_datasets.findings import Finding, finding
from svit_datasets.remote.files import StoreError, look, missing, open_file
from svit_datasets.remote.names import address_hint, local_path, protocol_of, shown_name

STDIN = "-"


def path_names(paths: Iterable[str | Path] | str | Path | None) -> list[str]:
    """Return one path or several as a list of names; None is none.

    >>> path_names("a.json"), path_names([Path("a.json"), "b.json"])
    (['a.json'], ['a.json', 'b.json'])
    """
    if paths is None:
        return []
    return [str(paths)] if isinstance(paths, str | Path) else [str(p) for p in paths]


def check_exists(name: str) -> str:
    """Return ``name``; raise ``InputError`` where there is no such file, or it is a folder."""
    if name == STDIN:
        return name
    try:
        path = local_path(name)
        is_folder = _is_folder_in_store(name) if path is None else stat.S_ISDIR(path.stat().st_mode)
    except (OSError, ValueError) as error:
        raise _missing(name, error) from error
    if is_folder:
        raise input_error(finding("input-missing", "is a directory", file=shown_name(name)))
    return name


def exists(name: str) -> bool:
    """Tell whether there is a file of a name, here or in a store.

    Raises:
        InputError: The store does not say.
    """
    try:
        path = local_path(name)
        return look(name) is not None if path is None else path.exists()
    except StoreError as error:
        raise _missing(name, error) from error


def _is_folder_in_store(name: str) -> bool:
    status = look(name)
    if status is None:
        raise missing(protocol_of(name) or "")
    return status.is_folder


def open_file_of(name: str) -> tuple[io.BufferedReader, int | None]:
    """Open a path or URL for reading; return it with its size, None where its store does not tell.

    Raises:
        InputError: It is missing or cannot be read.
    """
    try:
        path = local_path(name)
        if path is None:
            return open_file(name)
        return path.open("rb"), path.stat().st_size
    except (OSError, ValueError) as error:
        raise _missing(name, error) from error


def _missing(name: str, error: OSError | ValueError) -> InputError:
    """Return the exception for a file that cannot be opened."""
    if isinstance(error, StoreError) and not error.is_missing:
        return unreadable(name, error)
    mend = error.mend if isinstance(error, StoreError) else address_hint(name)
    return input_error(finding("input-missing", reason_of(error), file=shown_name(name), mend=mend))


def reason_of(error: OSError | ValueError) -> str:
    """Return what the system, or a store, says is wrong.

    >>> reason_of(FileNotFoundError(2, "No such file or directory"))
    'no such file or directory'
    """
    reason = getattr(error, "strerror", None) or str(error)
    return reason if isinstance(error, StoreError) else reason.lower()


def unreadable(name: str, error: OSError) -> InputError:
    """Return the exception for a file that cannot be read on."""
    mend = error.mend if isinstance(error, StoreError) else None
    return input_error(finding("input-unreadable", reason_of(error), file=shown_name(name), mend=mend))


def input_error(fault: Finding) -> InputError:
    """Return the exception for a fault of a whole file."""
    return InputError(str(fault), fault)


def fault_error(fault: Finding) -> InputError | RecordError:
    """Return the exception for a finding: of a whole file or of one record."""
    kind = InputError if fault.code.startswith("input-") else RecordError
    return kind(str(fault), fault)
