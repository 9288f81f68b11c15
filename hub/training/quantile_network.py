"""A network that forecasts quantiles of demand for each of the next days, of layers that every Keras has."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.quiet import quietly
from hub.training.conformal import QUANTILES, corrections
from hub.training.demand_windows import HISTORY, HORIZON

with quietly():  # what TensorFlow may say while it computes is settled by then
    import keras
    import tensorflow as tf
    from keras import layers, ops

_WEEK = 7
_YEAR = 365.25
_BEFORE = 2  # holidays of so many days before and after count for a day
_AHEAD: NDArray[np.float32] = np.arange(HORIZON, dtype=np.float32)
_BATCH = 256
_SEED = 0

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fitting:
    """How a network is fitted.

    Attributes:
        units: Width of its layers.
        epochs: Passes over the rows.
        learning_rate: The first one; it falls along a cosine.
    """

    units: int
    epochs: int
    learning_rate: float


def level_of(rows: Any) -> Any:
    """Returns the unit in which a row's demand is told to the network: its mean, and never 0; shape [rows, 1]."""
    return ops.mean(rows[:, :HISTORY], axis=1, keepdims=True) + 1.0


def fit(rows: Matrix, truth: Matrix, fitting: Fitting) -> keras.Model:
    """Fits a network of [rows, columns] -> quantiles [rows, 28, 3], which may be below 0.

    Errors count in pieces, divided by the root of the level: a large store counts for more than a small one, though not
    by as much as it sells more.

    Args:
        rows: In the order of `demand_windows.FEATURES`.
        truth: What was sold, shape [rows, 28]; NaN does not count.
        fitting: How to fit.
    """
    use_one_thread()
    keras.utils.set_random_seed(_SEED)
    network = _build(rows.shape[1], fitting.units)
    steps = math.ceil(len(rows) / _BATCH) * fitting.epochs
    pace = keras.optimizers.schedules.CosineDecay(fitting.learning_rate, steps)
    student = keras.Model(network.inputs, network.outputs)  # how it was compiled would be stored with the network
    student.compile(keras.optimizers.Adam(pace), _pinball, jit_compile=False)
    weights = np.where(np.isnan(truth), 0, 1 / np.sqrt(np.asarray(level_of(rows))))
    targets = np.nan_to_num(truth)[..., np.newaxis]
    student.fit(rows, targets, sample_weight=weights, batch_size=_BATCH, epochs=fitting.epochs, verbose=0)
    return network


def calibrated(network: keras.Model, rows: Matrix, truth: Matrix) -> keras.Model:
    """Returns the network with corrected quantiles that rise and are never below 0.

    Args:
        network: What `fit` returned.
        rows: Rows that it was not fitted on.
        truth: As `fit` takes it.
    """
    shifts = corrections(truth, answer(network, rows), np.asarray(level_of(rows))[:, 0])
    inputs = layers.Input(network.input_shape[1:])
    shifted = network(inputs) + ops.expand_dims(level_of(inputs), 2) * shifts.astype(np.float32)
    low, median, high = _parts(shifted)
    ends = [ops.minimum(low, median), median, ops.maximum(high, median)]
    return keras.Model(inputs, ops.relu(ops.concatenate(ends, axis=2)))


def answer(network: keras.Model, rows: Matrix) -> NDArray[np.float32]:
    """Returns what a network says of many rows, shape [rows, 28, 3]."""
    return np.concatenate([np.asarray(network(part)) for part in _split(rows)])


def use_one_thread() -> None:
    """Lets TensorFlow compute in one thread: threads that wait for each other are no faster on a busy machine."""
    with suppress(RuntimeError):  # it has computed in this process before, and stays as it is
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def _build(columns: int, units: int) -> keras.Model:
    """What is known of the row meets what is known of each day: its weekday's demand, its season, holidays near it."""
    rows = layers.Input((columns,))
    level = level_of(rows)
    past = rows[:, :HISTORY] / level
    holidays = rows[:, HISTORY : HISTORY + HORIZON]
    weekday, day_of_year = rows[:, -2:-1] + _AHEAD, rows[:, -1:] + _AHEAD
    same_days = ops.tile(
        ops.transpose(ops.reshape(past, (-1, HISTORY // _WEEK, _WEEK)), (0, 2, 1)), (1, HORIZON // _WEEK, 1)
    )
    known = layers.Concatenate(axis=2)(
        [same_days, _near(holidays), _waves(weekday, _WEEK, 3), _waves(day_of_year, _YEAR, 2), _far(weekday)]
    )
    whole = layers.Dense(units // 2, "relu")(layers.Concatenate()([past, ops.log(level)]))
    hidden = ops.relu(layers.Dense(units)(known) + ops.expand_dims(layers.Dense(units)(whole), 1))
    low, median, high = _parts(layers.Dense(len(QUANTILES))(layers.Dense(units, "relu")(hidden)))
    usual = ops.mean(same_days, axis=2, keepdims=True)
    median = ops.softplus(8 * (usual + median)) / 8
    ends = [median - ops.softplus(low - 1), median, median + ops.softplus(high - 1)]
    return keras.Model(rows, ops.concatenate(ends, axis=2) * ops.expand_dims(level, 2))


def _near(holidays: Any) -> Any:
    """Whether a day, or one of the two days before and after it, is a public holiday, shape [rows, 28, 5]."""
    padded = ops.pad(holidays, ((0, 0), (_BEFORE, _BEFORE)))
    return ops.stack([padded[:, shift : shift + HORIZON] for shift in range(2 * _BEFORE + 1)], axis=2)


def _waves(days: Any, period: float, count: int) -> Any:
    """Sines and cosines of days of a period, which tell 2 x count + 1 days apart."""
    angles = [days * (2 * math.pi * number / period) for number in range(1, count + 1)]
    return ops.stack([wave(angle) for angle in angles for wave in (ops.sin, ops.cos)], axis=2)


def _far(days: Any) -> Any:
    """How far ahead a day is, from 0 to 1, for each row of `days`."""
    return ops.expand_dims(ops.zeros_like(days) + _AHEAD / HORIZON, 2)


def _parts(quantiles: Any) -> Sequence[Any]:
    return [quantiles[:, :, number : number + 1] for number in range(len(QUANTILES))]


def _pinball(truth: Any, quantiles: Any) -> Any:
    """Loss whose least mean is reached by the quantiles; shape [rows, 28]."""
    errors = truth - quantiles
    shares = ops.convert_to_tensor(QUANTILES, errors.dtype)
    return ops.sum(ops.maximum(shares * errors, (shares - 1) * errors), axis=-1)


def _split(rows: Matrix) -> Sequence[Matrix]:
    return np.array_split(rows, max(1, len(rows) // 4096))
