"""What ``make bench`` runs: commands over made files, and what each is held against."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from measuring import SVIT_CONVERT

HERE = Path(__file__).parent
PYTHON = sys.executable
BASELINE, FLOOR, FLOOR_OF_ALL = "the official algorithm", "floor", "floor, four tasks"
BARE, HELP, FOUR_TASKS = "python -c pass", "svit-convert --help", "to-llava --jobs 2, four tasks"
JOBS = ("--jobs", "2")


class Case(NamedTuple):
    """A command to measure.

    Attributes:
        name: What the table calls it.
        command: Its arguments.
        inputs: Files that it reads, for MB/s.
        output: What it writes, removed afterwards.
        floor: The case that it cannot be faster than, by name.
        baseline: The case that it is to beat, by name.
        same_as: The case whose output and words its own must equal, by name.
        keeps: Whether its output stays to the end of the round, for other cases.
    """

    name: str
    command: tuple[str, ...]
    inputs: tuple[Path, ...] = ()
    output: Path | None = None
    floor: str | None = None
    baseline: str | None = None
    same_as: str | None = None
    keeps: bool = False

    @property
    def is_command(self) -> bool:
        """Whether it is one of ours, not what these are held against."""
        return self.command[0] == SVIT_CONVERT


def cases(root: Path, out: Path) -> list[Case]:
    """Return all cases, in the order in which they run: what another reads comes first."""
    return [*_floors(root, out), *_conversions(root, out), *_looks(root), *_tables(root, out), *_starts()]


def _floors(root: Path, out: Path) -> Iterator[Case]:
    native, files = _native(root), _files(root)
    official = _script("baseline.py", native, root / "image_data.json", out / "official.json")
    yield Case(BASELINE, official, (native,), out / "official.json")
    yield Case(FLOOR, _script("floor.py", native, "-o", out / "floor.json"), (native,), out / "floor.json")
    yield Case("read", _script("floor.py", native), (native,), floor=FLOOR)
    yield Case(FLOOR_OF_ALL, _script("floor.py", *files, "-o", out / "four.json"), files, out / "four.json")


def _conversions(root: Path, out: Path) -> Iterator[Case]:
    native, files, sizes = _native(root), _files(root), ("--images", root / "image_data.json")
    llava, four = out / "llava.json", out / "all.json"
    to = ("to-llava", native, *sizes, "-o")
    yield Case("to-llava", _svit(*to, llava), (native,), llava, FLOOR, BASELINE, keeps=True)
    again = out / "llava2.json"
    yield Case("to-llava --jobs 2", _svit(*to, again, *JOBS), (native,), again, FLOOR, BASELINE, "to-llava")
    back = ("from-llava", llava, "-o")
    yield Case("from-llava", _svit(*back, out / "native"), (llava,), out / "native", FLOOR, keeps=True)
    again = out / "native2"
    yield Case("from-llava --jobs 2", _svit(*back, again, *JOBS), (llava,), again, FLOOR, same_as="from-llava")
    yield Case("compare", _svit("compare", native, out / "native" / native.name), (native,), floor=FLOOR)
    to_all = _svit("to-llava", *files, *sizes, "-o", four, *JOBS)
    yield Case(FOUR_TASKS, to_all, files, four, FLOOR_OF_ALL)


def _looks(root: Path) -> Iterator[Case]:
    native, sizes = _native(root), ("--images", root / "image_data.json")
    validate, stats = ("validate", native, *sizes, "--fail-on", "never"), ("stats", native, *sizes)
    yield Case("validate", _svit(*validate), (native,), floor=FLOOR)
    yield Case("validate --jobs 2", _svit(*validate, *JOBS), (native,), floor=FLOOR, same_as="validate")
    yield Case("stats", _svit(*stats), (native,), floor=FLOOR)
    yield Case("stats --jobs 2", _svit(*stats, *JOBS), (native,), floor=FLOOR, same_as="stats")


def _tables(root: Path, out: Path) -> Iterator[Case]:
    native = _native(root)
    yield Case("load_dataset(svit)", _script("load.py", root, "--images", "none"), (native,), floor=FLOOR)
    yield Case("load_dataset(json)", _script("load.py", root, "--images", "none", "--json"), (native,), floor=FLOOR)
    build = ("build", root, "--config", "referring", "--images", "none", "-o")
    yield Case("build", _svit(*build, out / "hub"), (native,), out / "hub", FLOOR, keeps=True)
    again = out / "hub2"
    yield Case("build --jobs 2", _svit(*build, again, *JOBS), (native,), again, FLOOR, same_as="build")


def _starts() -> Iterator[Case]:
    yield Case(BARE, (PYTHON, "-c", "pass"))
    yield Case(HELP, _svit("--help"))


def _native(root: Path) -> Path:
    return root / "data" / "referring_qa.json"


def _files(root: Path) -> tuple[Path, ...]:
    return tuple(sorted((root / "data").glob("*.json")))


def _script(name: str, *args: object) -> tuple[str, ...]:
    return (PYTHON, str(HERE / name), *map(str, args))


def _svit(*args: object) -> tuple[str, ...]:
    return (SVIT_CONVERT, *map(str, args))
