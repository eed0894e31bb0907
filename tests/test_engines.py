"""``run_shards``: in order, bounded, the first fault ends all, and no process is left whatever happens."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from build_held import children_of, expect_ended
from engine_work import Work, make_large, process_id, work
from helpers_cli import WAIT_SECONDS

from svit_datasets.engines.engine import Engine, keep_workers, run_shards
from svit_datasets.errors import OutputError, RecordError

ENDED = (
    "^a process ended on its own: it was killed, for lack of memory most likely, or the script that called it does so "
    'outside of if __name__ == "__main__"; use fewer --jobs$'
)
SLEEPER = """
import time
from svit_datasets.engines.engine import Engine, run_shards
if __name__ == "__main__":
    for _ in run_shards(time.sleep, [0.01, 600, 600, 600], Engine(jobs=2)):
        print("one", flush=True)
"""
UNGUARDED = """
import threading, time
threading.Thread(target=time.sleep, args=[1]).start()  # so that the process is not forked
from svit_datasets.engines.engine import Engine, run_shards
print(list(run_shards(abs, [1, 2, 3], Engine(jobs=2))))
"""


class Counted(list[Work]):
    """A list that counts what was taken out of it."""

    taken = 0

    def __iter__(self) -> Iterator[Work]:
        for item in super().__iter__():
            self.taken += 1
            yield item


def shards(folder: Path, **kinds: str) -> Counted:
    """Return twelve shards; ``kinds`` names those that are not plain by ``_NUMBER``."""
    return Counted(Work(i, kinds.get(f"_{i}", "plain"), folder) for i in range(12))


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_results_come_in_order(tmp_path: Path, jobs: int) -> None:
    before = set(multiprocessing.active_children())
    assert list(run_shards(work, shards(tmp_path, _0="slow", _3="slow"), Engine(jobs=jobs))) == [
        i * 10 for i in range(12)
    ]
    assert set(multiprocessing.active_children()) == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_waits_is_bounded(tmp_path: Path, jobs: int) -> None:
    several = shards(tmp_path)
    ahead = [several.taken - i for i, _ in enumerate(run_shards(work, several, Engine(jobs=jobs)))]
    assert max(ahead) == (jobs + 2 if jobs > 1 else 1)


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_first_fault_ends_all_and_arrives_whole(tmp_path: Path, jobs: int) -> None:
    results = run_shards(work, shards(tmp_path, _0="slow", _2="fail", _3="fail"), Engine(jobs=jobs))
    assert [next(results), next(results)] == [0, 10]
    with pytest.raises(RecordError, match=r"^a\.json:2: found nothing at 2; ") as caught:
        next(results)
    assert caught.value.finding is not None
    assert caught.value.finding.record == 2
    assert {int(p.name) for p in tmp_path.iterdir()} <= set(range(2 + jobs + 2))
    assert not multiprocessing.active_children()


def test_a_killed_process_is_explained(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=ENDED):
        list(run_shards(work, shards(tmp_path, _4="die"), Engine(jobs=2)))
    assert not multiprocessing.active_children()


def test_leaving_early_ends_the_processes() -> None:
    began = time.monotonic()
    results = run_shards(time.sleep, [0.01, 600, 600, 600], Engine(jobs=2))
    assert next(results) is None
    results.close()
    assert time.monotonic() - began < WAIT_SECONDS
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_parent(tmp_path: Path, number: signal.Signals) -> None:
    script = tmp_path / "script.py"
    script.write_text(SLEEPER)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"one\n"
        children = children_of(process.pid)
        assert len(children) >= 2
        process.send_signal(number)
        expect_ended([process.pid, *children])


def test_a_script_without_a_guard_is_told(tmp_path: Path) -> None:
    """Each process runs such a script anew; Python's own explanation comes first."""
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=WAIT_SECONDS)
    assert ran.returncode == 1
    assert "\nsvit_datasets.errors.OutputError: a process ended on its own: " in ran.stderr


def test_nothing_to_do_starts_nothing() -> None:
    assert list(run_shards(abs, [], Engine(jobs=4))) == []
    assert list(run_shards(abs, [-7], Engine(jobs=4))) == [7]
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(("first", "fault"), [(0, RecordError), (10, OutputError)])
def test_a_fault_while_others_send_much_ends_all(first: int, fault: type[Exception]) -> None:
    results = run_shards(make_large, range(first, first + 12), Engine(jobs=3))
    with pytest.raises(fault):
        list(map(len, results))
    assert not multiprocessing.active_children()


def test_threads_have_workers_of_their_own(tmp_path: Path) -> None:
    def run(number: int) -> None:
        (tmp_path / str(number)).mkdir()
        engine = Engine(jobs=2)
        with keep_workers(engine):
            kinds = {"_3": "fail"} if number == 1 else {}
            several = shards(tmp_path / str(number), **kinds)
            try:
                found[number] = list(run_shards(work, several, engine))
            except RecordError:
                found[number] = ["a fault of its own"]

    found: dict[int, object] = {}
    threads = [threading.Thread(target=run, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    whole = [i * 10 for i in range(12)]
    assert found == {0: whole, 1: ["a fault of its own"], 2: whole}


def test_workers_are_kept_for_several_runs() -> None:
    engine = Engine(jobs=2)
    with keep_workers(engine):
        first = set(run_shards(process_id, range(6), engine))
        assert set(run_shards(process_id, range(6), engine)) <= first
    assert not multiprocessing.active_children()
