"""The credit model as the real commands train, register and publish it, on the real data."""

import json
from pathlib import Path

import mlflow
import numpy as np
import onnxruntime
import pandas as pd
import pytest
from erpml.annotations.v1 import annotations_pb2
from erpml.finance.v1 import credit_service_pb2

from converters import Loaded, load
from hub.artifact import download
from hub.catalog import read_catalog
from hub.features.declared import declared_views
from hub.registry import ModelRegistry
from hub.registry.records import CHAMPION, RegisteredVersion
from hub.training import credit_scoring
from hub.training.applicants import FEATURES, ID, TARGET
from tests.conftest import Published

MODEL = credit_scoring.MODEL


@pytest.fixture(scope="module")
def champion(published: Published) -> RegisteredVersion:
    return ModelRegistry(published.mlflow_uri).models()[MODEL].versions[CHAMPION]


def load_champion(published: Published, champion: RegisteredVersion) -> Loaded:
    with download(ModelRegistry(published.mlflow_uri), champion) as downloaded:
        return load(downloaded.folder)


@pytest.fixture
def client(published: Published) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(published.mlflow_uri, published.mlflow_uri)


def artifacts(client: mlflow.MlflowClient, champion: RegisteredVersion, folder: Path) -> Path:
    return Path(client.download_artifacts(champion.run_id, "", str(folder)))


def test_it_ranks_held_out_applicants_well(client: mlflow.MlflowClient, champion: RegisteredVersion) -> None:
    metrics = client.get_run(champion.run_id).data.metrics
    assert metrics["roc_auc"] >= metrics["baseline.roc_auc"] == 0.867
    assert metrics["calibration_error"] < 0.005
    assert metrics["held_out_rows"] == 30_000


def test_fast_training_has_fewer_rounds_and_the_same_applicants(published: Published) -> None:
    fast = credit_scoring.train(published.var / "data", lambda _: None, fast=True)
    assert fast.params["max_iter"] == 100
    assert (len(fast.features), fast.metrics["held_out_rows"]) == (120_000, 30_000)
    assert fast.metrics["roc_auc"] >= 0.867


def test_it_is_registered_with_its_owner(champion: RegisteredVersion) -> None:
    assert (champion.team, champion.number) == ("team3", 1)
    assert champion.tags["team"] == "team3"
    assert champion.tags["model_type"].startswith("sklearn.")
    assert champion.tags["created_by"]


def test_the_source_of_the_data_and_its_licence_are_named(
    client: mlflow.MlflowClient, champion: RegisteredVersion
) -> None:
    tags = client.get_run(champion.run_id).data.tags
    assert "GiveMeSomeCredit" in tags["data.source"]
    assert tags["data.licence"]


def test_the_signature_has_the_columns_that_the_contract_feeds(
    published: Published, champion: RegisteredVersion
) -> None:
    fields = credit_service_pb2.ScoreCreditRequest.DESCRIPTOR.fields
    fed = {field.GetOptions().Extensions[annotations_pb2.input].column for field in fields} - {""}
    inputs = load_champion(published, champion).signature
    assert inputs is not None
    assert inputs.columns == FEATURES
    assert set(inputs.datatypes) == {"FP64"}
    assert fed == set(FEATURES)


def test_the_baseline_describes_every_feature(
    client: mlflow.MlflowClient, champion: RegisteredVersion, tmp_path: Path
) -> None:
    folder = artifacts(client, champion, tmp_path)
    baseline = json.loads((folder / "quality_baseline.json").read_text())
    assert baseline["rows"] == 120_000
    assert list(baseline["features"]) == list(FEATURES)
    assert 0.19 < baseline["features"]["MonthlyIncome"]["missing_share"] < 0.21
    assert baseline["features"]["age"]["deciles"][4] == 52
    assert 0.06 < baseline["score"]["mean"] < 0.07
    assert "0.8" in (folder / "model_card.md").read_text()
    assert len(pd.read_parquet(folder / "parity_sample.parquet")) == 2000


def test_held_out_applicants_are_kept(published: Published) -> None:
    held_out = pd.read_parquet(published.held_out)
    everyone = pd.read_parquet(published.var / "data/credit_scoring/applicants.parquet")
    assert list(held_out.columns) == [ID, *FEATURES, TARGET]
    assert (len(held_out), held_out[ID].nunique(), len(everyone)) == (30_000, 30_000, 150_000)
    assert held_out[TARGET].mean() == pytest.approx(everyone[TARGET].mean(), abs=1e-4)
    assert set(held_out.columns[held_out.isna().any()]) == {"MonthlyIncome", "NumberOfDependents"}


def test_every_applicant_is_a_row_for_the_feature_view_of_customers(published: Published) -> None:
    rows = pd.read_parquet(published.var / "features/customer_credit.parquet")
    held_out = pd.read_parquet(published.held_out)
    assert list(rows.columns) == ["customer_id", "event_time", *FEATURES]
    assert (len(rows), rows["customer_id"].nunique(), rows["event_time"].nunique()) == (150_000, 150_000, 1)
    assert pd.Timestamp.now("UTC") - rows["event_time"].iloc[0] < pd.Timedelta(hours=1)
    stored = rows.set_index("customer_id").loc["applicant-" + held_out[ID].astype(str), list(FEATURES)]
    np.testing.assert_array_equal(stored, held_out[list(FEATURES)])


def test_the_defaults_of_the_feature_view_are_medians_of_the_applicants_trained_on(published: Published) -> None:
    everyone = pd.read_parquet(published.var / "data/credit_scoring/applicants.parquet")
    held_out = pd.read_parquet(published.held_out)
    medians = everyone[~everyone[ID].isin(held_out[ID])].median()
    (view,) = [view for view in declared_views() if view.view == credit_scoring.VIEW]
    unknown = {column.name for column in view.columns if column.default is None}
    assert unknown == {"MonthlyIncome", "NumberOfDependents"}
    for column in view.columns:
        if column.name not in unknown:
            assert column.default == pytest.approx(medians[column.name], abs=0.001)


def test_training_again_gives_the_same_numbers(
    published: Published, client: mlflow.MlflowClient, champion: RegisteredVersion
) -> None:
    again = credit_scoring.train(published.var / "data", lambda _: None, fast=False)
    logged = client.get_run(champion.run_id).data.metrics
    assert again.metrics == {name: value for name, value in logged.items() if not name.startswith("baseline.")}


def test_what_is_published_answers_as_the_model_does(published: Published, champion: RegisteredVersion) -> None:
    (live,) = read_catalog(published.catalog).models
    version = live.versions[0]
    assert version.source == champion.source
    graph = published.repository / MODEL / str(version.number) / "model.onnx"
    rows = pd.read_parquet(published.held_out)[list(FEATURES)].to_numpy()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (probabilities,) = session.run(["probabilities"], {"input": rows})
    native = load_champion(published, champion).model.predict_proba(rows)
    assert np.abs(probabilities - native).max() < 1e-5
