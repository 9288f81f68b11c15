"""The breaker opens by the share of late answers, and one probe in time closes it."""

from gateway.features.breaker import PROBE_SECONDS, WINDOW_SECONDS, Breaker


def test_a_store_that_answers_in_time_leaves_it_closed() -> None:
    breaker = Breaker()
    for moment in range(1000):
        breaker.record(moment / 1000, in_time=moment % 3 > 0)
    assert not breaker.open


def test_every_other_answer_late_opens_it_though_none_follows_another() -> None:
    breaker = Breaker()
    for moment in range(4):
        breaker.record(moment / 10, in_time=moment % 2 > 0)
    assert breaker.open


def test_few_outcomes_say_nothing() -> None:
    breaker = Breaker()
    for moment in range(3):
        breaker.record(moment / 10, in_time=False)
    assert not breaker.open


def test_what_is_long_ago_is_forgotten() -> None:
    breaker = Breaker()
    for moment in range(3):
        breaker.record(moment / 10, in_time=False)
    breaker.record(WINDOW_SECONDS + 1, in_time=False)
    assert not breaker.open


def opened() -> Breaker:
    """Returns a breaker that was opened at 0."""
    breaker = Breaker()
    for _ in range(4):
        breaker.record(0.0, in_time=False)
    assert breaker.open
    return breaker


def test_probes_are_apart() -> None:
    breaker = opened()
    assert not breaker.probes(PROBE_SECONDS / 2)
    assert breaker.probes(PROBE_SECONDS)
    assert not breaker.probes(PROBE_SECONDS * 1.5)
    assert breaker.probes(PROBE_SECONDS * 2)


def test_a_probe_in_time_closes_it_and_a_late_one_does_not() -> None:
    breaker = opened()
    breaker.record(0.1, in_time=False)
    assert breaker.open
    breaker.record(0.2, in_time=True)
    assert not breaker.open
    breaker.record(0.3, in_time=False)
    assert not breaker.open
