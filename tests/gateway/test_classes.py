"""Classes of outputs: the greatest values first, equal ones in their order, NaN last, in Triton's text."""

from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.kserve.classes import CLASSIFIED, MOST_CLASSES, SORTED_COLUMNS, classify
from gateway.errors import InvalidRequest
from gateway.tensors import NUMPY_TYPES, elements
from gateway.types import TensorSpec

LABELS = ("cat", "", "newt")


def classes(tensor: Any, datatype: str, most: int) -> list[list[str]]:
    """Returns the texts of every row of a tensor."""
    rows, columns = tensor.shape
    spec = TensorSpec("y", datatype, (columns,), LABELS)
    count, data = classify(tensor.tobytes(), spec, rows, (columns,), most)
    texts = [text.decode() for text in elements(data, rows * count)]
    return [texts[row * count : (row + 1) * count] for row in range(rows)]


def plainly(row: list[Any], most: int) -> list[str]:
    """Ranks by the definition."""
    order = sorted(range(len(row)), key=lambda index: (isnan(row[index]), -row[index]))[:most]
    told = (f"{row[index]:f}" if isinstance(row[index], float) else str(row[index]) for index in order)
    named = (f":{LABELS[index]}" if index < len(LABELS) and LABELS[index] else "" for index in order)
    return [f"{value}:{index}{name}" for value, index, name in zip(told, order, named, strict=True)]


@pytest.mark.parametrize("datatype", sorted(CLASSIFIED))
@given(data=st.data())
def test_classes_are_ranked_by_the_definition(datatype: str, data: st.DataObject) -> None:
    kind = np.dtype(NUMPY_TYPES[datatype])
    if kind.kind == "f":
        palette = [0.0, -0.0, 1.0, 2.5, -3.25, 1e9, 1e-7, float("inf"), float("-inf"), float("nan")]
    else:
        palette = [0, 1, 2, np.iinfo(kind).min, np.iinfo(kind).max]
    columns = data.draw(st.sampled_from([0, 1, 3, 20, SORTED_COLUMNS, SORTED_COLUMNS + 1, 2 * SORTED_COLUMNS]))
    seed, rows = data.draw(st.integers(0, 99)), data.draw(st.integers(1, 3))
    tensor = np.random.default_rng(seed).choice(np.array(palette, kind), (rows, columns))
    most = data.draw(st.sampled_from([1, 2, 5, columns + 1]))
    assert classes(tensor, datatype, most) == [plainly(row, most) for row in tensor.tolist()]


def test_nan_comes_last_of_a_wide_row() -> None:
    wide = np.full((1, SORTED_COLUMNS + 1), np.nan, "<f4")
    wide[0, 7] = 1
    assert classes(wide, "FP32", 3) == [["1.000000:7", "nan:0:cat", "nan:1"]]


def test_too_many_classes_are_refused_with_what_to_change() -> None:
    tensor = np.zeros((2, MOST_CLASSES), "<f4")
    assert len(classes(tensor, "FP32", MOST_CLASSES // 2)[1]) == MOST_CLASSES // 2
    with pytest.raises(InvalidRequest, match=f"{MOST_CLASSES} at most: ask for fewer classes"):
        classes(tensor, "FP32", MOST_CLASSES // 2 + 1)
