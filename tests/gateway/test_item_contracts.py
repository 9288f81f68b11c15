"""Contracts whose answers have lists: a period for each entry of an output, and the largest entries by their names."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.contracts.compilation import Compiled
from gateway.errors import InvalidFields, ModelFailed
from gateway.types import Arm, Tensors, TensorSpec
from tests.gateway.contract_source import compiled, fed
from tests.gateway.models import version

FORECAST = "/erpml.team5.v1.DemandService/Forecast"
BATCH = "/erpml.team5.v1.DemandService/BatchForecast"
QUANTILES = TensorSpec("quantiles", "FP32", (4, 2))
CAUSES = TensorSpec("causes", "FP64", (3,), ("price", "weather", "promotion"))
LABEL = TensorSpec("label", "BYTES", (2,))
PERIOD = """
  uint32 day = 1 [(erpml.annotations.v1.item) = { position: true }];
  double low = 2 [(erpml.annotations.v1.output) = { tensor: 'quantiles' element: 0 }];
  double high = 3 [(erpml.annotations.v1.output) = { tensor: 'quantiles' element: 1 }];
"""
CAUSE = """
  string name = 1 [(erpml.annotations.v1.item) = { name: true }];
  double weight = 2 [(erpml.annotations.v1.output) = { tensor: 'causes' }];
"""
PERIODS = "repeated Period periods = 1 [(erpml.annotations.v1.items) = { tensor: 'quantiles' most_field: 'periods' }];"
TOP = "repeated Cause causes = 2 [(erpml.annotations.v1.items) = { tensor: 'causes' order_by: 'weight' most: 2 }];"
SURE = "double sure = 4 [(erpml.annotations.v1.output) = { tensor: 'causes' largest: true }];"
WORD = "string word = 3 [(erpml.annotations.v1.output) = { tensor: 'label' element: 1 }];"


def demand(response: str = PERIODS + TOP + WORD + SURE, period: str = PERIOD, cause: str = CAUSE) -> str:
    """Returns a service that forecasts."""
    return f"""
