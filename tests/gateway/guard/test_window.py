"""A window holds what both did in the last seconds; where counts go back, since a sheet was begun anew, so does it."""

import numpy as np

from gateway.guard.window import Count, Window
from tests.gateway.guard.arms import NOTHING


def done(calls: int) -> Count:
    """Returns so many failed calls, since counting began."""
    return Count(NOTHING.durations, np.asarray(float(calls)), NOTHING.scores)


def window_of(*looks: tuple[float, int, int]) -> Window:
    window = Window(10.0)
    for now, arm, champion in looks:
        window.take(now, done(arm), done(champion))
    return window


def test_what_was_done_before_the_first_look_is_not_in_it() -> None:
    assert not window_of((0.0, 100, 100)).moments


def test_what_is_too_long_ago_is_forgotten() -> None:
    window = window_of(*((float(now), now * 2, now * 5) for now in range(21)))
    arm, champion = window.last(10.0)
    assert arm.failed.tolist() == [2.0] * 10
    assert champion.failed.tolist() == [5.0] * 10
    assert window.last(3.0)[0].failed.tolist() == [2.0] * 3
    assert (window.spans(3.0), window.spans(10.0)) == (3.0, 10.0)


def test_moments_in_which_nothing_happened_are_left_out() -> None:
    window = window_of((0.0, 0, 0), (1.0, 1, 0), (2.0, 1, 0), (3.0, 1, 1))
    assert window.last(10.0)[0].failed.tolist() == [1.0, 0.0]
    assert window.spans(10.0) == 3.0


def test_counts_that_go_back_begin_it_anew() -> None:
    window = window_of((0.0, 10, 10), (1.0, 20, 20), (2.0, 5, 25), (3.0, 7, 30))
    assert window.last(10.0)[0].failed.tolist() == [2.0]
    assert window.last(10.0)[1].failed.tolist() == [5.0]
