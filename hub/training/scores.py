"""How well a classifier of two classes does on rows that training never saw."""

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

_BINS = 10


def measure(truth: pd.Series, scores: np.ndarray) -> dict[str, float]:
    """Returns the metrics of probabilities against what became true."""
    return {
        "roc_auc": float(roc_auc_score(truth, scores)),
        "average_precision": float(average_precision_score(truth, scores)),
        "brier_score": float(brier_score_loss(truth, scores)),
        "log_loss": float(log_loss(truth, scores)),
        "calibration_error": calibration_error(truth, scores),
        "held_out_rows": float(len(truth)),
    }


def calibration_error(truth: pd.Series, scores: np.ndarray) -> float:
    """Returns how far probabilities lie from what became true, on average: the expected calibration error.

    Rows are put in the order of their scores and into ten bins of equal size (Nguyen and O'Connor, 2015); those of one
    score may fall into two.
    """
    order = np.argsort(scores, kind="stable")
    bins = zip(
        np.array_split(np.asarray(truth, float)[order], _BINS), np.array_split(scores[order], _BINS), strict=True
    )
    return float(sum(abs(true.sum() - score.sum()) for true, score in bins) / len(scores))
