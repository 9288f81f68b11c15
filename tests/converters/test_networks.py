"""Keras and PyTorch: networks answer in ONNX as they do in their own library."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from converters import ConversionError, InputSpec, ParityError, convert
from converters.graph import UNBOUNDED
from converters.lengths import require_lengths
from converters.session import open_session, run
from tests.converters.samples import outputs_of, require_proof

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(400, 6)).astype(np.float32)
SERIES = RANDOM.normal(size=(400, 8, 3)).astype(np.float32)
TABLE = pd.DataFrame(ROWS.astype(np.float64), columns=list("abcdef"))
VISITS = {"ids": RANDOM.integers(0, 20, (400, 5)), "amounts": ROWS[:, :3]}


def keras_networks() -> dict[str, tuple[Any, Any]]:
    """Trained for a moment where that is quick; weights are drawn elsewhere."""
    from keras import Input, Model, Sequential, layers  # noqa: PLC0415 - TensorFlow takes seconds to import

    def of(*parts: Any, shape: tuple[int, ...] = (6,)) -> Any:
        return Sequential([Input(shape), *parts])

    table = of(
        layers.Normalization(mean=1.0, variance=2.0), layers.Dense(8), layers.BatchNormalization(), layers.Dense(1)
    )
    table.compile("adam", "mse")
    table.fit(ROWS, ROWS[:, 0], epochs=1, verbose=0)
    ids, amounts = Input((5,), dtype="int64", name="ids"), Input((3,), name="amounts")
    seen = layers.Concatenate()([layers.GlobalAveragePooling1D()(layers.Embedding(20, 4)(ids)), amounts])
    heads = {"churn": layers.Dense(1, "sigmoid", name="churn")(seen), "value": layers.Dense(1, name="value")(seen)}
    return {
        "classes": (of(layers.Dense(8, "relu"), layers.Dropout(0.5), layers.Dense(3, "softmax")), ROWS),
        "table": (table, TABLE),
        "lstm": (of(layers.LSTM(5), layers.Dense(1, "sigmoid"), shape=(8, 3)), SERIES),
        "gru": (of(layers.GRU(5), layers.Dense(1), shape=(8, 3)), SERIES),
        "both ways": (of(layers.Bidirectional(layers.LSTM(4)), layers.Dense(1), shape=(8, 3)), SERIES),
        "convolution": (
            of(layers.Conv1D(4, 3), layers.GlobalMaxPooling1D(), layers.Dense(2, "softmax"), shape=(8, 3)),
            SERIES,
        ),
        "two heads": (Model([ids, amounts], heads), VISITS),
    }


def test_keras_networks_agree() -> None:
    answers = {}
    for name, (model, sample) in keras_networks().items():
        conversion = convert(model, sample=sample)
        require_proof(conversion, 1e-5)
        answers[name] = [output for output, _, _ in outputs_of(conversion)]
    assert answers["classes"] == answers["lstm"] == answers["convolution"] == ["probabilities"]
    assert answers["table"] == answers["gru"] == ["prediction"]
    assert answers["two heads"] == ["churn", "value"]


def test_tables_of_texts_in_keras_are_refused() -> None:
    """tf2onnx logs that it has no operator for them, and writes a file all the same."""
    from keras import Input, Model, layers  # noqa: PLC0415 - as above

    text = Input((1,), dtype="string")
    known = layers.StringLookup(vocabulary=["red", "green"], output_mode="one_hot")
    with pytest.raises(ConversionError, match="looks texts or other keys up in a table"):
        convert(Model(text, layers.Dense(1)(known(text))), sample=pd.DataFrame({"colour": ["red", "green"] * 50}))


def torch_networks() -> dict[str, tuple[Any, Any]]:
    """Weights are drawn."""
    import torch  # noqa: PLC0415 - takes seconds
    from torch import nn  # noqa: PLC0415

    class Recurrent(nn.Module):
        def __init__(self, kind: Any) -> None:
            super().__init__()
            self.kind, self.head = kind(3, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, series: torch.Tensor) -> torch.Tensor:
            answer: torch.Tensor = self.head(self.kind(series)[0][:, -1])
            return answer

    class Visits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.known, self.head = nn.Embedding(20, 4), nn.Linear(7, 1)

        def forward(self, ids: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(self.head(torch.cat([self.known(ids).mean(1), amounts], 1)))

    class Interval(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(6, 2)

        def forward(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
            both = self.head(rows)
            return {"mean": both[:, 0], "spread": both[:, 1:].exp()}

    torch.manual_seed(0)
    return {
        "classes": (nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(dim=1)), ROWS),
        "table": (nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 1)), TABLE),
        "convolution": (nn.Sequential(nn.Conv1d(8, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)), SERIES),
        "gru": (Recurrent(nn.GRU), SERIES),
        "lstm": (Recurrent(nn.LSTM), SERIES),
        "two inputs": (Visits(), VISITS),
        "two outputs": (Interval(), ROWS),
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torch_networks_agree() -> None:
    answers = {}
    for name, (model, sample) in torch_networks().items():
        conversion = convert(model, sample=sample)
        require_proof(conversion, 1e-5)
        answers[name] = outputs_of(conversion)
    assert answers["classes"] == [("probabilities", "FP32", (3,))]
    assert answers["two inputs"] == [("probabilities", "FP32", (1,))]
    assert answers["gru"] == [("prediction", "FP32", (2,))]
    assert answers["two outputs"] == [("mean", "FP32", (1,)), ("spread", "FP32", (1,))]


def centred() -> Any:
    """A module whose rows are judged by the mean of their batch."""
    from torch import Tensor, nn  # noqa: PLC0415 - as above

    class Centred(nn.Module):
        def forward(self, rows: Tensor) -> Tensor:
            return rows - rows.mean(0, keepdim=True)

    return Centred()


def frozen() -> Any:
    """A module that takes 17 rows and no others."""
    from torch import Tensor, nn  # noqa: PLC0415 - as above

    class Frozen(nn.Module):
        def forward(self, rows: Tensor) -> Tensor:
            return rows.reshape(17, 6).sum(1, keepdim=True)

    return Frozen()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_rows_may_not_depend_on_their_batch_nor_on_its_size() -> None:
    with pytest.raises(ParityError, match="depends on its batch"):
        convert(centred(), sample=ROWS)
    with pytest.raises(ConversionError, match=r"torch\.onnx cannot export Frozen.*17"):
        convert(frozen(), sample=ROWS)


def test_a_network_that_computes_in_singles_takes_a_table_of_doubles() -> None:
    from torch import nn  # noqa: PLC0415 - as above

    mixed = InputSpec(("a", "b", "c"), ("FP64", "INT64", "FP64"))
    sample: NDArray[np.float64] = np.column_stack([ROWS[:, 0], np.arange(400), ROWS[:, 1]])
    conversion = convert(nn.Linear(3, 1), mixed, sample)
    require_proof(conversion, 1e-4)
    assert [tensor.datatype for tensor in conversion.signature.inputs] == ["FP64", "INT64", "FP64"]


def twins() -> Any:
    """A network whose two inputs have the same shape."""
    from keras import Input, Model, layers  # noqa: PLC0415 - as above

    first, second = Input((3,), name="first"), Input((3,), name="second")
    return Model([first, second], layers.Dense(1)(layers.Concatenate()([first, second])))


def test_keras_is_fed_by_name_whatever_the_order_of_the_sample() -> None:
    model = twins()
    golden = convert(model, sample={"second": ROWS[:, 3:], "first": ROWS[:, :3]}).golden
    expected = np.asarray(model([ROWS[:64, :3], ROWS[:64, 3:]]))
    assert np.abs(golden.answers["prediction"] - expected).max() < 1e-5


def test_keras_names_its_answers() -> None:
    from keras import Input, Model, layers  # noqa: PLC0415 - as above

    rows = Input((6,))
    model = Model(rows, {"spread": layers.Dense(2)(rows), "mean": layers.Dense(1)(rows)})
    assert [(name, dims) for name, _, dims in outputs_of(convert(model, sample=ROWS))] == [
        ("mean", (1,)),
        ("spread", (2,)),
    ]


def average() -> Any:
    """A module that divides by the length of its series."""
    from torch import Tensor, nn  # noqa: PLC0415 - as above

    class Average(nn.Module):
        def forward(self, series: Tensor) -> Tensor:
            return series.sum(1) / series.shape[1]

    return Average()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_an_open_length_is_open_in_the_graph() -> None:
    spec = InputSpec(("series",), ("FP32",), shapes=((-1, 3),))
    conversion = convert(average(), spec, {"series": SERIES})
    longer = RANDOM.normal(size=(5, 11, 3)).astype(np.float32)
    answers = run(open_session(conversion.onnx), {"series": longer})
    assert np.abs(answers["prediction"] - longer.mean(1)).max() < 1e-5


def test_a_length_that_is_open_in_the_signature_alone_is_refused() -> None:
    spec = InputSpec(("series",), ("FP32",), shapes=((-1, 3),))
    with pytest.raises(ConversionError, match=r"answers otherwise on 2.*true size"):
        require_lengths(
            lambda feeds: {"mean": feeds["series"].sum(1) / 8},
            lambda feeds: {"mean": feeds["series"].mean(1)},
            spec,
            UNBOUNDED,
        )


def test_a_module_answers_every_row() -> None:
    from torch import Tensor, nn  # noqa: PLC0415 - as above

    class Whole(nn.Module):
        def forward(self, rows: Tensor) -> Tensor:
            return rows.sum()

    with pytest.raises(ConversionError, match="has to answer each"):
        convert(Whole(), sample=ROWS)
