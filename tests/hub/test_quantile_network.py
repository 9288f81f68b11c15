"""The network of the demand forecast, fitted for a moment: what it answers is an interval, in every runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from converters import Conversion, convert
from hub.training.demand_windows import FEATURES, HISTORY, HORIZON
from tests.converters.samples import outputs_of, require_proof

RANDOM = np.random.default_rng(0)
ROWS = 1200  # as many real rows as a proof asks for


def drawn_rows() -> NDArray[np.float32]:
    """Small and large items, some of which were always closed."""
    levels = RANDOM.choice([0, 2, 60, 300], (ROWS, 1))
    past = RANDOM.poisson(levels, (ROWS, HISTORY))
    holidays = RANDOM.random((ROWS, HORIZON)) < 0.05
    calendar = RANDOM.integers([0, 1], [7, 367], (ROWS, 2))
    return np.column_stack([past, holidays, calendar]).astype(np.float32)


SEEN: NDArray[np.float32] = drawn_rows()
SOLD = RANDOM.poisson(SEEN[:, :HISTORY].mean(axis=1, keepdims=True), (ROWS, HORIZON)).astype(np.float32)
SOLD[::3, 20:] = np.nan


@pytest.fixture(scope="module")
def model() -> Any:
    from hub.training.quantile_network import Fitting, calibrated, fit  # noqa: PLC0415 - TensorFlow takes seconds

    network = fit(SEEN[:600], SOLD[:600], Fitting(units=8, epochs=2, learning_rate=0.01))
    return calibrated(network, SEEN[600:], SOLD[600:])


@pytest.fixture(scope="module")
def conversion(model: Any) -> Conversion:
    return convert(model, sample=pd.DataFrame(SEEN.astype(np.float64), columns=list(FEATURES)))


def test_quantiles_rise_and_no_demand_is_below_0(model: Any) -> None:
    quantiles = np.asarray(model(SEEN))
    assert quantiles.shape == (ROWS, HORIZON, 3)
    assert (np.diff(quantiles, axis=2) >= 0).all()
    assert (quantiles >= 0).all()
    assert (quantiles[..., 0] == 0).any()  # some end would be below 0


def test_intervals_cover_what_they_promise_after_hardly_any_training(model: Any) -> None:
    """On the rows that they were corrected with; what is always above 0 is covered from below more often."""
    quantiles, sold = np.asarray(model(SEEN[600:])), SOLD[600:]
    known = ~np.isnan(sold)
    assert (sold <= quantiles[..., 2])[known].mean() == pytest.approx(0.9, abs=0.02)
    assert (sold >= quantiles[..., 0])[known].mean() >= 0.89


def test_the_graph_answers_as_the_network_does(conversion: Conversion) -> None:
    require_proof(conversion, 1e-4)
    assert outputs_of(conversion) == [("prediction", "FP32", (HORIZON, 3))]
    assert conversion.signature.inputs[0].columns == FEATURES


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of TensorFlow's variables
def test_what_is_stored_needs_no_code_of_ours_to_be_loaded(model: Any, tmp_path: Path) -> None:
    """Whoever publishes it has Keras alone."""
    import keras  # noqa: PLC0415 - as above

    model.save(tmp_path / "model.keras")
    stored = keras.saving.load_model(tmp_path / "model.keras", custom_objects={}, safe_mode=True)
    assert np.array_equal(np.asarray(stored(SEEN)), np.asarray(model(SEEN)))
    assert "hub." not in str(stored.get_config())
