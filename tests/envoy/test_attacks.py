"""Attacks, two seconds each: other callers are answered meanwhile, and memory stays where it was meant to.

`python -m benchmarks.attacks.run` makes longer ones.
"""

from collections.abc import Iterator

import pytest
from gapura_envoy.testing import RunningEdge, running_edge

from benchmarks.attacks.attackers import METHOD, PLANS
from benchmarks.attacks.witness import Caller, memory_mib, watch
from tests.envoy.conftest import Backstage, applicant

SECONDS = 2.0
MOST_MIB, LEAST_ANSWERED = 400.0, 1

# What an edge that is short of memory says, at once, to some: the caller may call again.
REFUSED = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")

# What a caller finds that had to share the cores with the attack.
LATE = "DEADLINE_EXCEEDED"


@pytest.fixture(scope="module")
def attacked(backstage: Backstage, contracts: list[bytes]) -> Iterator[tuple[RunningEdge, list[int]]]:
    """Runs an edge with the settings that it has by default, before one worker."""
    with backstage.worker("attacked") as (worker, process), running_edge([worker], contracts) as edge:
        yield edge, [edge.process.pid, process.pid]


@pytest.mark.parametrize("name", PLANS)
async def test_others_are_answered_and_memory_is_bounded(
    name: str, attacked: tuple[RunningEdge, list[int]], backstage: Backstage
) -> None:
    edge, pids = attacked
    caller = Caller(edge.address, (("x-api-key", backstage.api_key),), METHOD, applicant().SerializeToString())
    seen = await watch(name, caller, pids, SECONDS)
    assert len(seen.answered) >= LEAST_ANSWERED
    late = [told for told in seen.refused if told.startswith(LATE)]
    assert all(told.startswith((*REFUSED, LATE)) for told in seen.refused), seen.refused
    assert len(late) < len(seen.answered) + len(seen.refused) - len(late), (late, len(seen.answered))
    assert seen.most_mib < MOST_MIB, [memory_mib([pid]) for pid in pids]
