"""`MLHubClient.get_model` over a real gateway: features in every form, and errors that say what to change."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gapura_client
import numpy as np
import pandas as pd
import pytest
from gapura_client import InvalidFeatures, MLHubClient, NoSuchAnswer
from gapura_client.hub_client import kserve
from gapura_client.hub_client.model import MOST_BYTES
from tritonclient.grpc import service_pb2

from tests.client.hub_gateway import FRAUD_COLUMNS, MOST_ROWS, MOVING, WEIGHTS, HubGateway, fraud_model, running_hub
from tests.triton.nodes import wait_until

TABLE = pd.DataFrame(np.random.default_rng(3).uniform(0, 1, (3 * MOST_ROWS + 1, 3)), columns=FRAUD_COLUMNS)
OWN = TABLE.to_numpy() @ WEIGHTS


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubGateway]:
    with running_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def client(hub: HubGateway) -> Iterator[MLHubClient]:
    with MLHubClient("team3", target=hub.address, api_key=hub.api_key) as opened:
        yield opened


def test_the_companys_example_runs_as_written(hub: HubGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPURA_TARGET", hub.address)
    monkeypatch.setenv("GAPURA_API_KEY", hub.api_key)
    features = TABLE.head(1)
    client = MLHubClient("team3")
    model = client.get_model("fraud_detection")
    fraud_score = model.predict_proba(features)[0][1]
    assert fraud_score == pytest.approx(OWN[0])
    client.close()


@pytest.mark.parametrize(
    "form",
    [
        lambda table: table,
        lambda table: table[list(reversed(FRAUD_COLUMNS))],
        lambda table: table.to_dict("records"),
        lambda table: table.to_dict("list"),
        lambda table: {name: table[name].to_numpy() for name in table},
        lambda table: table.to_numpy(),
        lambda table: table.to_numpy().tolist(),
        lambda table: tuple(map(tuple, table.to_numpy())),
        lambda table: table.astype(object),
        lambda table: table.convert_dtypes(),
    ],
    ids=["frame", "reversed", "dicts", "lists", "arrays", "matrix", "rows", "tuples", "objects", "nullable"],
)
def test_features_of_every_form_give_the_same(client: MLHubClient, form: Any) -> None:
    model = client.get_model("fraud_detection")
    np.testing.assert_allclose(model.predict_proba(form(TABLE))[:, 1], OWN)


def test_more_rows_than_the_model_takes_at_once_are_split_and_stay_in_order(client: MLHubClient) -> None:
    probabilities = client.get_model("fraud_detection").predict_proba(TABLE)
    assert len(TABLE) > MOST_ROWS
    assert probabilities.shape == (len(TABLE), 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_predict_returns_labels_of_a_classifier_and_numbers_of_a_regressor(client: MLHubClient) -> None:
    labels = client.get_model("fraud_detection").predict(TABLE)
    assert labels.tolist() == (OWN > 0.5).astype(int).tolist()
    assert client.get_model("price").predict([[1.5, 0], [2, 0]]).tolist() == [3.0, 4.0]


def test_probabilities_of_a_model_that_has_none_are_a_clear_error(client: MLHubClient) -> None:
    with pytest.raises(NoSuchAnswer, match="'team3_price' has no probabilities, only prediction: ask for predict"):
        client.get_model("price").predict_proba([[1, 2]])


def test_texts_come_back_as_they_went_whatever_their_characters(client: MLHubClient) -> None:
    texts = ["Bagus sekali 🍷", "", "ändern", "很好", "\x00", "x" * 100_000]
    model = client.get_model("review")
    answers = model.infer({"text": texts, "stars": range(6)})
    assert answers["label"].ravel().tolist() == texts
    assert answers["more"].ravel().tolist() == [1, 2, 3, 4, 5, 6]
    assert model.columns == ("text", "stars")
    assert model.predict([["gut", 5], ["好", 1]]).tolist() == ["gut", "好"]
    assert model.predict(pd.DataFrame({"stars": [5], "text": ["gut"]})).tolist() == ["gut"]


def test_rows_of_any_width_go_to_a_model_that_takes_any(client: MLHubClient) -> None:
    model = client.get_model("echo")
    assert model.predict(np.full((2, 5), 7)).shape == (2, 5)
    assert model.predict({"x": [[1, 2]]}).tolist() == [[1, 2]]


ROW = {"amount": 1.0, "hour": 2.0, "distance": 3.0}


@pytest.mark.parametrize(
    ("name", "features", "told"),
    [
        (
            "fraud_detection",
            [ROW | {"colour": 1}],
            "unknown columns in row 0: colour; drop them, the model takes amount",
        ),
        ("fraud_detection", TABLE.assign(colour=1), "unknown columns: colour; drop them"),
        ("fraud_detection", TABLE[["hour"]], "missing columns: amount, distance; add them, with None or NaN where"),
        ("fraud_detection", [ROW, {"amount": 1}], "missing columns in row 1: hour, distance"),
        ("fraud_detection", TABLE.rename(columns={"hour": "Hour"}), "missing columns: hour.*; not known: Hour"),
        ("fraud_detection", [[1, 2]], "rows have 2 values: the model takes 3, amount, hour, distance"),
        ("fraud_detection", [[1, 2, 3], [1]], "rows of unequal lengths"),
        ("fraud_detection", [1, 2, 3], r"for a single row pass \[row\]"),
        ("fraud_detection", ROW, "column 'amount' has no list of values; for a single row pass a list of one dict"),
        ("fraud_detection", {**ROW, "amount": [1], "hour": [1, 2], "distance": [1]}, "unequal lengths"),
        ("fraud_detection", [ROW | {"hour": "noon"}], "column 'hour': .*no number"),
        ("fraud_detection", [[1, 2, "noon"]], "are no numbers; the model takes FP64"),
        ("fraud_detection", TABLE.head(0), "there are no rows"),
        ("fraud_detection", [], "for a single row pass|there are no rows"),
        ("fraud_detection", pd.concat([TABLE, TABLE], axis=1), "several columns have the same name"),
        ("price", [[1e300, 1]], "value 0, 1e\\+300, is no FP32"),
        ("price", [{"a": 1, "b": 2}], "the gateway does not tell the columns of this model: pass rows of values"),
        ("review", {"text": [3], "stars": [1]}, "column 'text': value 0 is 3, which is no text"),
        ("review", {"text": ["a"], "stars": [1.5]}, "column 'stars': value 0, 1.5, is no INT64"),
        ("review", {"text": ["a"], "stars": [None]}, "column 'stars': value 0, nan, is no INT64"),
        ("review", [["a"]], "2 values a row, text, stars"),
        ("echo", [[[1]]], r"has the shape \(1, 1, 1\): the model takes rows of shape \(any\)"),
    ],
)
def test_features_that_do_not_fit_are_told_what_to_change(
    client: MLHubClient, name: str, features: Any, told: str
) -> None:
    with pytest.raises(InvalidFeatures, match=told):
        client.get_model(name).infer(features)


def test_what_is_unknown_travels_as_nan(client: MLHubClient) -> None:
    model = client.get_model("fraud_detection")
    for missing in (None, float("nan"), pd.NA):
        assert np.isnan(model.predict_proba([ROW | {"hour": missing}])).all()


def test_a_model_that_is_not_there_or_not_allowed_is_told_of_when_it_is_asked_for(hub: HubGateway) -> None:
    with MLHubClient("team3", target=hub.address, api_key=hub.api_key) as client:
        with pytest.raises(gapura_client.NotFound):
            client.get_model("nope")
        with pytest.raises(gapura_client.NotFound):
            client.get_model("fraud_detection", version=9)
    with (
        MLHubClient("team4", target=hub.address, api_key=hub.foreign_key) as foreign,
        pytest.raises(gapura_client.PermissionDenied),
    ):
        foreign.get_model("team3/fraud_detection")


def test_a_call_takes_no_longer_than_it_may(client: MLHubClient) -> None:
    model = client.get_model("fraud_detection")
    with pytest.raises(gapura_client.DeadlineExceeded):
        model.predict(TABLE, timeout=1e-6)


def test_a_version_whose_columns_have_another_order_gets_them_in_its_own(hub: HubGateway, client: MLHubClient) -> None:
    model = client.get_model("moving")
    np.testing.assert_allclose(model.predict_proba(TABLE)[:, 1], OWN)
    hub.publish_second(fraud_model(("distance", "amount", "hour"), MOVING))
    wait_until(lambda: client.get_model("moving").columns[0] == "distance", 10)
    np.testing.assert_allclose(model.predict_proba(TABLE)[:, 1], OWN)
    assert model.columns == ("distance", "amount", "hour")
    assert client.get_model("moving", version=2).columns == model.columns


def test_threads_that_share_a_model_get_their_own_rows(client: MLHubClient) -> None:
    model = client.get_model("fraud_detection")

    def ask(start: int) -> bool:
        rows = TABLE.iloc[start : start + 5]
        return bool(np.allclose(model.predict_proba(rows)[:, 1], OWN[start : start + 5]))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, [start % 20 for start in range(200)]))


def test_a_large_call_is_split_by_its_bytes(client: MLHubClient) -> None:
    texts = [character * 6_000_000 for character in "abcdef"]
    assert sum(map(len, texts)) > MOST_BYTES
    answers = client.get_model("review").infer({"text": texts, "stars": [1] * 6}, timeout=60)
    assert answers["label"].ravel().tolist() == texts


def test_its_messages_are_those_of_kserve_on_the_wire() -> None:
    request = kserve.ModelInferRequest(model_name="m", model_version="1", raw_input_contents=[b"ab"])
    request.inputs.add(name="x", datatype="FP32", shape=[1, -1])
    same = service_pb2.ModelInferRequest.FromString(request.SerializeToString())
    assert (same.model_name, same.model_version, list(same.raw_input_contents)) == ("m", "1", [b"ab"])
    assert (same.inputs[0].name, same.inputs[0].datatype, list(same.inputs[0].shape)) == ("x", "FP32", [1, -1])
    config = service_pb2.ModelConfigResponse()
    config.config.max_batch_size = 8
    config.config.parameters["columns.x"].string_value = "[]"
    told = kserve.ModelConfigResponse.FromString(config.SerializeToString()).config
    assert (told.max_batch_size, told.parameters[0].key, told.parameters[0].value.string_value) == (
        8,
        "columns.x",
        "[]",
    )


def test_the_client_imports_neither_pandas_nor_numpy() -> None:
    sources = Path(gapura_client.__file__).parent.rglob("*.py")
    importing = {path.stem for path in sources if "import numpy" in path.read_text()}
    assert importing == {"arrays", "model", "tables"}  # which are imported when a model is asked for
    assert not [
        path for path in Path(gapura_client.__file__).parent.rglob("*.py") if "import pandas" in path.read_text()
    ]
