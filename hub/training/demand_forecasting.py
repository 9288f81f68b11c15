"""Trains team 2's demand forecast on the sales of a chain of bakeries."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hub.training.bakery import ITEM, read_demand
from hub.training.conformal import QUANTILES
from hub.training.dataset import read_or_create
from hub.training.demand_windows import FEATURES, HISTORY, TARGETS, TIME, Panel, aimed_at, windows
from hub.training.pipelines import Say
from hub.training.quantile_network import Fitting, answer, calibrated, fit
from hub.training.trained import Baseline, DataSource, TrainedModel

MODEL = "team2_demand_forecasting"
VIEW = "product_demand"
_CALIBRATE_FROM = pd.Timestamp("2018-06-01")
_HOLD_OUT_FROM = pd.Timestamp("2018-10-01")
_DAY = pd.Timedelta(days=1)
_LATER_HOLIDAYS = ("2019-05-01",)
_WEEK = 7
_MEDIAN = 1
_SEED = 0
_PARITY_ROWS = 2000
# Windows of every so many days: neighbours are much alike. No multiples of a week, which would leave weekdays out.
_EVERY, _FAST_EVERY = 2, 10
_FITTING = Fitting(units=64, epochs=10, learning_rate=0.003)
_FAST_FITTING = Fitting(units=64, epochs=8, learning_rate=0.004)
_COVERAGE = QUANTILES[-1] - QUANTILES[0]
_BASELINES = (
    Baseline("mae_day_7", 17.2, "a forecast seven days ahead, for the same days", larger_is_better=False),
    Baseline("coverage_error_day_7", 0.03, "what intervals promise", larger_is_better=False),
    Baseline("coverage_error_all_days", 0.03, "what intervals promise", larger_is_better=False),
)
_SOURCE = DataSource(
    title="Bakery data of ddop, 105 stock items over 1,215 days of demand",
    origin="Published with ddop by the University of Würzburg; read from the package ddop 0.7.6 (MIT), members "
    "ddop/datasets/data/bakery_data.csv and bakery_target.csv.",
    licence="That of the package; nothing is stated of the data: not redistributed, downloaded when training.",
)


def train(folder: Path, say: Say, *, fast: bool) -> TrainedModel:
    """Trains on what was sold until May 2018, calibrates on the four months after, and measures from October on.

    Args:
        folder: Where data is kept; the held-out windows lie there as `demand_forecasting/held_out.parquet`.
        say: Takes progress lines.
        fast: Whether to train on fewer windows.
    """
    panel = Panel.of(read_demand(folder, say), _LATER_HOLIDAYS)
    first, last = panel.days[0], panel.days[-1]
    training = aimed_at(panel, first, _CALIBRATE_FROM - _DAY)
    training = training[training[TIME].dt.day_of_year % (_FAST_EVERY if fast else _EVERY) == 0]
    calibration = aimed_at(panel, _CALIBRATE_FROM, _HOLD_OUT_FROM - _DAY)
    held_out = read_or_create(
        folder / "demand_forecasting/held_out.parquet", lambda: aimed_at(panel, _HOLD_OUT_FROM, last)
    )
    fitting = _FAST_FITTING if fast else _FITTING
    started = time.perf_counter()
    network = fit(_matrix(training), _sold(training), fitting)
    model = calibrated(network, _matrix(calibration), _sold(calibration))
    say(f"trained on {len(training):,} windows in {time.perf_counter() - started:.1f} s")
    features = list(FEATURES)
    return TrainedModel(
        name=MODEL,
        team="team2",
        model_type="keras.Model",
        purpose="Median and 80% interval of a stock item's demand on each of the next 28 days.",
        estimator=model,
        params=asdict(fitting) | {"windows_every_days": _FAST_EVERY if fast else _EVERY, "history_days": HISTORY},
        metrics=_measure(held_out, answer(model, _matrix(held_out))),
        features=training[features].astype("float64"),
        optional=frozenset(),
        training_scores=pd.Series(answer(model, _matrix(training))[..., _MEDIAN].sum(axis=1)),
        parity_sample=held_out[features].sample(_PARITY_ROWS, random_state=_SEED).astype("float64"),
        source=_SOURCE,
        baselines=_BASELINES,
        histories={VIEW: windows(panel, _HOLD_OUT_FROM - _DAY, last)[[ITEM, TIME, *FEATURES]]},
    )


def _measure(held_out: pd.DataFrame, quantiles: NDArray[np.float32]) -> Mapping[str, float]:
    """Seven days ahead is what the baseline forecasts; the naive forecast is what was sold a week before."""
    sold = _sold(held_out)
    errors = np.abs(quantiles[..., _MEDIAN] - sold)
    inside = np.where(np.isnan(sold), np.nan, (quantiles[..., 0] <= sold) & (sold <= quantiles[..., -1]))
    naive = np.abs(held_out["demand_1"] - held_out[f"sold_{_WEEK}"])
    of_week, of_all = np.nanmean(inside[:, _WEEK - 1]), np.nanmean(inside)
    return {
        "mae_day_7": float(np.nanmean(errors[:, _WEEK - 1])),
        "mae_all_days": float(np.nanmean(errors)),
        "seasonal_naive_mae_day_7": float(naive.mean()),
        "coverage_day_7": float(of_week),
        "coverage_all_days": float(of_all),
        "coverage_error_day_7": float(abs(of_week - _COVERAGE)),
        "coverage_error_all_days": float(abs(of_all - _COVERAGE)),
        "held_out_rows": float(len(held_out)),
    }


def _matrix(rows: pd.DataFrame) -> NDArray[np.float32]:
    matrix: NDArray[np.float32] = rows[list(FEATURES)].to_numpy(np.float32)
    return matrix


def _sold(rows: pd.DataFrame) -> NDArray[np.float32]:
    sold: NDArray[np.float32] = rows[list(TARGETS)].to_numpy(np.float32)
    return sold
