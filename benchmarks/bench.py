"""Measure the commands on made files of real size, and print a table.

    python benchmarks/bench.py CACHE [--scale 1] [--repeat 3] [--only 'to-llava*'] [--clock cpu]

Each command runs in a process of its own, in rounds: the official algorithm, the floor, all commands, and again. Before
them each runs once on a few images, so that what is compiled on first use is not measured. The table holds the median
of each figure over the rounds; a ratio is taken inside a round. Where another number of jobs must give the same bytes,
that is looked at too. CACHE keeps the made files, 2 GB at full size; outputs take up to 8 GB beside them for a while.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatch
from hashlib import file_digest
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click
from cases import BARE, BASELINE, FLOOR, FOUR_TASKS, HELP, HERE, Case, cases
from measuring import Measured, machine, markdown, measure

IMAGES, WARM_UP_IMAGES = 100_000, 50
HEAD = ("what", "s", "CPU s", "MB/s", "largest process", "all processes", "times the floor", "official, times this")


class Run(NamedTuple):
    """A case once measured, and the size of what it read."""

    took: Measured
    input_bytes: int


Rounds = dict[str, list[Run]]  # by case
Clock = Callable[[Measured], float]
CLOCKS: dict[str, Clock] = {"wall": lambda took: took.wall_s, "cpu": lambda took: took.cpu_s}
# What is to be reached: words, dividend, divisor.
RATIOS = (
    ("official algorithm to `to-llava`, at least 8", BASELINE, "to-llava"),
    ("`to-llava` to floor, at most 1.6", "to-llava", FLOOR),
    ("one job to two, at least 1.8", "to-llava", "to-llava --jobs 2"),
    ("`from-llava` to `to-llava`, at most 1.5", "from-llava", "to-llava"),
    ("`json` loader to `svit`, at least 5", "load_dataset(json)", "load_dataset(svit)"),
)


@click.command()
@click.argument("cache", type=click.Path(path_type=Path))
@click.option("--scale", default=1.0, show_default=True, help=f"Part of {IMAGES:,} images a task.")
@click.option("--repeat", default=3, show_default=True, help="Rounds.")
@click.option("--only", multiple=True, help="Only this case, or *; what it is held against runs too.")
@click.option("--clock", type=click.Choice(list(CLOCKS)), default="wall", show_default=True, help="Of the ratios.")
@click.option("--no-warm-up", is_flag=True, help="Let the first round compile what is not compiled yet.")
def main(cache: Path, scale: float, repeat: int, only: tuple[str, ...], clock: str, no_warm_up: bool) -> None:
    images = max(1, round(IMAGES * scale))
    root, rounds = made(cache, images), Rounds()
    chosen = choose(cases(root, cache), only)
    if not no_warm_up:
        warm_up(cache, [case.name for case in chosen if case.is_command and not case.same_as])
    for number in range(1, repeat + 1):
        click.echo(f"round {number} of {repeat}", err=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".out.") as out:
            chosen = choose(cases(root, Path(out)), only)
            for case, run in zip(chosen, run_all(chosen), strict=True):
                rounds.setdefault(case.name, []).append(run)
    click.echo(f"{machine()}; {images:,} images a task, median of {repeat}, ratios of {clock} time\n")
    click.echo(markdown(HEAD, [row(case, rounds, CLOCKS[clock]) for case in chosen]))
    click.echo("\n" + markdown(("figure", "measured"), list(figures(rounds, CLOCKS[clock]))))


def made(cache: Path, images: int) -> Path:
    """Return a folder of made files, made in a process of its own if need be."""
    command = [sys.executable, str(HERE / "cached.py"), str(cache), "--images", str(images)]
    return Path(measure(command).out.strip())


def warm_up(cache: Path, names: Sequence[str]) -> None:
    """Run commands once on a few images, compiled loops forced on: what is compiled is kept and not measured."""
    root = made(cache, WARM_UP_IMAGES)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".out.") as out:
        found = [case for case in cases(root, Path(out)) if case.name in names]
        wall_s = sum(measure(case.command, env={"SVIT_KERNELS": "1"}).wall_s for case in found)
    click.echo(f"warm-up: {wall_s:.1f} s", err=True)


def choose(found: list[Case], only: tuple[str, ...]) -> list[Case]:
    """Return the cases that are wanted, and those that they need; all without ``only``."""
    if not only:
        return found
    names = {case.name for case in found if any(fnmatch(case.name, one) for one in only)}
    made_by = {str(case.output): case.name for case in found if case.output}
    while True:
        wanted = [case for case in found if case.name in names]
        held = {name for case in wanted for name in (case.floor, case.baseline, case.same_as) if name}
        read = {maker for case in wanted for arg in case.command for o, maker in made_by.items() if arg.startswith(o)}
        if held | read <= names:
            return wanted
        names |= held | read


def run_all(chosen: Sequence[Case]) -> list[Run]:
    """Run each case once, in order; end where two outputs differ that must not."""
    runs: dict[str, Run] = {}
    by_name = {case.name: case for case in chosen}
    for case in chosen:
        took = measure(case.command)
        runs[case.name] = Run(took, sum(path.stat().st_size for path in case.inputs))
        click.echo(f"  {case.name}: {took.wall_s:.1f} s, {took.cpu_s:.1f} CPU s", err=True)
        if case.same_as:
            like = by_name[case.same_as]
            if took.out != runs[like.name].took.out or digests(case.output) != digests(like.output):
                sys.exit(f"{case.name}: what it made is not what {like.name} made")
        if case.output and not case.keeps:
            shutil.rmtree(case.output) if case.output.is_dir() else case.output.unlink()
    return list(runs.values())


def digests(output: Path | None) -> dict[str, str]:
    """Return the SHA-256 of a file, or of each file in a folder."""
    if output is None:
        return {}
    files = sorted(output.rglob("*")) if output.is_dir() else [output]
    found = {}
    for path in (path for path in files if path.is_file()):
        with path.open("rb") as file:
            found["" if path == output else str(path.relative_to(output))] = file_digest(file, "sha256").hexdigest()
    return found


def row(case: Case, rounds: Rounds, clock: Clock) -> list[str]:
    """Return a case's line of the table."""
    took, size_mb = [run.took for run in rounds[case.name]], rounds[case.name][0].input_bytes / 1e6
    wall_s = median(one.wall_s for one in took)
    return [
        f"`{case.name}`" if case.is_command else case.name,
        f"{wall_s:.2f}",
        f"{median(one.cpu_s for one in took):.2f}",
        f"{size_mb / wall_s:.0f}" if size_mb else "",
        f"{median(one.peak_bytes for one in took) / 1e6:.0f} MB",
        f"{median(one.peak_sum_bytes for one in took) / 1e6:.0f} MB",
        f"{ratio(rounds, case.name, case.floor, clock):.2f}" if case.floor else "",
        f"{ratio(rounds, case.baseline, case.name, clock):.1f}" if case.baseline else "",
    ]