service DemandService {{
  rpc Forecast(ForecastRequest) returns (ForecastResponse) {{
    option (erpml.annotations.v1.serving) = {{ model: "team9_test" }};
  }}
  rpc BatchForecast(BatchRequest) returns (BatchResponse) {{
    option (erpml.annotations.v1.serving) = {{ batch_of: "Forecast" }};
  }}
}}
message ForecastRequest {{ double x = 1 [{fed("x")}]; int32 periods = 2; }}
message Period {{ {period} }}
message Cause {{ {cause} }}
message ForecastResponse {{ {response} erpml.types.v1.PredictionInfo info = 15; }}
message BatchRequest {{ repeated ForecastRequest items = 1; }}
message BatchResponse {{ repeated Result results = 1; }}
message Result {{ oneof result {{ ForecastResponse response = 1; google.rpc.Status error = 2; }} }}
"""


SERVED = version((TensorSpec("x", "FP64", (1,)),), (QUANTILES, CAUSES, LABEL))
ARM = Arm("champion", SERVED)


@pytest.fixture(scope="module")
def methods(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return compiled(tmp_path_factory.mktemp("items"), demand(), SERVED)


def answered(rows: int, *words: bytes) -> Tensors:
    """Returns outputs: quantiles that count up, causes that differ by row, and words."""
    quantiles = np.arange(rows * 8, dtype="<f4").tobytes()
    causes = np.array([[0.5 - row, 0.25, row] for row in range(rows)], "<f8").tobytes()
    texts = b"".join(struct.pack("<I", len(word)) + word for word in words)
    return Tensors(rows, ((4, 2), (3,), (2,)), (quantiles, causes, texts))


def ask(method: Any, outputs: Tensors, **fields: Any) -> Any:
    """Returns the answer of a method to a request."""
    request = method.parse(method.request(**fields).SerializeToString())
    method.rows(request, ARM)
    return method.response.FromString(method.answer(request, {}, outputs, ARM))


def test_each_entry_makes_an_item_and_the_request_says_how_many(methods: Compiled) -> None:
    found = ask(methods.methods[FORECAST], answered(1, b"a", "größer".encode()), periods=3)
    assert [(each.day, each.low, each.high) for each in found.periods] == [(1, 0, 1), (2, 2, 3), (3, 4, 5)]
    assert len(ask(methods.methods[FORECAST], answered(1, b"a", b"b")).periods) == 4
    assert found.word == "größer"


def test_the_largest_entries_come_first_by_their_names(methods: Compiled) -> None:
    found = ask(methods.methods[FORECAST], answered(1, b"a", b"b"))
    assert [(each.name, each.weight) for each in found.causes] == [("price", 0.5), ("weather", 0.25)]
    assert found.sure == 0.5


def test_every_item_of_a_batch_has_the_entries_of_its_own_row(methods: Compiled) -> None:
    items = [{"x": 1.0, "periods": 1}, {"x": 2.0, "periods": 2}]
    outputs = answered(2, b"a", b"b", b"c", b"\xff")
    first, second = (each.response for each in ask(methods.methods[BATCH], outputs, items=items).results)
    assert [each.low for each in second.periods] == [8, 10]
    assert [each.name for each in second.causes] == ["promotion", "weather"]
    assert (first.sure, second.sure) == (0.5, 1)
    assert (first.word, second.word) == ("b", "\ufffd")


def test_more_than_there_are_cannot_be_wanted_of_entries_either(methods: Compiled) -> None:
    assert len(ask(methods.methods[FORECAST], answered(1, b"a", b"b"), periods=9).periods) == 4
    with pytest.raises(InvalidFields, match="periods: must be at least 1, got -1"):
        ask(methods.methods[FORECAST], answered(1, b"a", b"b"), periods=-1)


def test_fewer_than_the_most_may_be_usual(tmp_path: Path) -> None:
    usual = PERIODS.replace("most_field", "usual: 2 most: 3 most_field")
    method = compiled(tmp_path, demand(usual + TOP), SERVED).methods[FORECAST]
    assert [len(ask(method, answered(1, b"a", b"b"), periods=wanted).periods) for wanted in (0, 1, 3)] == [2, 1, 3]


def test_an_entry_that_is_no_number_fails_the_call(methods: Compiled) -> None:
    outputs = answered(1, b"a", b"b")
    bad = np.array([0.5, np.nan, -1], "<f8").tobytes()
    with pytest.raises(ModelFailed, match="NaN"):
        ask(methods.methods[FORECAST], outputs._replace(data=(outputs.data[0], bad, outputs.data[2])))


MISFITS = {
    "the model has no output 'none'": {"response": PERIODS.replace("'quantiles'", "'none'") + TOP},
    "has no element 2 of an entry": {"period": PERIOD.replace("element: 1", "element: 2")},
    "the entries of 'quantiles' have no names": {
        "period": PERIOD + "string n = 9 [(erpml.annotations.v1.item) = { name: true }];"
    },
    "needs a `tensor`": {"response": PERIODS.replace("tensor: 'quantiles'", "") + TOP},
    "cannot hold an element of 'label'": {"response": PERIODS + TOP + WORD.replace("string", "double")},
    "whose elements are texts": {
        "response": PERIODS + TOP + WORD.replace("element: 1", "largest: true"),
    },
    "items are ordered by 'name'": {"response": PERIODS + TOP.replace("'weight'", "'name'")},
}


@pytest.mark.parametrize("told", MISFITS)
def test_what_does_not_fit_is_refused_with_the_reason(tmp_path: Path, told: str) -> None:
    assert told in compiled(tmp_path, demand(**MISFITS[told]), SERVED).refused[FORECAST].message


def test_entries_of_any_number_are_no_items(tmp_path: Path) -> None:
    open_ended = version((TensorSpec("x", "FP64", (1,)),), (TensorSpec("quantiles", "FP32", (-1, 2)), CAUSES, LABEL))
    assert "not a fixed number" in compiled(tmp_path, demand(), open_ended).refused[FORECAST].message
