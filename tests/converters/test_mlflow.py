"""Models as MLflow logs them: found by their address, with their signature and real rows."""

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnx
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from mlflow.models import infer_signature
from onnx.helper import make_node
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

from converters import ConversionError, InputSpec, TensorSpec, convert, load
from tests.converters.graphs import model_of, value
from tests.converters.samples import require_proof, tumours

TABLE, BENIGN = tumours()
TABLE = TABLE.iloc[:, :4]
_PLAIN = {"pip_requirements": ["scikit-learn"]}


@pytest.fixture(scope="module", autouse=True)
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A registry of one's own; MLflow warns itself of its own deprecations."""
    folder = tmp_path_factory.mktemp("mlflow")
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_registry_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.set_experiment(experiment_id=mlflow.create_experiment("tests", (folder / "artifacts").as_uri()))
        yield folder
    mlflow.set_tracking_uri(before[0])
    mlflow.set_registry_uri(before[1])


@pytest.fixture(autouse=True)
def _unwarned() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def log(flavor: Any, model: Any, *, sample: pd.DataFrame | None = None, **settings: Any) -> str:
    """Logs a model in a run of its own; returns its address."""
    with mlflow.start_run() as run:
        if sample is not None:
            path = Path(mlflow.get_tracking_uri().removeprefix("sqlite:///")).parent / "parity_sample.parquet"
            sample.to_parquet(path)
            mlflow.log_artifact(str(path))
        logged = flavor.log_model(model, name="model", **_PLAIN, **settings)
    assert run.info.run_id
    return str(logged.model_uri)


def cloudpickled(model: Any, **settings: Any) -> str:
    return log(mlflow.sklearn, model, serialization_format="cloudpickle", **settings)


def folder_of(uri: str) -> Path:
    """A copy of the artifacts, that a test may harm."""
    home = Path(mlflow.get_tracking_uri().removeprefix("sqlite:///")).parent
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=tempfile.mkdtemp(dir=home)))


@pytest.fixture(scope="module")
def scaled_forest(registry: Path) -> str:
    assert registry.exists()
    model = make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)).fit(TABLE, BENIGN)
    return cloudpickled(model, signature=infer_signature(TABLE), sample=TABLE, input_example=TABLE.head(3))


def test_the_runs_parity_sample_is_what_a_model_is_proven_on(scaled_forest: str) -> None:
    conversion = convert(scaled_forest)
    require_proof(conversion, 1e-6)
    assert conversion.report.kinds["real"] == len(TABLE)
    assert conversion.signature.inputs == (TensorSpec("input", "FP64", (4,), tuple(TABLE.columns)),)


def test_a_folder_is_proven_on_its_example_where_the_run_is_unknown(scaled_forest: str) -> None:
    folder = folder_of(scaled_forest)
    described = folder / "MLmodel"
    described.write_text("\n".join(line for line in described.read_text().splitlines() if "run_id" not in line))
    assert convert(str(folder)).report.kinds["real"] == 3
    TABLE.to_parquet(folder / "parity_sample.parquet")
    assert convert(folder).report.kinds["real"] == len(TABLE)


def test_a_registered_alias_is_an_address(scaled_forest: str) -> None:
    mlflow.register_model(scaled_forest, "team1_tumours")
    mlflow.MlflowClient().set_registered_model_alias("team1_tumours", "champion", "1")
    require_proof(convert("models:/team1_tumours@champion"), 1e-6)


def test_what_is_given_wins_over_what_was_logged(scaled_forest: str) -> None:
    assert convert(scaled_forest, sample=TABLE.head(100)).report.kinds["real"] == 100


def test_a_loaded_model_has_flavor_signature_and_digest(scaled_forest: str) -> None:
    folder = folder_of(scaled_forest)
    loaded = load(folder)
    assert (loaded.flavor, loaded.signature) == ("sklearn", InputSpec(tuple(TABLE.columns), ("FP64",) * 4))
    assert loaded.digest == load(folder).digest
    (folder / "more.txt").write_text("more")
    assert loaded.digest != load(folder).digest


def test_boosters_are_loaded_as_they_were_logged() -> None:
    signature = infer_signature(TABLE)
    light = LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(TABLE, BENIGN)
    require_proof(convert(log(mlflow.lightgbm, light, signature=signature, input_example=TABLE.head(20))), 1e-6)
    extreme = XGBRegressor(n_estimators=5, n_jobs=1).fit(TABLE, TABLE["mean area"])
    require_proof(convert(log(mlflow.xgboost, extreme, signature=signature, sample=TABLE)), 1e-4)


