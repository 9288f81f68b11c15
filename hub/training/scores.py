"""How well a classifier does on rows that training never saw."""

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score


def measure(truth: pd.Series, scores: np.ndarray) -> dict[str, float]:
    """Returns the metrics of probabilities against what became true."""
    return {
        "roc_auc": float(roc_auc_score(truth, scores)),
        "average_precision": float(average_precision_score(truth, scores)),
        "brier_score": float(brier_score_loss(truth, scores)),
        "log_loss": float(log_loss(truth, scores)),
        "held_out_rows": float(len(truth)),
    }
