"""After an outage, requests of the first second are at most twice the usual."""

import pytest

from gateway.features.pace import GENTLE_SECONDS, Pace


def usual(pace: Pace, each_second: int, seconds: int = 20) -> float:
    """Sends requests evenly; returns the time after them."""
    pace.recover(0.0)
    for number in range(each_second * seconds):
        pace.sent(number / each_second)
    return float(seconds)


@pytest.mark.parametrize("each_second", [20, 100, 1000])
def test_the_first_second_has_at_most_twice_the_usual(each_second: int) -> None:
    pace = Pace()
    began = now = usual(pace, each_second) + 60
    pace.recover(now)
    sent = 0
    while now < began + GENTLE_SECONDS:
        pause = pace.wait(now)
        if pause:
            now += pause
            continue
        pace.sent(now)
        sent += 1
    assert each_second <= sent <= 2 * each_second


def test_usually_nothing_waits() -> None:
    pace = Pace()
    now = usual(pace, 50)
    assert pace.wait(now) == 0
    pace.recover(now)
    assert pace.wait(now + GENTLE_SECONDS) == 0


def test_before_anything_is_usual_nothing_waits() -> None:
    pace = Pace()
    pace.recover(0.0)
    pace.sent(0.1)
    assert pace.wait(0.1) == 0


def test_probes_of_a_store_that_is_away_are_not_usual() -> None:
    pace = Pace()
    for number in range(100):
        pace.sent(number / 10)
    pace.recover(10.0)
    assert pace.wait(10.0) == 0
    now = usual(pace, 1000)
    pace.lose()
    for number in range(100):
        pace.sent(now + number / 10)
    pace.recover(now + 10)
    pace.sent(now + 10)
    assert pace.wait(now + 10) < 0.001
