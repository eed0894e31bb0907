"""Make the name "svit" known to ``datasets.load_dataset``, without importing ``datasets`` for it.

``datasets`` runs no loading scripts since 4.0 and has no plug-ins, so its function that turns a name into a builder is
wrapped: "svit" gives the builder of this package, every other name goes through untouched. Where ``datasets`` is not
imported yet, that happens at the end of its own import.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from svit_datasets import VERSION
from svit_datasets.errors import SvitWarning, UsageError

NAME = "svit"
TESTED = ((2, 21), (6,))
_LOAD, _INSPECT, _FACTORY = "datasets.load", "datasets.inspect", "dataset_module_factory"


def register() -> None:
    """Make "svit" known to ``datasets``, now or when it is imported; doing it twice does nothing more."""
    if _LOAD in sys.modules:
        _wrap(sys.modules[_LOAD])
        if _INSPECT in sys.modules:
            _wrap(sys.modules[_INSPECT])
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds ``datasets.load`` as usual and has it wrapped once it has run; finds nothing else."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _LOAD:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        run: Callable[[ModuleType], None] = spec.loader.exec_module

        def run_and_wrap(module: ModuleType) -> None:
            run(module)
            _wrap(module)

        spec.loader.exec_module = run_and_wrap  # type: ignore[method-assign]
        return spec


def _wrap(module: ModuleType) -> None:
    factory = getattr(module, _FACTORY, None)
    if factory is None:
        warnings.warn(f"{module.__name__}.{_FACTORY} is gone: {_advice()}", SvitWarning, stacklevel=2)
        return
    if hasattr(factory, NAME):
        return

    @wraps(factory)
    def dataset_module_factory(path: Any, *args: Any, **kwargs: Any) -> Any:
        return _svit_module(kwargs.get("revision")) if path == NAME else factory(path, *args, **kwargs)

    setattr(dataset_module_factory, NAME, VERSION)
    setattr(module, _FACTORY, dataset_module_factory)


def _svit_module(revision: Any) -> Any:
    check_version()
    from datasets.load import DatasetModule

    given = {} if revision is None else {"revision": str(revision)}
    return DatasetModule("svit_datasets.builder", VERSION, {"dataset_name": NAME, **given})


def check_version() -> None:
    """Raise where the installed ``datasets`` is outside the range that was tested.

    Raises:
        UsageError: It is too old or too new.
    """
    import datasets

    installed = tuple(int(n) for n in datasets.__version__.split(".")[:2] if n.isdecimal())
    oldest, below = TESTED
    if not oldest <= installed < below:
        raise UsageError(_advice())


def _advice() -> str:
    wanted = f"datasets>={'.'.join(map(str, TESTED[0]))},<{TESTED[1][0]}"
    installed = getattr(sys.modules["datasets"], "__version__", "another version")
    return (
        f"svit-datasets {VERSION} was tested with {wanted}, and {installed} is installed: "
        f"pip install '{wanted}', or a newer svit-datasets"
    )
