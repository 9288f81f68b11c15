"""Whatever happens in whatever order, every call gets exactly one answer, its own.

A hundred thousand steps in a dozen seconds; `GAPURA_TEST_STEPS=1000000` for as many as that.
"""

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.gateway.batching.clock import run
from tests.gateway.batching.walk import SETUP_BYTES, STEP_BYTES, Walk

STEPS = int(os.environ.get("GAPURA_TEST_STEPS", "100000"))
STEPS_PER_WALK, WALKS = 500, STEPS // 700  # a burst of calls is a step, and counts as many as it has calls
SCRIPTS = st.binary(
    min_size=SETUP_BYTES + STEP_BYTES * STEPS_PER_WALK, max_size=SETUP_BYTES + STEP_BYTES * STEPS_PER_WALK
)

# Each of these ends so many calls of a million steps at least, or the walks have gone astray.
LEAST = {
    "answered": 100_000,
    "left waiting": 5_000,
    "left in flight": 5_000,
    "expired waiting": 1_000,
    "expired in flight": 1_000,
    "QUEUE_FULL": 10_000,
    "DEADLINE_UNREACHABLE": 10_000,
    "poisoned": 1_000,
    "node failed": 5_000,
    "not served": 1_000,
    "tried apart": 1_000,
}


@pytest.mark.timeout(900)  # as long as a million steps may take on a busy machine
def test_every_call_gets_its_own_answer() -> None:
    endings, steps = Counter[str](), 0

    @settings(
        max_examples=WALKS,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(SCRIPTS)
    def walk(script: bytes) -> None:
        nonlocal steps
        follower = Walk(script)
        loop = run(follower.follow())
        assert not loop.problems
        assert all(task.done() for task in loop.tasks)
        follower.check()
        endings.update(follower.endings)
        steps += follower.steps

    walk()
    assert steps >= STEPS
    assert {ending: endings[ending] for ending, least in LEAST.items() if endings[ending] < least * STEPS / 1e6} == {}
