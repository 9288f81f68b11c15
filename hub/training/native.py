"""Asks a trained model itself, in its own library, for the outputs that are served."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from converters import InputSpec
from converters.flavors import find_converter, find_explainer, flavor_of
from converters.graph import CONTRIBUTIONS
from converters.layout import arrange, take
from converters.quiet import quietly
from converters.signature import Feeds

TEXT, NUMBER, SINGLE = "BYTES", "FP64", "FP32"
_FEW = slice(16)  # rows to try a converter on


def describe_columns(rows: pd.DataFrame, optional: frozenset[str] = frozenset()) -> InputSpec:
    """Returns what a model takes that was trained on these columns: texts, and numbers as doubles.

    Where all columns are of single precision, so is what it takes: half as many bytes for many rows.
    """
    if all(dtype == np.float32 for dtype in rows.dtypes):
        datatypes: tuple[str, ...] = (SINGLE,) * len(rows.columns)
    else:
        datatypes = tuple(NUMBER if pd.api.types.is_numeric_dtype(rows[name]) else TEXT for name in rows.columns)
    return InputSpec(tuple(map(str, rows.columns)), datatypes, optional)


def native_answers(model: Any, rows: pd.DataFrame, metadata: Mapping[str, Any] | None = None) -> Feeds:
    """Returns the answers of a trained model, not of its graph: arrays `[rows, …]` by the name of the output.

    Args:
        model: The estimator that training made, or what `converters.load` made of its artifacts.
        rows: As it was trained on.
        metadata: What was logged with it, as `TrainedModel.metadata`.

    Raises:
        ConversionError: It cannot be served, or cannot answer these rows.
    """
    flavor, spec = flavor_of(model), describe_columns(rows)
    feeds = arrange(rows, spec)
    with quietly():
        graph = find_converter(flavor)(model, spec, take(feeds, _FEW))
        if (metadata or {}).get(CONTRIBUTIONS):
            graph = find_explainer(flavor)(graph, model, spec)
        return graph.native(feeds)
