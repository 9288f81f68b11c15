"""Asks models that were trained on tables: the rows as they saw them, and their foreign errors translated."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from converters.errors import ConversionError
from converters.graph import DISTANCES, LABEL, PREDICTION, PROBABILITIES, SCORE, SCORES, TRANSFORMED, Native
from converters.layout import to_frame
from converters.signature import Feeds, InputSpec

# The method of a scikit-learn estimator that gives an output; MLflow flavors of other libraries have the same.
METHODS = {
    LABEL: "predict",
    PROBABILITIES: "predict_proba",
    SCORES: "decision_function",
    SCORE: "decision_function",
    PREDICTION: "predict",
    DISTANCES: "transform",
    TRANSFORMED: "transform",
}


def to_matrix(feeds: Feeds, spec: InputSpec, datatype: type[np.floating[Any]] = np.float64) -> NDArray[Any]:
    """Returns `[rows, columns]` numbers of one type.

    Raises:
        ConversionError: A column holds texts, or a row is no list of numbers.
    """
    if spec.shapes and (len(spec.shapes) > 1 or len(spec.shapes[0]) != 1):
        raise ConversionError("the model takes a table, the signature names tensors: log it with a DataFrame's")
    if "BYTES" in spec.datatypes:
        name = spec.columns[spec.datatypes.index("BYTES")]
        raise ConversionError(f"column {name!r} holds texts, but the model computes with numbers: encode it before")
    return np.column_stack([feeds[tensor.name].astype(datatype) for tensor in spec.tensors])


def widen(feeds: Feeds, spec: InputSpec) -> pd.DataFrame:
    """Returns the table with single precision as doubles: the graph computes in doubles before its trees."""
    table = to_frame(feeds, spec)
    return table.astype({name: np.float64 for name in table.columns if table[name].dtype == np.float32})


def ask(model: Any, outputs: tuple[str, ...], present: Callable[[Feeds], Any]) -> Native:
    """Returns a model as a function from tensors to its outputs.

    Args:
        model: Has the method of each output, as scikit-learn names them.
        outputs: Names of outputs.
        present: Shows tensors to the model as it saw them in training.
    """

    def answer(feeds: Feeds) -> Feeds:
        rows = present(feeds)
        answers = {name: _call(model, METHODS[name], rows) for name in outputs}
        if SCORES in answers and answers[SCORES].shape[1] == 1:  # of two classes; graphs have a score each
            answers[SCORES] = np.hstack([-answers[SCORES], answers[SCORES]])
        return answers

    return answer


def _call(model: Any, method: str, rows: Any) -> NDArray[Any]:
    try:
        answer = getattr(model, method)(rows)
    except Exception as error:  # the model is foreign code
        raise ConversionError(f"the model cannot answer its own rows ({type(error).__name__}: {error})") from error
    answer = answer.toarray() if hasattr(answer, "toarray") else np.asarray(answer)
    if answer.ndim == 0 or len(answer) != len(rows):
        raise ConversionError(f"the model answers {list(answer.shape)} to {len(rows)} rows: it has to answer each row")
    shaped: NDArray[Any] = answer.reshape(len(rows), -1)
    return shaped
