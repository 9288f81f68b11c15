"""Redis dies, hangs, is slow, fails over, is full or holds rubbish, and callers of stored features hardly notice."""

import asyncio
from pathlib import Path

from benchmarks.features.outages import BUDGET_SECONDS, Outcome, go_through
from benchmarks.features.troubles import troubles
from gateway.feature_views import FeatureStatus

FEW = 8  # callers each, since all happens at the same time
NOISE_SECONDS = 0.2  # what a busy two-core machine adds by itself


async def test_whatever_happens_to_redis_no_lookup_fails_and_all_are_soon_fresh_again(tmp_path: Path) -> None:
    async with troubles(tmp_path) as all_of_them:
        outcomes = await asyncio.gather(*(go_through(trouble, 1.5, FEW) for trouble in all_of_them))
    assert len(outcomes) == 9
    for outcome in outcomes:
        assert outcome.problems == [], outcome
        assert outcome.slowest(0.9) < BUDGET_SECONDS + NOISE_SECONDS, outcome
        assert outcome.again < 5, outcome
    by_name = {outcome.trouble: outcome for outcome in outcomes}
    assert fresh(by_name["nothing"]) > 0.9
    assert fresh(by_name["absent at the start"]) == 0
    assert fresh(by_name["killed"]) < 0.1
    assert 0.8 < fresh(by_name["corrupt rows"]) < 1
    assert fresh(by_name["a row of 200 MB"]) > 0.1


def fresh(outcome: Outcome) -> float:
    """Returns the share of the lookups that had fresh rows."""
    return sum(each.status is FeatureStatus.FRESH for each in outcome.during) / len(outcome.during)
