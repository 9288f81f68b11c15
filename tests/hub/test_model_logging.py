"""Models of every library are logged so that they can be loaded, converted and asked again."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from converters import load
from hub.artifact import download
from hub.errors import HubError
from hub.training.baseline import describe_training
from hub.training.native import describe_columns, native_answers
from hub.training.run import register
from hub.training.trained import Baseline, DataSource, TrainedModel
from tests.hub.workplace import Workplace, draw_table

NUMBERS = draw_table()
TEXTS = pd.DataFrame({"text": [f"{word} wieder {number}" for number in range(30) for word in ("gern", "nie", "schön")]})


def light() -> Any:
    from lightgbm import LGBMClassifier  # noqa: PLC0415 - each library takes its time to import

    return LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(NUMBERS, NUMBERS["age"] > 0)


def extreme() -> Any:
    from xgboost import XGBRegressor  # noqa: PLC0415 - as above

    return XGBRegressor(n_estimators=5, n_jobs=1).fit(NUMBERS, NUMBERS["age"])


def keras() -> Any:
    from keras import Input, Sequential, layers  # noqa: PLC0415 - as above

    return Sequential([Input((2,)), layers.Dense(6), layers.Reshape((3, 2))])


def torch() -> Any:
    from torch import nn  # noqa: PLC0415 - as above

    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), nn.Softmax(dim=1))


def texts() -> Any:
    return make_pipeline(TfidfVectorizer(lowercase=False), LogisticRegression()).fit(
        TEXTS["text"], TEXTS["text"].str.startswith("nie").astype(int)
    )


def trained(estimator: Any, rows: pd.DataFrame, **more: Any) -> TrainedModel:
    settings: dict[str, Any] = {
        "name": "team1_tried",
        "team": "team1",
        "model_type": type(estimator).__name__,
        "purpose": "Tests.",
        "estimator": estimator,
        "params": {"rounds": 5},
        "metrics": {"mae": 0.5, "held_out_rows": 10.0},
        "features": rows,
        "optional": frozenset(),
        "training_scores": pd.Series(np.zeros(len(rows))),
        "parity_sample": rows,
        "source": DataSource("drawn", "From a random generator.", "None needed."),
    }
    return TrainedModel(**settings | more)


def registered(workplace: Workplace, model: TrainedModel, **more: Any) -> tuple[mlflow.entities.Run, Path]:
    """Registers a model; returns its run and the folder of the run's files."""
    registry = workplace.open_registry()
    register(model, registry, (workplace.root / "artifacts").as_uri(), **more)
    run = workplace.client().get_run(workplace.champion(model.name).run_id)
    return run, Path(workplace.client().download_artifacts(run.info.run_id, "", str(workplace.root)))


@pytest.mark.parametrize(
    ("make", "rows", "flavor", "outputs"),
    [
        (light, NUMBERS, "lightgbm", {"label": (1,), "probabilities": (2,)}),
        (extreme, NUMBERS, "xgboost", {"prediction": (1,)}),
        (keras, NUMBERS, "tensorflow", {}),
        (torch, NUMBERS, "pytorch", {}),
        (texts, TEXTS, "sklearn", {"label": (1,), "probabilities": (2,)}),
    ],
)
def test_a_model_is_loaded_and_converted_as_it_was_trained(
    workplace: Workplace, make: Callable[[], Any], rows: pd.DataFrame, flavor: str, outputs: dict[str, tuple[int, ...]]
) -> None:
    model = trained(make(), rows, metadata={"max_batch_size": 2048})
    registered(workplace, model)
    with download(workplace.open_registry(), workplace.champion(model.name)) as downloaded:
        loaded, conversion = load(downloaded.folder), downloaded.convert()
        described = mlflow.models.Model.load(str(downloaded.folder))
        requirements = (downloaded.folder / "requirements.txt").read_text()
        example: Any = described.load_input_example(str(downloaded.folder))
    assert (loaded.flavor, loaded.signature) == (flavor, describe_columns(rows))
    assert (conversion.max_batch_size, conversion.report.kinds["real"]) == (2048, len(rows))
    pd.testing.assert_frame_equal(example, rows.head(5))
    shapes = described.signature.outputs.inputs if described.signature.outputs else ()
    assert {spec.name: spec.shape[1:] for spec in shapes} == outputs
    assert {"lightgbm", "xgboost-cpu", "tensorflow-cpu", "torch", "scikit-learn"} & {
        line.partition("==")[0].replace("_", "-") for line in requirements.splitlines()
    }


def test_native_answers_are_those_of_the_library_by_served_names() -> None:
    booster, network = light(), keras()
    answers = native_answers(booster, NUMBERS, {"contributions": True})
    assert list(answers) == ["label", "probabilities", "contributions"]
    np.testing.assert_array_equal(answers["probabilities"], booster.predict_proba(NUMBERS))
    (predictions,) = native_answers(network, NUMBERS).values()
    np.testing.assert_array_equal(predictions, network(NUMBERS.to_numpy(np.float32)))


def test_code_of_training_files_is_logged_with_the_model(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("hub.training.replaced")
    base = type("Own", (LogisticRegression,), {"__module__": module.__name__})
    module.Own = base  # type: ignore[attr-defined] # it is empty
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, module.__name__, module)
        registered(workplace, trained(base().fit(NUMBERS, NUMBERS["age"] > 0), NUMBERS))
    with download(workplace.open_registry(), workplace.champion("team1_tried")) as downloaded:
        assert type(load(downloaded.folder).model).__name__ == "Own"


def test_what_no_converter_knows_is_not_logged(workplace: Workplace) -> None:
    with pytest.raises(HubError, match="belongs to none of the libraries that can be served"):
        registered(workplace, trained(draw_table, NUMBERS))


def test_a_run_has_metrics_beside_their_baselines_and_a_card(workplace: Workplace) -> None:
    baselines = (Baseline("mae", 0.4, "the mean", larger_is_better=False), Baseline("held_out_rows", 10.0, "a count"))
    model = trained(texts(), TEXTS, baselines=baselines)
    run, folder = registered(workplace, model, fast=True)
    assert run.data.metrics == dict(model.metrics) | {"baseline.mae": 0.4, "baseline.held_out_rows": 10.0}
    assert (run.data.params, run.data.tags["training.profile"]) == ({"rounds": "5"}, "fast")
    card = (folder / "model_card.md").read_text()
    assert "| mae | 0.5 | 0.4 | no | the mean |" in card
    assert "| held_out_rows | 10 | 10 | yes | a count |" in card
    assert "`--fast`" in card
    described = json.loads((folder / "quality_baseline.json").read_text())
    assert described["features"]["text"]["count"] == len(TEXTS)


def test_texts_are_described_by_their_lengths() -> None:
    features = pd.DataFrame({"text": ["ä" * length for length in range(11)] + [None], "stars": 3.0})
    described = describe_training(features, pd.Series([0.5] * 12))["features"]
    assert described["text"] == {"count": 11, "missing_share": pytest.approx(1 / 12), "length_deciles": [*range(1, 10)]}
    assert described["stars"]["mean"] == 3.0
