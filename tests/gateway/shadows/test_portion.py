"""How much a shadow is asked at once follows from what the latest batches took."""

from gateway.shadows.portion import MOST_ROWS, QUICK_SECONDS, Portion


def ask(portion: Portion, seconds_of_a_row: float, fixed_seconds: float = 0.0, batches: int = 40) -> int:
    """Asks full batches of a model that takes so long; returns the rows of the largest of the last ten."""
    asked = []
    for _ in range(batches):
        asked.append(portion.rows)
        portion.observe(portion.rows, fixed_seconds + portion.rows * seconds_of_a_row)
    return max(asked[-10:])


def test_the_first_batch_is_one_row() -> None:
    assert Portion(1024).rows == 1


def test_batches_of_a_quick_model_grow_to_the_most() -> None:
    assert ask(Portion(1024), 1e-6) == MOST_ROWS
    assert ask(Portion(8), 1e-6) == 8
    assert ask(Portion(0), 1e-6) == 1


def test_batches_of_a_slow_model_stay_short() -> None:
    assert ask(Portion(1024), QUICK_SECONDS / 4) <= 8
    assert ask(Portion(1024), 10 * QUICK_SECONDS) <= 2


def test_a_model_that_becomes_slow_is_asked_less_at_once() -> None:
    portion = Portion(1024)
    assert ask(portion, 1e-6) == MOST_ROWS
    assert ask(portion, QUICK_SECONDS / 4) <= 8


def test_rows_that_cost_nothing_more_are_asked_together() -> None:
    assert ask(Portion(1024), 1e-6, fixed_seconds=10 * QUICK_SECONDS) == MOST_ROWS


def test_after_a_failure_calls_are_asked_one_by_one() -> None:
    portion = Portion(1024)
    ask(portion, 1e-6)
    portion.fail()
    assert portion.rows == 1
