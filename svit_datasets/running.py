"""Run a command of the package on an engine, by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import svit_datasets
from svit_datasets.errors import choose

_COMMANDS = ("to-llava", "from-llava", "validate", "stats", "build")


def run(command: str, *inputs: Any, engine: str = "local", **options: Any) -> Any:
    """Run a command in processes of this machine or on a Ray cluster; the result is the same to the byte.

    Args:
        command: ``to-llava``, ``from-llava``, ``validate``, ``stats`` or ``build``.
        inputs: What its function takes by position: inputs, and the output where it has one. On a cluster, paths
            that every machine sees, or addresses such as ``s3://``.
        engine: ``local`` or ``ray``.
        options: The further options of its function, among them ``jobs``, ``address`` and ``resume``.

    Returns:
        What its function returns.

    Raises:
        UsageError: There is no such command or engine, Ray is not installed, or the options do not fit together.

    >>> run("to-lava", "referring_qa.json", "llava.json")
    Traceback (most recent call last):
    svit_datasets.errors.UsageError: command='to-lava': expected one of to-llava, from-llava, validate, stats, build
    """
    choose("command", command, _COMMANDS)
    function: Callable[..., Any] = getattr(svit_datasets, command.replace("-", "_"))
    return function(*inputs, engine=engine, **options)
