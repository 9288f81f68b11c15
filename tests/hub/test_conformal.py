"""Corrected intervals cover what they promise, however wrong the quantiles were."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hub.training.conformal import corrections

RANDOM = np.random.default_rng(0)
ROWS, STEPS = 20_000, 3
SCALES: NDArray[np.float64] = RANDOM.uniform(1, 500, ROWS)
# Each step ahead is less certain than the one before; a tail is longer above than below.
TRUTH = SCALES[:, None] * (2 + RANDOM.gamma(2, 1, (ROWS, STEPS)) * [1, 2, 3])
HALF = slice(ROWS // 2), slice(ROWS // 2, ROWS)


def guess(width: float) -> NDArray[np.float64]:
    """Returns intervals of one width around 4 scales, for every row and step."""
    ends = np.array([4 - width, 4, 4 + width])
    return np.broadcast_to(SCALES[:, None, None] * ends, (ROWS, STEPS, 3))


@pytest.mark.parametrize("width", [0.0, 1.0, 30.0], ids=["none", "narrow", "wide"])
def test_each_end_of_each_step_is_passed_by_one_in_ten(width: float) -> None:
    seen, fresh = HALF
    found = corrections(TRUTH[seen], guess(width)[seen], SCALES[seen])
    corrected = guess(width)[fresh] + found * SCALES[fresh, None, None]
    below = (TRUTH[fresh] < corrected[..., 0]).mean(axis=0)
    above = (TRUTH[fresh] > corrected[..., 2]).mean(axis=0)
    assert np.abs(below - 0.1).max() < 0.01
    assert np.abs(above - 0.1).max() < 0.01


def test_medians_stay() -> None:
    assert not corrections(TRUTH, guess(1), SCALES)[:, 1].any()


def test_rows_whose_future_is_not_known_do_not_count() -> None:
    gaps = TRUTH.copy()
    gaps[::2, 1] = np.nan
    found, expected = corrections(gaps, guess(1), SCALES), corrections(TRUTH, guess(1), SCALES)
    assert (found[[0, 2]] == expected[[0, 2]]).all()
    assert (found[1] == corrections(TRUTH[1::2], guess(1)[1::2], SCALES[1::2])[1]).all()


def test_few_rows_widen_an_interval_to_the_worst_of_them() -> None:
    """Of ten errors the tenth bounds nine tenths: an eleventh is as likely to be the largest as any other."""
    found = corrections(TRUTH[:10, :1], guess(0)[:10, :1], SCALES[:10])
    errors = TRUTH[:10, 0] / SCALES[:10] - 4
    assert found[0].tolist() == pytest.approx([errors.min(), 0, errors.max()])


def test_a_step_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="longer period"):
        corrections(np.full((5, 1), np.nan), guess(0)[:5, :1], SCALES[:5])
