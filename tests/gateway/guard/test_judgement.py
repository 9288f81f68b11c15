"""An arm at fault is found within seconds; one that is as good as the champion is left alone, whatever the noise."""

from dataclasses import replace
from statistics import median

import pytest

from gateway.guard.judgement import judge
from gateway.guard.window import Window
from tests.gateway.guard.arms import LIMITS, NOTHING, Behaviour, Trial

FAULTS = {
    "error_rate": Behaviour(1, errors=0.05),
    "latency_ratio": Behaviour(1, slower=3.0),
    "score_shift": Behaviour(1, shift=0.2),
}
MINUTE = 60


@pytest.mark.parametrize("well_seconds", [0, 35], ids=["from the start", "after it was well"])
@pytest.mark.parametrize(("rate", "rate_there", "within"), [(50, 450, 4.5), (50, 50, 8.0), (20, 180, 8.0)])
@pytest.mark.parametrize("guardrail", FAULTS)
def test_an_arm_at_fault_is_found_within_seconds(
    guardrail: str, rate: float, rate_there: float, within: float, well_seconds: int
) -> None:
    took: list[float] = []
    well, champion = Behaviour(rate), Behaviour(rate_there)
    faulty = replace(FAULTS[guardrail], rate=rate)
    for seed in range(3):
        trial = Trial(seed)
        assert trial.run(well_seconds, well, champion) is None
        found = trial.run(40, faulty, champion)
        assert found is not None
        seconds, breach = found
        assert breach.guardrail == guardrail
        took.append(seconds)
    assert median(took) <= within + (1.0 if well_seconds else 0.0)


@pytest.mark.parametrize(
    "how",
    [
        Behaviour(50),
        Behaviour(50, errors=0.02),
        Behaviour(50, stalls=0.1),
        Behaviour(50, failing_batches=0.05),
        Behaviour(20, rows=100),
        Behaviour(4, errors=0.05, stalls=0.1),
    ],
    ids=["good", "errors", "stalls", "batches", "rows", "few"],
)
@pytest.mark.parametrize("times", [1, 9], ids=["a half", "a tenth"])
def test_an_arm_that_is_as_good_as_the_champion_is_left_alone(how: Behaviour, times: float) -> None:
    assert Trial(1).run(2 * MINUTE, how, replace(how, rate=how.rate * times)) is None


def test_an_arm_that_is_better_than_the_champion_is_left_alone() -> None:
    worse = Behaviour(100, errors=0.2, slower=4.0)
    assert Trial(1).run(MINUTE, Behaviour(50), worse) is None


def test_a_moment_in_which_everything_fails_or_stands_still_is_no_breach() -> None:
    trial = Trial(1)
    assert trial.run(10, Behaviour(50), Behaviour(450)) is None
    assert trial.run(1, Behaviour(50, errors=0.5), Behaviour(450)) is None
    assert trial.run(40, Behaviour(50), Behaviour(450)) is None


def test_few_calls_are_not_judged() -> None:
    broken = Behaviour(1, errors=1.0)
    assert Trial(1).run(40, broken, Behaviour(450)) is None
    assert Trial(1).run(40, replace(broken, rate=50), Behaviour(1)) is None


def test_an_arm_that_answers_nothing_is_found() -> None:
    found = Trial(1).run(10, Behaviour(50, errors=1.0), Behaviour(450))
    assert found is not None
    assert found[1].reason.startswith("within ")
    assert "100.00%" in found[1].reason


def test_what_is_allowed_is_no_breach() -> None:
    allowed = Behaviour(500, errors=0.005, slower=1.3, shift=0.005)
    assert Trial(1).run(MINUTE, allowed, Behaviour(500)) is None


def test_a_window_without_calls_is_not_judged() -> None:
    window = Window(30.0)
    assert judge(window, LIMITS) is None
    for now in range(3):
        window.take(float(now), NOTHING, NOTHING)
    assert judge(window, LIMITS) is None
