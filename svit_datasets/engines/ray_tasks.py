"""Run one function over many shards as tasks of a Ray cluster: in order, bounded, again where a worker was lost."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from svit_datasets import VERSION
from svit_datasets.engines.ray_cluster import connected
from svit_datasets.errors import OutputError, SvitWarning

S = TypeVar("S")
R = TypeVar("R")
_AHEAD = 2  # tasks that wait beyond those at work, so that no CPU is idle
_RETRIES = 3  # of a task whose worker or node was lost
_LOOK_SECONDS = 2.0  # between two looks at how many CPUs there are
_PATIENCE_SECONDS = 8.0  # without a CPU, until that is said
_GRACE_SECONDS = 5.0  # for tasks that are called off to tidy up
_LOSSES = ("WorkerCrashedError", "NodeDiedError", "LocalRayletDiedError", "ObjectLostError")  # of a process or node
_AGAIN = "its worker or its node was lost; it runs again"
_NO_CPU = "Ray: the cluster has no CPU to work with; waiting for a node that has (ray start --address=HEAD:PORT)"
_MEMORY = (
    "it needs more memory than its node has; give the nodes fewer CPUs (ray start --num-cpus=N), or make shards smaller"
)
_LOST = (
    f"its worker was lost {_RETRIES + 1} times: killed, for lack of memory most likely, or ended with its node; "
    "give the nodes fewer CPUs (ray start --num-cpus=N), or look into Ray's logs there"
)


def run_on_ray(
    function: Callable[[S], R], shards: Sequence[S], *, jobs: int | None = None, address: str | None = None
) -> Generator[R, None, None]:
    """Yield what ``function`` makes of each shard, in order, each shard a task of its own.

    A task whose worker or node was lost runs again, which is said; a fault of the function does not, and comes as
    itself when its turn does. A fault, an interruption or leaving the iterator calls off all tasks and disconnects.

    Args:
        function: A function at the top of a module that every node can import.
        shards: What to run it on.
        jobs: Number of tasks at work; None is as many as the cluster has CPUs, as nodes come and go.
        address: Address of the cluster, see ``ray_cluster.connected``.

    Yields:
        The results.

    Raises:
        OutputError: A worker was lost again and again, or a node cannot run the function.
        UsageError: Ray is not installed, or no cluster answers at the address.
    """
    if not shards:
        return
    with connected(jobs=jobs, address=address) as ray:
        cpus, tasks = _Cpus(ray), _Tasks(ray, function, len(shards))
        try:
            yield from _in_order(tasks, iter(shards), lambda: jobs or cpus.look() + _AHEAD)
        finally:
            tasks.call_off()


def _in_order(tasks: _Tasks, rest: Iterator[Any], at_work: Callable[[], int]) -> Iterator[Any]:
    """Begin tasks, up to a number at work and twice as many that are not yet taken, and yield their results."""
    while True:
        most = at_work()
        for shard in islice(rest, max(0, min(most - len(tasks.at_work), 2 * most - tasks.waiting))):
            tasks.begin(shard)
        if not tasks.waiting:
            return
        tasks.wait()
        while tasks.is_first_done:
            yield tasks.take()


class _Cpus:
    """How many CPUs the cluster has, looked up now and then; that it has none is said once."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._count, self._looked = 0, float("-inf")
        self._none_since = time.monotonic()
        self._is_said = False

    def look(self) -> int:
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._count, self._looked = int(self._ray.cluster_resources().get("CPU", 0)), now
            self._none_since = now if self._count else self._none_since
            if now - self._none_since >= _PATIENCE_SECONDS and not self._is_said:
                self._is_said = True
                warnings.warn(_NO_CPU, SvitWarning, stacklevel=2)
        return self._count


class _Begun(NamedTuple):
    """A shard at work: its number from 1, itself, and how often it was begun."""

    number: int
    shard: bytes
    times: int