def test_contributions_are_asked_for_in_the_metadata() -> None:
    light = LGBMClassifier(n_estimators=5, num_leaves=4, verbose=-1, n_jobs=1).fit(TABLE, BENIGN)
    uri = log(mlflow.lightgbm, light, signature=infer_signature(TABLE), metadata={"contributions": True})
    outputs = convert(uri, sample=TABLE).signature.outputs
    assert outputs[-1] == TensorSpec("contributions", "FP32", (4,), tuple(TABLE.columns))


def test_a_signature_of_an_array_gives_columns_numbers() -> None:
    rows = TABLE.to_numpy()
    model = Ridge().fit(rows, rows[:, 0])
    conversion = convert(cloudpickled(model, signature=infer_signature(rows)), sample=rows)
    require_proof(conversion, 1e-4)
    assert conversion.signature.inputs == (TensorSpec("input", "FP64", (4,), ("x0", "x1", "x2", "x3")),)


def test_a_graph_says_itself_what_it_takes() -> None:
    model = model_of([make_node("Neg", ["x"], ["y"])], [value("x", ["n", 3])], [value("y", ["n", 3])])
    require_proof(convert(log(mlflow.onnx, model, save_as_external_data=True)), 1e-6)


def unsigned(folder: Path) -> Path:
    described = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(described.partition("signature:")[0])
    return folder


def damaged(folder: Path) -> Path:
    (folder / "MLmodel").write_text("flavors: [")
    return folder


def unpicklable(folder: Path) -> Path:
    (folder / "model.pkl").write_bytes(b"no pickle")
    return folder


def other(folder: Path) -> Path:
    described = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(described.replace("  sklearn:", "  prophet:"))
    return folder


def bare(folder: Path) -> Path:
    (folder / "MLmodel").unlink()
    return folder


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (unsigned, "no signature: log it with signature="),
        (damaged, "the MLmodel file cannot be read.*log the model again"),
        (unpicklable, "the sklearn model cannot be loaded.*log it again"),
        (other, "flavor 'prophet' cannot be served yet"),
        (bare, "has no MLmodel file"),
    ],
)
def test_a_folder_that_cannot_be_served_is_refused(scaled_forest: str, harm: Any, reason: str) -> None:
    with pytest.raises(ConversionError, match=reason):
        convert(harm(folder_of(scaled_forest)))


@pytest.mark.parametrize("uri", ["models:/nobody_knows/1", "runs:/0123456789abcdef/model", "no/such/folder"])
def test_an_address_of_nothing_is_refused(uri: str) -> None:
    with pytest.raises(ConversionError, match="cannot be fetched"):
        convert(uri)


def test_columns_that_no_tensor_holds_are_refused() -> None:
    table = TABLE.assign(day=pd.Timestamp("2026-01-01"))
    model = LogisticRegression(max_iter=5000).fit(TABLE, BENIGN)
    with pytest.raises(ConversionError, match="'day' is datetime, which no tensor can hold"):
        convert(cloudpickled(model, signature=infer_signature(table)))


def test_a_sample_without_a_column_is_refused() -> None:
    model = LogisticRegression(max_iter=5000).fit(TABLE, BENIGN)
    uri = cloudpickled(model, signature=infer_signature(TABLE), sample=TABLE.iloc[:, :2])
    with pytest.raises(ConversionError, match="the sample has no column 'mean perimeter'"):
        convert(uri)


def test_optional_columns_are_tried_without_a_value() -> None:
    table = TABLE.copy()
    table.iloc[::10, 1] = np.nan
    model = LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(table, BENIGN)
    kinds = convert(log(mlflow.lightgbm, model, signature=infer_signature(table))).report.kinds
    assert (kinds["drawn"], kinds["missing"]) == (1000, 1)


def test_graphs_with_weights_beside_them_are_read_whole() -> None:
    weights = {"w": np.ones((3, 2), dtype=np.float32)}
    model = model_of([make_node("MatMul", ["x", "w"], ["y"])], [value("x", ["n", 3])], [value("y", ["n", 2])], weights)
    assert isinstance(load(folder_of(log(mlflow.onnx, model))).model, onnx.ModelProto)
