"""Versions go live and come back on two nodes and two gateways before 64 callers: only their answers say so."""

import pytest

from benchmarks.promotions.run import measure

PROMOTIONS, ROLLBACKS = 2, 1


@pytest.mark.timeout(180)
async def test_no_call_fails_and_every_answer_is_that_of_its_version() -> None:
    seen = await measure(PROMOTIONS + ROLLBACKS, 0.2)
    assert seen.problems == {}
    assert seen.calls > 200
    lived = {kind: len(seconds) for kind, seconds in seen.seconds.items()}
    assert lived == {"at first": 1, "new model": 1, "promotion": PROMOTIONS, "rollback": ROLLBACKS}
