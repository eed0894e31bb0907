"""The engine ``ray`` on a cluster of three nodes: in order, bounded, again where a worker or a node was lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE

import pytest
import ray_work
from build_held import expect_ended
from helpers_cli import WAIT_SECONDS
from ray_work import Nodes, begun, most_at_a_time, shards, wait_until_begun, work

from svit_datasets.engines import ray_tasks as ray_engine
from svit_datasets.engines.engine import Engine, run_shards
from svit_datasets.engines.ray_cluster import connected
from svit_datasets.engines.ray_tasks import run_on_ray
from svit_datasets.errors import OutputError, RecordError, SvitWarning

pytestmark = ray_work.needs_ray
AGAIN = r"^Ray, shard {} of {}: its worker or its node was lost; it runs again$"
LOST = (
    r"^Ray, shard 2 of 3: its worker was lost 4 times: killed, for lack of memory most likely, or ended with its node; "
    r"give the nodes fewer CPUs \(ray start --num-cpus=N\), or look into Ray's logs there$"
)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Connect to a cluster of three nodes of one CPU each."""
    with ray_work.cluster("a", "b") as running, connected(address=running.address):
        yield running


def results(count: int) -> list[bytes]:
    return [b"%d" % i * 200_000 for i in range(count)]


def run_with(folder: Path, count: int, meanwhile: Callable[[], object], jobs: int | None = None, **kinds: str) -> bool:
    """Run shards while something happens to the cluster; return whether the results are those of one process."""
    with ThreadPoolExecutor(1) as other:
        done = other.submit(meanwhile)
        made = list(run_on_ray(work, shards(folder, count, **kinds), jobs=jobs))
        done.result()
    return made == results(count)


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize("jobs", [None, 1, 2])
def test_results_come_in_order_from_several_nodes(tmp_path: Path, jobs: int | None) -> None:
    several = shards(tmp_path, _0="slow", _3="slow", _4="slow")
    assert list(run_shards(work, several, Engine("ray", jobs))) == results(12)
    assert most_at_a_time(tmp_path) <= (jobs or 3)
    used = {begun(tmp_path, i)[0].node for i in range(12)}
    assert jobs == 1 or len(used) >= 2


def test_what_waits_is_bounded(nodes: Nodes, tmp_path: Path) -> None:
    def look() -> None:
        for i in range(4):
            wait_until_begun(tmp_path, i)
        seen = {i for i in range(12) if begun(tmp_path, i)}
        (tmp_path / "go").touch()
        assert seen == {0, 1, 2, 3}

    assert nodes.address
    assert run_with(tmp_path, 12, look, jobs=2, _0="hold")


@pytest.mark.usefixtures("nodes")
def test_the_first_fault_stops_all_and_arrives_as_itself(tmp_path: Path) -> None:
    made = run_on_ray(work, shards(tmp_path, _0="slow", _2="fail", _3="fail", _4="hold"), jobs=3)
    assert [next(made), next(made)] == results(2)
    with pytest.raises(RecordError, match=r"^a\.json:2: found nothing at 2; ") as caught:
        next(made)
    assert type(caught.value) is RecordError
    assert caught.value.finding is not None
    assert caught.value.finding.record == 2
    assert len(begun(tmp_path, 2)) == 1, "a fault is not tried again"
    assert {int(p.name.split(".")[0]) for p in tmp_path.iterdir()} <= set(range(6))


@pytest.mark.usefixtures("nodes")
def test_leaving_early_ends_tasks_that_can_be_interrupted_and_those_that_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "_GRACE_SECONDS", 1.0)
    made = run_on_ray(work, shards(tmp_path, 3, _1="hold", _2="deaf"))
    assert next(made) == results(1)[0]
    deaf = [wait_until_begun(tmp_path, i).process for i in (1, 2)][1]
    made.close()
    expect_ended([deaf])
    (tmp_path / "go").touch()
    assert list(run_on_ray(work, shards(tmp_path, 1))) == results(1)
    assert not list(tmp_path.glob("[12].*.done"))


