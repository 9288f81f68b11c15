"""What the boosting libraries have in common: scores in a matrix of singles, labels from the best of them."""

from typing import Any

import numpy as np
import onnx

from converters.errors import ConversionError
from converters.graph import (
    BOUNDED,
    IR_VERSION,
    LABEL,
    OPSET,
    PREDICTION,
    PROBABILITIES,
    UNBOUNDED,
    Graph,
    Native,
    Tolerance,
)
from converters.labels import label_best, name_classes
from converters.rewiring import bypass_zipmaps, raise_opset
from converters.signature import InputSpec

CLASSIFICATION = (LABEL, PROBABILITIES)
REGRESSION = (PREDICTION,)


def make_graph(model: onnx.ModelProto, native: Native, classes: Any, tolerance: Tolerance = UNBOUNDED) -> Graph:
    """Returns the graph of a booster.

    Args:
        model: What the library's converter wrote: a label and scores, or one list of scores.
        native: The booster itself.
        classes: Its classes in the order of their scores; None where it predicts numbers.
        tolerance: How far numbers may lie apart.
    """
    model.ir_version = IR_VERSION
    for domain, version in OPSET.items():  # the libraries write old graphs, of operators that have not changed
        raise_opset(model, domain, version)
    bypass_zipmaps(model)
    if classes is None:
        return Graph(model, native, REGRESSION, tolerance)
    label_best(model.graph, np.asarray(classes))
    return Graph(model, native, CLASSIFICATION, BOUNDED, {PROBABILITIES: name_classes(classes)})


def require_width(inputs: InputSpec, width: int) -> None:
    """Refuses a signature of another number of columns than the booster was trained on.

    Raises:
        ConversionError: It is such.
    """
    known = inputs.shapes[0][0] if inputs.shapes else len(inputs.columns)
    if known != width:
        raise ConversionError(f"the signature names {known} columns, the model was trained on {width}: log them alike")
