"""The options of commands that run shards: number of processes, engine, its address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from svit_datasets.engines.engine import ENGINES

ENGINE_OPTIONS = (
    click.option("--jobs", type=click.IntRange(1), metavar="N", help="Number of processes, 1 by default; with --engine ray, of tasks at a time, by default as many as the cluster has CPUs. The result is the same for any number."),
    click.option("--engine", type=click.Choice(ENGINES), default=ENGINES[0], show_default=True, help="What runs them: processes of this machine, or a Ray cluster."),
    click.option("--address", metavar="ADDR", help="Address of the Ray cluster: HOST:PORT, ray://HOST:PORT or auto; without it the one that RAY_ADDRESS names, else one that is started for the run."),
)  # fmt: skip


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--jobs``, ``--engine`` and ``--address``, given as ``jobs``, ``engine`` and ``address``."""
    for option in reversed(ENGINE_OPTIONS):
        command = option(command)
    return command
