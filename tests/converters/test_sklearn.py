"""scikit-learn: trained models of every kind answer in ONNX as they do in Python."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, Normalizer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from converters import TensorSpec, convert
from converters.session import open_session, run
from tests.converters.samples import (
    customers,
    draw_rows,
    outputs_of,
    patients,
    require_proof,
    reviews,
    tumours,
    wines,
)

BINARY = [("label", "INT64", (1,)), ("probabilities", "FP32", (2,))]


def fit(model: Any, table: pd.DataFrame, answers: NDArray[Any] | None = None) -> Any:
    with threadpool_limits(1):
        return clone(model).fit(table, answers)


def by_column() -> Any:
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["monthly_amount", "usage", "months"]),
        (OneHotEncoder(handle_unknown="ignore"), ["contract", "region"]),
        ("passthrough", ["paperless"]),
    )


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0)),
        make_pipeline(MinMaxScaler(), ExtraTreesClassifier(20, random_state=0)),
        make_pipeline(StandardScaler(), PCA(5), GradientBoostingClassifier(n_estimators=20, random_state=0)),
        HistGradientBoostingClassifier(max_iter=20, random_state=0),
        make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=20, random_state=0)),
        DecisionTreeClassifier(random_state=0),
        make_pipeline(StandardScaler(), SVC(probability=True, random_state=0)),
        make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=1000, random_state=0)),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        GaussianNB(),
        CalibratedClassifierCV(GaussianNB(), cv=2),
        VotingClassifier(
            [("linear", make_pipeline(StandardScaler(), LogisticRegression())), ("trees", RandomForestClassifier(5))],
            voting="soft",
        ),
        StackingClassifier([("trees", RandomForestClassifier(5, random_state=0))], LogisticRegression(), cv=2),
        BaggingClassifier(DecisionTreeClassifier(max_depth=3), 5, random_state=0),
    ],
    ids=lambda model: "-".join(type(step).__name__ for step in getattr(model, "named_steps", {"": model}).values()),
)
@pytest.mark.filterwarnings("ignore:The `probability` parameter was deprecated:FutureWarning")
def test_classifiers_of_two_classes_agree(model: Any) -> None:
    table, benign = tumours()
    conversion = convert(fit(model, table, benign), sample=table)
    require_proof(conversion, 1e-5)
    assert [(name, dims) for name, _, dims in outputs_of(conversion)] == [("label", (1,)), ("probabilities", (2,))]


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression()),
        HistGradientBoostingClassifier(max_iter=10, random_state=0),
        make_pipeline(SimpleImputer(), StandardScaler(), RandomForestClassifier(10, random_state=0)),
    ],
    ids=["imputed", "histogram", "forest"],
)
def test_texts_as_classes_and_missing_values_agree(model: Any) -> None:
    table, growers = wines()
    conversion = convert(fit(model, table, growers), sample=table)
    require_proof(conversion, 1e-5)
    assert conversion.report.kinds["missing"] > 0
    assert conversion.signature.outputs[0] == TensorSpec("label", "BYTES", (1,))
    assert conversion.signature.outputs[1].columns == ("barbera", "barolo", "grignolino")
    assert conversion.golden.answers["label"][0, 0] == growers[0]


@pytest.mark.parametrize(
    "model",
    [LinearSVC(random_state=0), RidgeClassifier()],
    ids=["support vectors", "ridge"],
)
def test_classifiers_without_probabilities_answer_scores(model: Any) -> None:
    table, benign = tumours()
    conversion = convert(fit(make_pipeline(StandardScaler(), model), table, benign), sample=table)
    require_proof(conversion, 1e-4)
    assert outputs_of(conversion) == [("label", "INT64", (1,)), ("scores", "FP64", (2,))]


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        make_pipeline(StandardScaler(), Ridge()),
        ElasticNet(alpha=0.01),
        make_pipeline(StandardScaler(), RandomForestRegressor(20, random_state=0)),
        ExtraTreesRegressor(20, random_state=0),
        make_pipeline(MinMaxScaler(), GradientBoostingRegressor(n_estimators=20, random_state=0)),
        HistGradientBoostingRegressor(max_iter=20, random_state=0),
        HistGradientBoostingRegressor(max_iter=20, loss="poisson", random_state=0),
        make_pipeline(StandardScaler(), SVR()),
    ],
    ids=lambda model: "-".join(type(step).__name__ for step in getattr(model, "named_steps", {"": model}).values()),
)
def test_regressors_agree_relative_to_their_answer(model: Any) -> None:
    table, progress = patients()
    conversion = convert(fit(model, table, progress), sample=table)
    require_proof(conversion, 1e-4)
    assert conversion.report.relative
    assert [(name, dims) for name, _, dims in outputs_of(conversion)] == [("prediction", (1,))]


def test_a_regressor_of_several_targets_answers_all() -> None:
    table, progress = patients()
    model = LinearRegression().fit(table, np.column_stack([progress, -progress]))
    assert outputs_of(convert(model, sample=table)) == [("prediction", "FP64", (2,))]


@pytest.mark.parametrize("model", [KMeans(4, n_init=1, random_state=0), MiniBatchKMeans(4, n_init=1, random_state=0)])
def test_clusters_answer_label_and_distances(model: Any) -> None:
    table, _ = tumours()
    conversion = convert(fit(make_pipeline(StandardScaler(), model), table), sample=table)
    require_proof(conversion, 1e-4)
    assert [(name, dims) for name, _, dims in outputs_of(conversion)] == [("label", (1,)), ("distances", (4,))]


def test_a_mixture_of_densities_agrees() -> None:
    conversion = convert(GaussianMixture(3, random_state=0).fit(draw_rows()), sample=draw_rows())
    require_proof(conversion, 1e-5)


@pytest.mark.parametrize("model", [StandardScaler(), make_pipeline(StandardScaler(), PCA(3))], ids=["scaler", "pca"])
def test_transformers_answer_what_they_make(model: Any) -> None:
    table, _ = tumours()
    conversion = convert(fit(model, table), sample=table)
    require_proof(conversion, 1e-4)
    assert [name for name, _, _ in outputs_of(conversion)] == ["transformed"]


@pytest.mark.parametrize(
    "model",
    [
        IsolationForest(random_state=0),
        make_pipeline(StandardScaler(), IsolationForest(max_features=0.5, random_state=0)),
    ],
    ids=["forest", "scaled forest of some columns"],
)
def test_an_isolation_forest_is_one_ensemble(model: Any) -> None:
    table, _ = tumours()
    conversion = convert(fit(model, table), sample=table)
    require_proof(conversion, 1e-6)
    assert outputs_of(conversion) == [("label", "INT64", (1,)), ("score", "FP32", (1,))]
    assert conversion.onnx.count(b"TreeEnsembleRegressor") == 1


def test_other_detectors_of_outliers_agree() -> None:
    table, _ = tumours()
    conversion = convert(fit(make_pipeline(StandardScaler(), OneClassSVM()), table), sample=table)
    require_proof(conversion, 1e-3)


@pytest.mark.parametrize(
    "last",
    [
        LogisticRegression(),
        RandomForestClassifier(20, random_state=0),
        GradientBoostingClassifier(n_estimators=20, random_state=0),
        HistGradientBoostingClassifier(max_iter=20, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_table_of_many_types_travels_as_a_tensor_per_column(last: Any) -> None:
    table, left = customers()
    conversion = convert(fit(make_pipeline(by_column(), last), table, left), sample=table)
    require_proof(conversion, 1e-5)
    assert conversion.report.kinds["unseen"] == 14
    assert conversion.report.kinds["missing"] == 1
    datatypes = ("FP64", "INT64", "BYTES", "BYTES", "BOOL", "FP64")
    expected = [TensorSpec(str(name), kind, (1,)) for name, kind in zip(table.columns, datatypes, strict=True)]
    assert list(conversion.signature.inputs) == expected


def test_categories_as_numbers_agree_also_on_unseen_ones() -> None:
    table, left = customers()
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((encoder, ["contract", "region"]), remainder="passthrough")
    model = fit(make_pipeline(columns, HistGradientBoostingClassifier(max_iter=20, random_state=0)), table, left)
    require_proof(convert(model, sample=table), 1e-5)


def test_unseen_categories_that_the_model_declines_are_counted() -> None:
    table, left = customers()
    columns = make_column_transformer((OneHotEncoder(), ["contract"]), (StandardScaler(), ["months"]))
    conversion = convert(
        fit(make_pipeline(columns, LogisticRegression()), table, left), sample=table[["contract", "months"]]
    )
    assert conversion.report.declined == {"unseen": 7}
    assert "unseen" not in conversion.report.kinds


def test_numbers_of_several_types_travel_as_a_tensor_per_column() -> None:
    table, left = customers()
    numbers = table[["monthly_amount", "months"]]
    conversion = convert(fit(RandomForestClassifier(10, random_state=0), numbers, left), sample=numbers)
    require_proof(conversion, 1e-5)
    assert [tensor.datatype for tensor in conversion.signature.inputs] == ["FP64", "INT64"]


def test_columns_picked_by_name_travel_as_one_matrix_where_all_are_doubles() -> None:
    table, benign = tumours()
    columns = make_column_transformer((StandardScaler(), ["mean radius", "mean area"]), remainder="passthrough")
    conversion = convert(
        fit(make_pipeline(columns, DecisionTreeClassifier(random_state=0)), table, benign), sample=table
    )
    require_proof(conversion, 1e-5)
    assert conversion.signature.inputs == (TensorSpec("input", "FP64", (30,), tuple(table.columns)),)


@pytest.mark.parametrize(
    "words",
    [
        TfidfVectorizer,
        lambda: TfidfVectorizer(ngram_range=(1, 2)),
        lambda: TfidfVectorizer(token_pattern="[a-zA-Z0-9_]{2,}", ngram_range=(1, 2)),  # noqa: S106 - no password
        lambda: TfidfVectorizer(lowercase=False, norm="l1"),
        lambda: CountVectorizer(stop_words="english"),
        lambda: CountVectorizer(binary=True, max_features=10),
    ],
    ids=["tfidf", "bigrams", "own pattern", "cases apart", "stop words", "binary"],
)
def test_texts_agree(words: Callable[[], Any]) -> None:
    table, liked = reviews()
    model = make_pipeline(words(), LogisticRegression()).fit(table["review"], liked)
    conversion = convert(model, sample=table)
    require_proof(conversion, 1e-6)
    assert conversion.signature.inputs == (TensorSpec("review", "BYTES", (1,)),)
    assert outputs_of(conversion) == BINARY


def test_words_between_blanks_of_any_kind_agree() -> None:
    """The runtime's own class of blanks knows those of ASCII alone."""
    table, liked = reviews()
    table = table.assign(review=table["review"].str.replace(" ", "\u00a0"))
    model = make_pipeline(TfidfVectorizer(token_pattern=r"\S+"), LogisticRegression()).fit(table["review"], liked)  # noqa: S106 - no password
    require_proof(convert(model, sample=table["review"]), 1e-6)


