"""What a conversion holds, whatever library its model is of."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from converters import MAX_BATCH_SIZE, Conversion, ConversionError, TensorSpec, convert
from converters.session import open_session, run
from tests.converters.samples import (
    COLUMNS,
    DOUBLES,
    FLOATS,
    boosted_trees,
    customers,
    draw_rows,
    outputs_of,
)

ROWS = draw_rows()
GAPS = draw_rows(missing=True)
TREES = boosted_trees(ROWS)
TREES_WITH_GAPS = boosted_trees(GAPS)


@pytest.fixture(scope="module")
def conversion() -> Conversion:
    return convert(TREES_WITH_GAPS, DOUBLES, GAPS)


def test_boosted_trees_take_one_tensor_in_the_order_of_the_signature(conversion: Conversion) -> None:
    assert conversion.signature.inputs == (TensorSpec("input", "FP64", (4,), COLUMNS),)
    assert outputs_of(conversion) == [("label", "INT64", (1,)), ("probabilities", "FP32", (2,))]
    assert conversion.max_batch_size == MAX_BATCH_SIZE


def test_a_proof_covers_all_real_rows_and_the_edges(conversion: Conversion) -> None:
    assert conversion.report.kinds == {"real": 1200, "extreme": 1 + 3 * len(COLUMNS), "missing": 1}
    assert conversion.report.rows == sum(conversion.report.kinds.values())
    assert conversion.report.max_abs_diff < 1e-6


def test_too_few_real_rows_are_topped_up_to_a_thousand() -> None:
    kinds = convert(TREES, DOUBLES, ROWS[:50]).report.kinds
    assert (kinds["real"], kinds["drawn"]) == (50, 950)


def test_without_a_sample_rows_are_drawn_from_the_signature() -> None:
    assert convert(TREES, DOUBLES).report.kinds["drawn"] == 1000


def test_an_answer_does_not_depend_on_the_batch_that_carries_it(conversion: Conversion) -> None:
    session = open_session(conversion.onnx)
    whole = run(session, {"input": GAPS[:255]})
    for size in (1, 2, 3, 17, 64):
        parts = [run(session, {"input": GAPS[start : min(start + size, 255)]}) for start in range(0, 255, size)]
        for name, answer in whole.items():
            assert np.array_equal(np.concatenate([part[name] for part in parts]), answer)


def test_the_same_model_converts_to_the_same_bytes() -> None:
    first, second = (convert(TREES, DOUBLES, ROWS).onnx for _ in range(2))
    assert first == second


def test_float_columns_travel_as_floats() -> None:
    trees = boosted_trees(ROWS.astype(np.float32))
    assert convert(trees, FLOATS, ROWS).signature.inputs[0].datatype == "FP32"


def test_golden_rows_are_real_and_their_answers_the_models_own(conversion: Conversion) -> None:
    golden = conversion.golden
    assert np.array_equal(golden.inputs["input"], GAPS[:64], equal_nan=True)
    assert np.array_equal(golden.answers["label"][:, 0], TREES_WITH_GAPS.predict(GAPS[:64]))
    assert np.abs(golden.answers["probabilities"] - TREES_WITH_GAPS.predict_proba(GAPS[:64])).max() < 1e-6
    assert (golden.tolerance, golden.relative, golden.batched) == (1e-5, False, True)


def test_a_conversion_survives_its_files(conversion: Conversion) -> None:
    files = conversion.to_files()
    assert sorted(files) == ["golden.npz", "model.onnx", "parity.json", "signature.json"]
    again = Conversion.from_files(files)
    assert (again.onnx, again.signature, again.report) == (conversion.onnx, conversion.signature, conversion.report)
    assert again.to_files().keys() == files.keys()
    for name, array in conversion.golden.inputs.items():
        assert np.array_equal(again.golden.inputs[name], array, equal_nan=True)


def test_texts_survive_the_files_too() -> None:
    table, left = customers()
    table = table[["contract", "region", "months"]].assign(region=table["region"].replace("north", "ends in zero\0"))

    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["contract"]), ("drop", ["region"]))
    model = make_pipeline(columns, LogisticRegression()).fit(table, np.where(left, "left", "stayed"))
    kept = convert(model, sample=table)
    again = Conversion.from_files(kept.to_files()).golden
    for name, array in {**kept.golden.inputs, **kept.golden.answers}.items():
        assert np.array_equal({**again.inputs, **again.answers}[name], array)


@pytest.mark.parametrize("name", ["model.onnx", "parity.json", "signature.json", "golden.npz"])
def test_damaged_files_are_told(conversion: Conversion, name: str) -> None:
    files = conversion.to_files()
    del files[name]
    with pytest.raises(ConversionError, match="the kept conversion is damaged"):
        Conversion.from_files(files)


def test_a_sample_may_be_a_table_with_its_columns_in_another_order() -> None:
    table = pd.DataFrame(GAPS, columns=list(COLUMNS)).assign(more=0.0)[["visits", "more", "income", "debt", "age"]]
    assert np.array_equal(convert(TREES_WITH_GAPS, DOUBLES, table).golden.inputs["input"], GAPS[:64], equal_nan=True)
