"""The configurations: SVIT's four tasks under the names of ``load_dataset``, and the images alone. No I/O."""

from __future__ import annotations

from difflib import get_close_matches

from svit_datasets.errors import UsageError
from svit_datasets.records import TASKS, TaskName, find_task

IMAGES_CONFIG = "images"
CONFIGS = (*(task.config for task in TASKS.values()), IMAGES_CONFIG)


def find_config(name: str | None) -> str:
    """Return the configuration that ``name`` means.

    Args:
        name: A configuration, or the stem of a task's file; ``-`` and ``_`` alike.

    Returns:
        One of ``CONFIGS``.

    Raises:
        UsageError: There is none, or no name was given.

    >>> find_config("complex-reasoning"), find_config("referring_qa"), find_config("images")
    ('complex_reasoning', 'referring', 'images')
    """
    known = ", ".join(CONFIGS)
    if name is None:
        raise UsageError(f"Config name is missing: load_dataset('svit', CONFIG) with one of {known}")
    if name in CONFIGS:
        return name
    task = find_task(name)
    if task is None:
        close = get_close_matches(name.lower(), CONFIGS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"BuilderConfig {name!r} not found. Available: {known}.{hint}")
    return TASKS[task].config


def task_of_config(config: str) -> TaskName | None:
    """Return the task of a configuration, None for ``images``.

    >>> task_of_config("referring"), task_of_config("images")
    ('referring_qa', None)
    """
    return next((task.stem for task in TASKS.values() if task.config == config), None)
