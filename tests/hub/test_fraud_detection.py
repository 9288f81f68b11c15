"""The fraud model as the real commands train and publish it, and the histories that its features are served from."""

from pathlib import Path

import mlflow
import numpy as np
import onnxruntime
import pandas as pd
import pytest
from erpml.annotations.v1 import annotations_pb2
from erpml.catalog.v1 import catalog_pb2
from erpml.finance.v1 import fraud_service_pb2
from lightgbm import LGBMClassifier

from converters import load
from hub.artifact import download
from hub.catalog import read_catalog
from hub.features.declared import declared_views
from hub.registry import ModelRegistry
from hub.registry.records import CHAMPION, RegisteredVersion
from hub.training.fraud_detection import FEATURES, MODEL
from hub.training.transactions import CUSTOMER, MERCHANT, TARGET, TIME
from tests.fraud_workplace import VIEWS, Workplace, trained_and_published


@pytest.fixture(scope="module")
def workplace(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return trained_and_published(run_folder, tmp_path_factory.mktemp("fraud"))


@pytest.fixture(scope="module")
def champion(workplace: Workplace) -> RegisteredVersion:
    return ModelRegistry(workplace.mlflow_uri).models()[MODEL].versions[CHAMPION]


@pytest.fixture(scope="module")
def run(workplace: Workplace, champion: RegisteredVersion) -> mlflow.entities.Run:
    return mlflow.MlflowClient(workplace.mlflow_uri, workplace.mlflow_uri).get_run(champion.run_id)


def test_it_ranks_the_transactions_of_the_last_weeks_well(run: mlflow.entities.Run) -> None:
    assert run.data.metrics["roc_auc"] >= 0.96 > run.data.metrics["baseline.roc_auc"]
    assert run.data.metrics["calibration_error"] <= 0.01
    assert run.data.metrics["held_out_rows"] == 24_998


def test_what_was_held_out_is_later_than_what_was_trained_on(workplace: Workplace) -> None:
    everything = pd.read_parquet(workplace.folder / "var/data/fraud_detection/transactions.parquet")
    trained_on = everything[:-24_998]
    assert len(everything) == 99_992
    assert trained_on[TIME].max() <= workplace.held_out[TIME].min()


def test_its_tags_say_that_the_data_is_synthetic(run: mlflow.entities.Run) -> None:
    assert "synthetic" in run.data.tags["data.source"]
    assert "no real payments" in run.data.tags["data.source"]
    assert run.data.tags["data.licence"]


def test_every_column_of_the_model_has_a_request_field_and_every_stored_one_a_view(
    workplace: Workplace, champion: RegisteredVersion
) -> None:
    fields = fraud_service_pb2.ScoreTransactionRequest.DESCRIPTOR.fields
    fed = {field.GetOptions().Extensions[annotations_pb2.input].column for field in fields} - {""}
    stored = {column.name for view in declared_views() if view.view in VIEWS for column in view.columns}
    with download(ModelRegistry(workplace.mlflow_uri), champion) as downloaded:
        signature = load(downloaded.folder).signature
    assert signature is not None
    assert signature.columns == FEATURES
    assert fed == set(FEATURES)
    assert set(FEATURES) - stored == {"amount_minor", "hour_of_day", "card_present"}


@pytest.fixture(scope="module")
def published(workplace: Workplace) -> tuple[catalog_pb2.Model, onnxruntime.InferenceSession]:
    """The fraud model as the catalog has it, and its graph."""
    catalog = read_catalog(workplace.folder / "var/catalog/catalog.binpb")
    assert set(VIEWS) <= {view.name for view in catalog.feature_views}
    (live,) = catalog.models
    graph = workplace.folder / "model_repository" / live.name / str(live.versions[0].number) / "model.onnx"
    return live, onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def native(workplace: Workplace, champion: RegisteredVersion) -> LGBMClassifier:
    with download(ModelRegistry(workplace.mlflow_uri), champion) as downloaded:
        model: LGBMClassifier = load(downloaded.folder).model
    return model


def test_what_is_published_answers_as_the_model_does(
    workplace: Workplace, published: tuple[catalog_pb2.Model, onnxruntime.InferenceSession], native: LGBMClassifier
) -> None:
    rows = workplace.held_out[list(FEATURES)]
    (probabilities,) = published[1].run(["probabilities"], {"input": rows.to_numpy()})
    assert np.abs(probabilities - native.predict_proba(rows)).max() < 1e-5


def test_every_column_says_what_it_adds_to_the_score(
    workplace: Workplace, published: tuple[catalog_pb2.Model, onnxruntime.InferenceSession], native: LGBMClassifier
) -> None:
    live, session = published
    rows = workplace.held_out[list(FEATURES)].head(1000)
    probabilities, contributions = session.run(["probabilities", "contributions"], {"input": rows.to_numpy()})
    reference = np.asarray(native.predict(rows, pred_contrib=True))
    assert np.abs(contributions - reference[:, :-1]).max() < 1e-5
    odds = np.exp(contributions.sum(axis=1) + reference[:, -1])
    assert np.abs(odds / (1 + odds) - probabilities[:, 1]).max() < 1e-5
    (described,) = [output for output in live.versions[0].signature.outputs if output.name == "contributions"]
    assert tuple(described.columns) == FEATURES


def test_a_training_set_of_the_declared_views_has_the_features_that_the_model_saw(workplace: Workplace) -> None:
    """What serving would have looked up at the time of a transaction is what was trained on, defaults included."""
    held_out = workplace.held_out
    held_out[[CUSTOMER, MERCHANT, TIME, TARGET]].to_parquet(workplace.folder / "labels.parquet")
    chosen = [part for view in VIEWS for part in ("--features", view)]
    workplace.run("features", "training-set", "--labels", "labels.parquet", *chosen, "--output", "joined.parquet")
    joined = pd.read_parquet(workplace.folder / "joined.parquet")
    stored = [name for name in FEATURES if name in joined]
    assert len(stored) == 12
    np.testing.assert_array_equal(joined[stored].astype(float), held_out[stored])
    assert set(joined["merchant_fraud_status"]) <= {"fresh", "default"}