def ratio(rounds: Rounds, dividend: str, divisor: str, clock: Clock) -> float:
    """Return the median over the rounds of one case's time to another's of the same round."""
    pairs = zip(rounds[dividend], rounds[divisor], strict=True)
    return median(clock(above.took) / clock(below.took) for above, below in pairs)


def figures(rounds: Rounds, clock: Clock) -> Iterator[list[str]]:
    """Yield the figures that are to be reached, as far as their cases ran."""
    for words, above, below in RATIOS:
        if above in rounds and below in rounds:
            yield [words, f"{ratio(rounds, above, below, clock):.2f}"]
    if HELP in rounds and BARE in rounds:
        beyond = [run.took.wall_s - bare.took.wall_s for run, bare in zip(rounds[HELP], rounds[BARE], strict=True)]
        yield [f"`{HELP}` beyond the interpreter, at most 0.4 s", f"{median(beyond):.2f} s"]
    if FOUR_TASKS in rounds:
        wall_s = median(run.took.wall_s for run in rounds[FOUR_TASKS])
        yield ["four tasks to one file, two jobs, at most 45 s", f"{wall_s:.1f} s"]
    if "to-llava" in rounds:
        peak = max(run.took.peak_bytes for run in rounds["to-llava"])
        yield ["`to-llava`, peak memory, at most 400 MB", f"{peak / 1e6:.0f} MB"]


if __name__ == "__main__":
    main()
