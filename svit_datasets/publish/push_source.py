"""Build what is to be pushed, where SVIT's own files are given instead of a built folder."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svit_datasets.errors import UsageError
from svit_datasets.publish.layout import CROISSANT, README
from svit_datasets.publish.origin import changed_sources

if TYPE_CHECKING:
    from svit_datasets.publish.build import Built


def is_built(folder: Path) -> bool:
    """Tell whether a folder is one that ``build`` made."""
    return (folder / CROISSANT).is_file() and (folder / README).is_file()


@contextmanager
def built_folder(
    given: str | Path, output: str | Path | None, options: Mapping[str, Any], show: Callable[[Built], object]
) -> Iterator[Path]:
    """Yield a built folder: the one given, or one built of the files given, where it is not there yet.

    It is built in ``output``, which stays; else in the cache of ``huggingface_hub``, and removed once the block ends
    well. After an interruption what is there is used again, unless the source or the options changed.

    Args:
        given: A built folder, or one with SVIT's files.
        output: Where to build.
        options: Keywords of ``build``.
        show: Takes what was built, to tell of it.

    Yields:
        The folder.

    Raises:
        UsageError: ``output`` is given with a folder that is built already.
        SvitError: What ``build`` raises.
    """
    root = Path(given)
    if is_built(root):
        if output is not None:
            raise UsageError(f"{given}: is built already, so there is nothing to build in {output}; leave out --output")
        yield root
        return
    target = _place(root, options) if output is None else Path(output)
    if output is not None or not is_built(target) or changed_sources(target):
        from svit_datasets.publish.build import build

        show(build(root, target, **options, overwrite=output is None))
    yield target
    if output is None:
        shutil.rmtree(target)


def _place(root: Path, options: Mapping[str, Any]) -> Path:
    """Return where a source is built with some options: the same place in every run."""
    from huggingface_hub import constants

    told = {name: value for name, value in options.items() if name not in ("tell", "jobs")}
    key = hashlib.sha256(json.dumps([str(root.resolve()), told], default=str, sort_keys=True).encode()).hexdigest()
    return Path(constants.HF_HOME) / "svit" / f"{root.resolve().name}-{key[:12]}"