class _Tasks:
    """The tasks begun and not yet taken: those at work, and the outcomes of those that are done."""

    def __init__(self, ray: Any, function: Callable[[Any], Any], count: int) -> None:
        self.at_work: dict[Any, _Begun] = {}
        self._done: dict[int, tuple[BaseException | str | None, Any]] = {}
        self._ray, self._count, self._begun, self._taken = ray, count, 0, 0
        # Ray's own trying again says nothing, and does not tell how often: a lost task is begun anew here.
        options = {"num_cpus": 1, "max_retries": 0, "scheduling_strategy": "SPREAD"}
        self._run = ray.remote(_make_task()).options(name="svit shard", **options)
        self._function = ray.cloudpickle.dumps(function)

    @property
    def waiting(self) -> int:
        """Number of shards begun and not yet taken."""
        return self._begun - self._taken

    @property
    def is_first_done(self) -> bool:
        return self._taken + 1 in self._done

    def begin(self, shard: Any) -> None:
        self._begun += 1
        self._start(_Begun(self._begun, self._ray.cloudpickle.dumps(shard), 1))

    def _start(self, begun: _Begun) -> None:
        task = self._run.remote(VERSION, str(Path.cwd()), self._function, begun.shard)
        self.at_work[task] = begun

    def wait(self) -> None:
        """Wait until a task is done, or some seconds; begin those anew whose worker was lost."""
        done, _ = self._ray.wait(list(self.at_work), timeout=_LOOK_SECONDS)
        for task in done:
            begun, exceptions = self.at_work.pop(task), self._ray.exceptions
            try:
                self._done[begun.number] = self._ray.get(task)
            except exceptions.RayTaskError as error:
                self._done[begun.number] = error.cause, None
            except exceptions.OutOfMemoryError:
                self._lose(begun, _MEMORY)
            except tuple(getattr(exceptions, name) for name in _LOSSES):
                self._lose(begun, _LOST)
            except exceptions.RayError as error:
                self._done[begun.number] = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}", None

    def _lose(self, begun: _Begun, told: str) -> None:
        if begun.times > _RETRIES:
            self._done[begun.number] = told, None
            return
        warnings.warn(self._told(begun.number, _AGAIN), SvitWarning, stacklevel=2)
        self._start(begun._replace(times=begun.times + 1))

    def take(self) -> Any:
        """Return the first result, or raise what became of it."""
        self._taken += 1
        fault, result = self._done.pop(self._taken)
        if isinstance(fault, str):
            raise OutputError(self._told(self._taken, fault))
        if fault is not None:
            raise fault
        return result

    def call_off(self) -> None:
        """End what still runs: first as an interruption does, then for good."""
        tasks = list(self.at_work)
        for task in tasks:
            self._ray.cancel(task)
        if tasks:
            _, left = self._ray.wait(tasks, num_returns=len(tasks), timeout=_GRACE_SECONDS)
            for task in left:
                self._ray.cancel(task, force=True)

    def _told(self, number: int, text: str) -> str:
        return f"Ray, shard {number:,} of {self._count:,}: {text}"


def _make_task() -> Callable[[str, str, bytes, bytes], tuple[str | None, Any]]:
    """Return what a worker runs: it travels as code and names nothing of this package, as that may be missing there."""

    def run_shard(version: str, folder: str, function: bytes, shard: bytes) -> tuple[str | None, Any]:
        import os
        import pickle
        import socket
        from pathlib import Path

        where = f"the node {socket.gethostname()}"
        mend = "on every node, or give it by a runtime environment"
        try:
            from svit_datasets import VERSION

            if version != VERSION:
                return f"{where} has svit-datasets {VERSION}; install {version} {mend}", None
            call, argument = pickle.loads(function), pickle.loads(shard)
        except ImportError as error:
            return f"{where} cannot import what it needs ({error}); install that {mend}", None
        if Path(folder).is_dir():
            os.chdir(folder)  # so that relative paths name the same files everywhere
        try:
            return None, call(argument)
        except Exception as error:
            try:
                pickle.loads(pickle.dumps(error))
            except Exception:  # noqa: BLE001 - what does not travel is told in words
                return f"{where}: {type(error).__name__}: {error}", None
            raise

    return run_shard
