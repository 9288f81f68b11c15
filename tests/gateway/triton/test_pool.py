"""The pool spreads load by what is outstanding, trusts outcomes, and never takes out the last replica."""

from collections import Counter
from collections.abc import AsyncIterator
from time import monotonic

import grpc
import pytest

from gateway.backends.triton.faults import Blame, NodeFault
from gateway.backends.triton.node import Node
from gateway.backends.triton.pool import KNOWN_SAMPLES, Pace, Pool
from gateway.backends.triton.replica import SLOW_START_SECONDS, Replica
from gateway.types import ModelVersion
from tests.gateway.models import version


@pytest.fixture
def served() -> ModelVersion:
    """Returns a version."""
    return version()


@pytest.fixture
async def pool(served: ModelVersion) -> AsyncIterator[Pool]:
    """Returns a pool with three ready replicas of the version."""
    nodes = [Node(f"127.0.0.1:{port}") for port in (1, 2, 3)]
    filled = Pool(lambda _: None)
    filled.spread(served, nodes)
    for replica in filled.replicas(served):
        filled.find(replica)
    yield filled
    for node in nodes:
        await node.close()


def chosen(pool: Pool, served: ModelVersion, times: int = 600) -> Counter[str]:
    """Counts which nodes are chosen."""
    picks = [pool.choose(served) for _ in range(times)]
    return Counter(pick.node.address for pick in picks if pick)


def answer(pool: Pool, replica: Replica, seconds: float, times: int = 10) -> None:
    """Lets a replica answer batches."""
    for _ in range(times):
        pool.answered(replica, seconds)


async def test_equal_nodes_are_chosen_equally_often(pool: Pool, served: ModelVersion) -> None:
    assert min(chosen(pool, served).values()) > 140


async def test_the_node_with_most_outstanding_rows_is_never_the_better_of_two(pool: Pool, served: ModelVersion) -> None:
    pool.replicas(served)[0].node.outstanding_rows = 5
    assert chosen(pool, served).keys() == {"127.0.0.1:2", "127.0.0.1:3"}


async def test_only_ready_replicas_are_chosen(pool: Pool, served: ModelVersion) -> None:
    pool.lose_node(pool.replicas(served)[1].node, "gone")
    assert chosen(pool, served).keys() == {"127.0.0.1:1", "127.0.0.1:3"}


async def test_a_replica_that_comes_back_takes_load_slowly(pool: Pool, served: ModelVersion) -> None:
    back = pool.replicas(served)[0]
    pool.lose_node(back.node, "gone")
    pool.find(back)
    assert 2 < chosen(pool, served)["127.0.0.1:1"] < 60  # a third of 600 is its full share
    back.ready_since = monotonic() - SLOW_START_SECONDS
    assert chosen(pool, served)["127.0.0.1:1"] > 140


async def test_an_outlier_is_ejected_and_one_slow_batch_is_none(pool: Pool, served: ModelVersion) -> None:
    slow, *others = pool.replicas(served)
    for replica in (slow, *others):
        answer(pool, replica, 0.005)
    answer(pool, slow, 0.5, times=1)
    assert slow.healthy
    answer(pool, slow, 0.5)
    assert not slow.healthy
    assert "127.0.0.1:1" not in chosen(pool, served)


async def test_slow_nodes_are_not_ejected_when_all_are_slow(pool: Pool, served: ModelVersion) -> None:
    for _ in range(10):
        for replica in pool.replicas(served):
            answer(pool, replica, 0.5, times=1)
    assert all(replica.healthy for replica in pool.replicas(served))


async def test_the_last_replica_is_never_ejected(pool: Pool, served: ModelVersion) -> None:
    last, *others = pool.replicas(served)
    for other in others:
        pool.lose_node(other.node, "gone")
    assert not pool.stalled(last, monotonic())
    assert chosen(pool, served).keys() == {"127.0.0.1:1"}


async def test_a_silent_node_is_ejected_only_while_another_answers(pool: Pool, served: ModelVersion) -> None:
    silent, other, _ = pool.replicas(served)
    since = monotonic() - 1
    assert not pool.stalled(silent, since)
    other.answered_at = since + 0.01
    assert pool.stalled(silent, since)


async def test_nobody_is_ejected_for_a_moment_of_silence(pool: Pool, served: ModelVersion) -> None:
    silent, other, _ = pool.replicas(served)
    since = monotonic() - 0.01
    other.answered_at = since + 0.005
    assert not pool.stalled(silent, since)


async def test_a_fault_from_before_a_replica_came_back_is_not_held_against_it(pool: Pool, served: ModelVersion) -> None:
    replica = pool.replicas(served)[0]
    sick = NodeFault(Blame.MODEL_SICK, grpc.StatusCode.INTERNAL, "Stub process 'x' is not healthy.")
    before = monotonic()
    pool.failed(replica, sick, before)
    assert not replica.ready
    pool.find(replica)
    pool.failed(replica, sick, before)
    assert replica.ready
    pool.failed(replica, sick, monotonic())
    assert not replica.ready


async def test_a_replica_that_answered_a_batch_is_not_silent(pool: Pool, served: ModelVersion) -> None:
    busy, other, _ = pool.replicas(served)
    since = monotonic() - 1
    busy.answered_at = other.answered_at = since + 0.01
    assert not pool.stalled(busy, since)


async def test_each_ejection_lasts_longer_and_a_good_trial_ends_it(pool: Pool, served: ModelVersion) -> None:
    silent, other, third = pool.replicas(served)
    for replica in (other, third):
        answer(pool, replica, 0.005)
    assert [round(silent.eject()) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert pool.due_trial(served) is None
    silent.ejected_until = monotonic()
    assert pool.due_trial(served) is silent
    pool.tried(silent, 0.5)
    assert not silent.healthy
    pool.tried(silent, 0.004)
    assert silent.healthy
    assert silent.share() < 0.5


async def test_what_is_known_of_a_node_outlives_the_coming_of_another(pool: Pool, served: ModelVersion) -> None:
    known = pool.replicas(served)
    joined = Node("127.0.0.1:4")
    pool.spread(served, [*(replica.node for replica in known), joined])
    assert pool.replicas(served)[:3] == known
    assert not pool.replicas(served)[3].ready
    await joined.close()


def test_patience_is_unknown_at_first_and_follows_the_slowest_batches() -> None:
    pace = Pace()
    for _ in range(KNOWN_SAMPLES - 1):
        pace.observe(0.001)
    assert pace.patience_seconds() is None
    pace.observe(1.0)
    assert pace.patience_seconds() == pytest.approx(3.0)
    for _ in range(1000):
        pace.observe(0.001)
    assert pace.patience_seconds() == 0.25
