"""Under too much load a model answers as much as it can in time, and nobody pays for somebody else's flood."""

from functools import partial

import pytest

from gateway.types import Priority
from tests.gateway.batching.traffic import MAX_BATCH_SIZE, Cost, Source, Traffic

SHORT = partial(Traffic, seconds=3.5, warm=1.0)  # long enough for some hundred batches after lanes have learnt
COSTS = {
    "fixed": Cost(0.02, 0.0),
    "per row": Cost(0.0, 0.001),
    "mixed": Cost(0.008, 0.0008),
    "fixed, varying": Cost(0.02, 0.0, jitter=0.5),
    "per row, varying": Cost(0.0, 0.001, jitter=0.5),
    "mixed, varying": Cost(0.008, 0.0008, jitter=0.5),
    "mixed, on four nodes": Cost(0.008, 0.0008, places=4),
}


@pytest.mark.parametrize("slots", [1, None], ids=["one slot", "slots learnt"])
@pytest.mark.parametrize("name", COSTS)
def test_at_five_times_its_capacity_a_model_answers_what_it_can_in_time(name: str, slots: int | None) -> None:
    cost = COSTS[name]
    traffic = SHORT(cost, [Source(5 * cost.capacity)], slots and cost.places)
    [outcome] = traffic.simulate()
    admitted = outcome.asked - outcome.refused
    assert len(outcome.latencies) / (traffic.seconds - traffic.warm) >= 0.9 * cost.capacity
    assert outcome.percentile(0.99) <= 0.1
    assert outcome.expired <= 0.1 * admitted


def test_others_do_not_notice_a_tenant_that_sends_twenty_times_its_share() -> None:
    cost = COSTS["fixed"]
    others = [Source(0.15 * cost.capacity, tenant, timeout_seconds=1.0) for tenant in ("b", "c", "d")]
    quiet = SHORT(cost, others, 1).simulate()
    flooded = SHORT(cost, [*others, Source(5 * cost.capacity, "flood", timeout_seconds=1.0)], 1).simulate()
    for before, now in zip(quiet, flooded, strict=False):
        assert now.refused == now.expired == 0
        assert now.percentile(0.99) <= 1.5 * before.percentile(0.99)


@pytest.mark.parametrize("name", COSTS)
def test_an_urgent_call_waits_for_one_batch_of_a_flood_at_most(name: str) -> None:
    cost = COSTS[name]
    urgent = Source(0.02 * cost.capacity, "urgent", Priority.HIGH, timeout_seconds=1.0)
    [idle] = SHORT(cost, [urgent], cost.places).simulate()
    [now, _] = SHORT(cost, [urgent, Source(5 * cost.capacity, "flood", timeout_seconds=1.0)], cost.places).simulate()
    assert now.refused == now.expired == 0
    assert now.percentile(0.99) <= 2 * idle.percentile(0.99) + cost.seconds(MAX_BATCH_SIZE) * (1 + cost.jitter)
