"""Widens or narrows intervals until they cover what they promise: conformalised quantile regression.

Romano, Patterson and Candès, "Conformalized Quantile Regression", NeurIPS 2019, in the form of their theorem 2: either
end has a correction of its own. Ends of different steps ahead have different ones.
"""

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.1, 0.5, 0.9)


def corrections(
    truth: NDArray[np.floating], quantiles: NDArray[np.floating], scales: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Returns what to add to the quantiles of each step, in units of a row's scale, shape [steps, 3]; medians stay.

    Args:
        truth: What became true on rows that training did not see, shape [rows, steps]; NaN where it is not known.
        quantiles: What was answered to them, shape [rows, steps, 3].
        scales: Unit of each row's errors, shape [rows].

    Raises:
        ValueError: A step has no row.
    """
    low = (quantiles[..., 0] - truth) / scales[:, None]
    high = (truth - quantiles[..., 2]) / scales[:, None]
    found = np.zeros((truth.shape[1], 3))
    for step in range(truth.shape[1]):
        known = ~np.isnan(truth[:, step])
        found[step, 0] = -_bound(low[known, step], 1 - QUANTILES[0])
        found[step, 2] = _bound(high[known, step], QUANTILES[2])
    return found


def _bound(scores: NDArray[np.floating], share: float) -> float:
    """Returns what a new score does not exceed with at least this probability, if it is like the others."""
    if not len(scores):
        raise ValueError("no row is known to calibrate a step with: calibrate on a longer period")
    return float(np.quantile(scores, min(1.0, np.ceil(share * (len(scores) + 1)) / len(scores)), method="inverted_cdf"))