@pytest.mark.usefixtures("nodes")
def test_a_killed_worker_is_followed_by_another(tmp_path: Path) -> None:
    def kill() -> None:
        os.kill(wait_until_begun(tmp_path, 3).process, signal.SIGKILL)
        wait_until_begun(tmp_path, 3, times=2)
        (tmp_path / "go").touch()

    with pytest.warns(SvitWarning, match=AGAIN.format(4, 8)) as said:
        assert run_with(tmp_path, 8, kill, _3="hold")
    assert len(said) == 1
    assert len(begun(tmp_path, 3)) == 2


@pytest.mark.usefixtures("nodes")
def test_a_worker_killed_each_time_is_explained(tmp_path: Path) -> None:
    with pytest.warns(SvitWarning, match=AGAIN.format(2, 3)) as said, pytest.raises(OutputError, match=LOST):
        list(run_on_ray(work, shards(tmp_path, 3, _1="die")))
    assert len(begun(tmp_path, 1)) == 4
    assert len(said) == 3


@pytest.mark.usefixtures("nodes")
def test_a_fault_that_does_not_travel_is_told_in_words_and_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"^Ray, shard 2 of 3: the node \S+: OddError: the store says no$"):
        list(run_on_ray(work, shards(tmp_path, 3, _1="odd")))
    assert len(begun(tmp_path, 1)) == 1


def test_an_interrupted_driver_calls_off_its_tasks(nodes: Nodes, tmp_path: Path) -> None:
    """The driver finds the cluster by ``RAY_ADDRESS``; its workers end with it, those of others go on."""
    environment = {**os.environ, "RAY_ADDRESS": nodes.address}
    with subprocess.Popen([sys.executable, ray_work.__file__, tmp_path], env=environment, stderr=PIPE) as driver:
        held = wait_until_begun(tmp_path, 1).process
        driver.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in driver.communicate(timeout=WAIT_SECONDS)[1]
        expect_ended([held])
    assert list(run_on_ray(abs, [-1])) == [1]


def test_a_removed_node_is_followed_by_the_others(nodes: Nodes, tmp_path: Path) -> None:
    extra = nodes.add("c")

    def remove() -> None:
        assert extra in [wait_until_begun(tmp_path, i).node for i in range(4)]
        nodes.remove("c")
        (tmp_path / "go").touch()

    with pytest.warns(SvitWarning, match=AGAIN.format("[1-4]", 8)):
        assert run_with(tmp_path, 8, remove, jobs=4, _0="hold", _1="hold", _2="hold", _3="hold")
    assert sorted(len(begun(tmp_path, i)) for i in range(4)) == [1, 1, 1, 2]


@pytest.mark.usefixtures("nodes")
def test_a_node_with_another_version_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "VERSION", "9.9.9")
    told = r"^Ray, shard 1 of 1: the node \S+ has svit-datasets \d\S+; install 9\.9\.9 on every node, or give it by a "
    with pytest.raises(OutputError, match=told):
        list(run_on_ray(work, shards(tmp_path, 1)))


@pytest.mark.usefixtures("nodes")
def test_a_function_that_no_node_can_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("only_here")
    exec("def double(number):\n    return 2 * number", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)
    told = (
        r"^Ray, shard 1 of 2: the node \S+ cannot import what it needs \(No module named 'only_here'\); install that on"
    )
    with pytest.raises(OutputError, match=told):
        list(run_on_ray(module.double, [1, 2]))


def test_a_cluster_without_a_cpu_says_so_and_works_once_it_has_one(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster is asked as it is, but for its CPUs, which seem to be none at first."""
    assert nodes.address
    import ray

    asked = [3.0, 0.0, 0.0, 0.0]
    monkeypatch.setattr(ray_engine, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(ray_engine, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": asked.pop() if len(asked) > 1 else 3.0})
    with pytest.warns(SvitWarning, match=r"^Ray: the cluster has no CPU to work with; waiting for a node that has "):
        assert list(run_on_ray(abs, [-1, -2, -3])) == [1, 2, 3]


@pytest.mark.usefixtures("nodes")
def test_relative_paths_name_the_same_files_on_the_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert list(run_on_ray(Path.absolute, [Path("a.json")])) == [tmp_path / "a.json"]


def test_nothing_to_do_connects_to_nothing() -> None:
    assert list(run_on_ray(abs, [], address="127.0.0.1:1")) == []
