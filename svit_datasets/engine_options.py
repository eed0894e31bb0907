"""The options of commands that run shards: number of processes, engine, its address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from svit_datasets.engines import ENGINES


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--jobs``, ``--engine`` and ``--address``, given as ``jobs``, ``engine`` and ``address``."""
    options = (
        click.option("--jobs", type=click.IntRange(1), metavar="N", help="Number of processes, 1 by default; with --engine ray, of tasks at a time, by default as many as the cluster has CPUs. The result is the same for any number."),
        click.option("--engine", type=click.Choice(ENGINES), default=ENGINES[0], show_default=True, help="What runs them: processes of this machine, or a Ray cluster."),
        click.option("--address", metavar="ADDR", help="Address of the Ray cluster; without it the one that runs here, else one that is started for the run."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command
