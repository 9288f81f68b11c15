"""Which models convert, how exactly, and what is said about those that do not."""

from typing import Any

import numpy as np
import pytest
from skl2onnx.sklapi import CastTransformer
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from converters import ConversionError, InputSpec, ParityError, TensorSpec, convert
from converters.session import open_session, run
from tests.converters.samples import COLUMNS, DOUBLES, FLOATS, boosted_trees, draw_rows, label

ROWS = draw_rows()
GAPS = draw_rows(missing=True)
TREES = boosted_trees(ROWS)
TREES_WITH_GAPS = boosted_trees(GAPS)


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(10, random_state=0)


def test_boosted_trees_take_one_tensor_in_the_order_of_the_signature() -> None:
    signature = convert(TREES_WITH_GAPS, "sklearn", DOUBLES, GAPS).signature
    assert signature.inputs == (TensorSpec("input", "FP64", (4,), COLUMNS),)
    assert signature.outputs == (TensorSpec("label", "INT64", (1,)), TensorSpec("probabilities", "FP32", (2,)))


def test_a_proof_covers_all_real_rows_and_the_edges() -> None:
    report = convert(TREES_WITH_GAPS, "sklearn", DOUBLES, GAPS).report
    assert report.rows == len(GAPS) + report.edge_rows
    assert report.edge_rows == 1 + 3 * len(COLUMNS) + 1  # the last column can be missing
    assert report.max_abs_diff < 1e-6


def test_an_answer_does_not_depend_on_the_batch_that_carries_it() -> None:
    session = open_session(convert(TREES_WITH_GAPS, "sklearn", DOUBLES, GAPS).onnx_bytes)
    whole = run(session, GAPS[:255])
    for size in (1, 2, 3, 17, 64):
        parts = [run(session, GAPS[start : min(start + size, 255)]) for start in range(0, 255, size)]
        for name, answer in whole.items():
            assert np.array_equal(np.concatenate([part[name] for part in parts]), answer)


def test_the_same_model_converts_to_the_same_bytes() -> None:
    first, second = (convert(TREES, "sklearn", DOUBLES, ROWS).onnx_bytes for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(CastTransformer(dtype=np.float32), forest()),
        make_pipeline(StandardScaler(), CastTransformer(dtype=np.float32), forest()),
    ],
    ids=["logistic", "forest", "scaled forest"],
)
def test_classifiers_agree(model: Any) -> None:
    conversion = convert(model.fit(ROWS, label(ROWS)), "sklearn", DOUBLES, ROWS)
    assert [output.name for output in conversion.signature.outputs] == ["label", "probabilities"]
    assert conversion.report.passed


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        make_pipeline(CastTransformer(dtype=np.float32), GradientBoostingRegressor(n_estimators=20)),
    ],
    ids=["linear", "boosted"],
)
def test_regressors_agree_relative_to_their_answer(model: Any) -> None:
    conversion = convert(model.fit(ROWS, ROWS[:, 0] * 3 + ROWS[:, 1]), "sklearn", DOUBLES, ROWS)
    assert [(output.name, output.dims) for output in conversion.signature.outputs] == [("prediction", (1,))]
    assert conversion.report.relative


def test_float_columns_travel_as_floats() -> None:
    trees = HistGradientBoostingClassifier(max_iter=2).fit(ROWS.astype(np.float32), label(ROWS))
    assert convert(trees, "sklearn", FLOATS, ROWS).signature.inputs[0].datatype == "FP32"


def test_trees_that_were_fed_doubles_fail_the_proof() -> None:
    """Whole numbers, once scaled, lie on the thresholds: rounded to singles, some take the other branch."""
    rows = np.where([False, True, False, False], ROWS.round(), ROWS)
    scaled = make_pipeline(StandardScaler(), forest()).fit(rows, label(ROWS))
    with pytest.raises(ParityError, match="CastTransformer") as refused:
        convert(scaled, "sklearn", DOUBLES, rows)
    assert refused.value.report.max_abs_diff > 1e-3
    assert refused.value.report.worst[0].native != refused.value.report.worst[0].onnx


@pytest.mark.parametrize(
    ("model", "inputs", "advice"),
    [
        (TREES, InputSpec(COLUMNS, ("FP64", "FP64", "INT64", "FP64")), "'debt' is INT64.*cast"),
        (TREES, InputSpec(COLUMNS, ("BYTES",) * 4), "'income' is BYTES"),
        (TREES, InputSpec((), ()), "no input columns"),
        (HistGradientBoostingClassifier(max_iter=2).fit(ROWS, label(ROWS)), DOUBLES, "fed doubles.*CastTransformer"),
        (KMeans(2).fit(ROWS), DOUBLES, "neither a regressor nor a classifier"),
        (LogisticRegression(), DOUBLES, "not fitted"),
        ({"a": "dictionary"}, DOUBLES, "not a scikit-learn estimator"),
        (LogisticRegression().fit(ROWS, np.where(label(ROWS) > 0, "good", "bad")), DOUBLES, "whole numbers"),
    ],
)
def test_a_refusal_says_what_to_change(model: Any, inputs: InputSpec, advice: str) -> None:
    with pytest.raises(ConversionError, match=advice):
        convert(model, "sklearn", inputs, ROWS)


def test_categorical_splits_are_refused() -> None:
    rows = np.abs(ROWS).round()[:, [3, 1, 2, 0]]
    trees = HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]).fit(rows, label(ROWS))
    with pytest.raises(ConversionError, match=r"categorical_features.*encode"):
        convert(make_pipeline(CastTransformer(dtype=np.float32), trees), "sklearn", DOUBLES, rows)


def test_an_unknown_flavor_is_told_which_are_known() -> None:
    with pytest.raises(ConversionError, match=r"'prophet'.*supported: sklearn"):
        convert(TREES, "prophet", DOUBLES, ROWS)


def test_a_sample_of_another_width_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"\[1200, 3\], the model 4 columns"):
        convert(TREES, "sklearn", DOUBLES, ROWS[:, :3])