def test_two_readings_of_a_text_side_by_side_agree() -> None:
    table, liked = reviews()
    words = make_union(TfidfVectorizer(), CountVectorizer(ngram_range=(2, 2)))
    require_proof(convert(make_pipeline(words, LogisticRegression()).fit(table["review"], liked), sample=table), 1e-6)


def test_a_search_answers_as_the_best_that_it_found() -> None:
    table, benign = tumours()
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0))
    model = GridSearchCV(forest, {"randomforestclassifier__max_depth": [3, None]}, cv=2).fit(table, benign)
    conversion = convert(model, sample=table)
    found = run(open_session(conversion.onnx), {"input": table.to_numpy()})["label"][:, 0]
    assert np.array_equal(found, model.predict(table))  # ties included


def test_a_search_among_histogram_boosters_agrees() -> None:
    rows = draw_rows()
    model = GridSearchCV(HistGradientBoostingRegressor(max_iter=5), {"max_depth": [2, 3]}, cv=2).fit(rows, rows[:, 1])
    require_proof(convert(model, sample=rows), 1e-4)


def test_a_table_whose_columns_are_numbered_agrees() -> None:
    rows = draw_rows()
    require_proof(convert(LinearRegression().fit(rows, rows[:, 1]), sample=pd.DataFrame(rows)), 1e-6)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_a_row_of_zeros_has_no_norm(norm: str) -> None:
    rows = np.vstack([draw_rows(), np.zeros((1, 4))])
    require_proof(convert(make_pipeline(Normalizer(norm), Ridge()).fit(rows, rows[:, 1]), sample=rows), 1e-6)


@pytest.mark.parametrize("metric", ["manhattan", "cosine"])
def test_neighbours_by_other_distances_agree(metric: str) -> None:
    rows = draw_rows()
    model = make_pipeline(StandardScaler(), KNeighborsRegressor(metric=metric)).fit(rows, rows[:, 1])
    require_proof(convert(model, sample=rows), 1e-4)


def test_votes_may_weigh_differently() -> None:
    table, benign = tumours()
    model = VotingClassifier(
        [("tree", DecisionTreeClassifier()), ("bayes", GaussianNB())], voting="soft", weights=[1, 3]
    )
    require_proof(convert(model.fit(table, benign), sample=table), 1e-5)


def test_texts_beside_numbers_agree() -> None:
    table, liked = reviews()
    table = table.assign(length=table["review"].str.len().astype(float))
    columns = make_column_transformer((TfidfVectorizer(), "review"), (StandardScaler(), ["length"]))
    model = make_pipeline(columns, LogisticRegression()).fit(table, liked)
    require_proof(convert(model, sample=table), 1e-6)
