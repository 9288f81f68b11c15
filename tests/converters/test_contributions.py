"""What each column contributes is what LightGBM itself says, whatever its trees look like."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from lightgbm import Booster, Dataset, LGBMClassifier, LGBMRegressor, train
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from converters import ConversionError, convert
from converters.differences import find_ties
from converters.from_lightgbm import convert as convert_lightgbm
from converters.graph import BOUNDED
from converters.lightgbm_contributions import add_contributions
from converters.normalisation import normalise
from converters.session import open_session, run
from converters.signature import number_columns
from tests.converters.samples import COLUMNS, DOUBLES, draw_rows, label, outputs_of, require_proof, tumours, wines

ROWS = draw_rows(missing=True)
ASKED = {"contributions": True}
_ZERO = 1e-34  # what lies nearer to 0 than about 1e-35 is 0 to LightGBM
_SETTINGS: dict[str, Any] = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 0}


def boosted(trees: int, rows: NDArray[np.float64] = ROWS, **settings: Any) -> Booster:
    """Trains on which side of 0 the sum of the columns lies, where what is missing counts as much as a column."""
    truth = np.nan_to_num(rows / np.nanstd(rows, axis=0), nan=-1.0).sum(axis=1) > 0
    return train({**_SETTINGS, **settings}, Dataset(rows, truth.astype(int)), trees)


def at_thresholds(booster: Booster, rows: NDArray[np.float64] = ROWS) -> NDArray[np.float64]:
    """Returns the rows with values on thresholds, beside them, and missing, wherever the model asks."""
    asked, turn = rows.copy(), 0
    for tree in booster.dump_model()["tree_info"]:
        for feature, threshold in splits_of(tree["tree_structure"]):
            values = (threshold, np.nextafter(threshold, np.inf), np.nan, 0.0)
            asked[turn % len(asked), feature] = values[turn % len(values)]
            turn += 1
    return asked


def splits_of(node: dict[str, Any]) -> Iterator[tuple[int, float]]:
    """Column and threshold of every split under a node."""
    if "split_feature" in node:
        if abs(node["threshold"]) > _ZERO:
            yield node["split_feature"], node["threshold"]
        yield from splits_of(node["left_child"])
        yield from splits_of(node["right_child"])


def answers(booster: Booster, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the contributions that the graph answers, without the time that a proof takes."""
    spec = number_columns(rows.shape[1], "FP64")
    graph = add_contributions(convert_lightgbm(booster, spec, {}), booster, spec)
    named = normalise(graph, spec, {"input": rows})[0]
    return run(open_session(named.SerializeToString()), {"input": rows})["contributions"].astype(np.float64)


def require_agreement(booster: Booster, rows: NDArray[np.float64]) -> None:
    """Contributions are LightGBM's, and add up to the score."""
    contributions, reference = answers(booster, rows), np.asarray(booster.predict(rows, pred_contrib=True))
    assert np.abs(contributions - reference[:, :-1]).max() < 1e-6
    assert np.abs(contributions.sum(axis=1) + reference[:, -1] - booster.predict(rows, raw_score=True)).max() < 1e-6


@pytest.mark.parametrize(
    ("trees", "settings"),
    [
        (40, {"num_leaves": 4}),
        (10, {"num_leaves": 8}),
        (40, {"num_leaves": 2}),
        (5, {"num_leaves": 12, "max_depth": 4}),
        (3, {"num_leaves": 14, "min_data_in_leaf": 5}),
        (10, {"min_gain_to_split": 1e9}),
        (10, {"num_leaves": 6, "use_missing": False}),
        (10, {"num_leaves": 6, "boosting": "dart", "drop_rate": 0.5}),
        (10, {"num_leaves": 6, "bagging_freq": 1, "bagging_fraction": 0.3, "is_unbalance": True}),
        (10, {"num_leaves": 6, "objective": "regression"}),
        (10, {"num_leaves": 6, "objective": "poisson"}),
        (10, {"num_leaves": 6, "sigmoid": 2.0}),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
def test_contributions_are_those_of_lightgbm_and_add_up_to_the_score(trees: int, settings: dict[str, Any]) -> None:
    booster = boosted(trees, **settings)
    require_agreement(booster, at_thresholds(booster))


def test_splits_on_one_column_alone_give_it_the_whole_score() -> None:
    booster = boosted(10, ROWS[:, 3:], num_leaves=8)
    asked = at_thresholds(booster, ROWS[:, 3:])
    assert np.std(answers(booster, asked)) > 0.1
    require_agreement(booster, asked)


def test_missing_values_take_sides_that_no_number_takes() -> None:
    """They count as small where the first column is negative, and as large where it is not."""
    rows = np.random.default_rng(0).normal(size=(2000, 2))
    rows[::3, 1] = np.nan
    positive, gap = rows[:, 0] > 0, np.isnan(rows[:, 1])
    truth = 3.0 * positive + (gap | np.where(positive, rows[:, 1] > 0.5, rows[:, 1] < -0.5))
    booster = train({**_SETTINGS, "objective": "regression", "num_leaves": 4}, Dataset(rows, truth), 10)
    require_agreement(booster, at_thresholds(booster, rows))


def test_a_column_without_splits_contributes_nothing() -> None:
    rows = np.column_stack([ROWS, np.zeros(len(ROWS))])
    booster = train({**_SETTINGS, "num_leaves": 4}, Dataset(rows, label(draw_rows())), 5)
    contributions = answers(booster, rows)
    assert contributions.shape == rows.shape
    assert (contributions[:, 4] == 0).all()
    assert (contributions[:, 0] != 0).all()


@pytest.mark.parametrize("seed", range(20))
def test_random_models_agree(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(400, random.integers(1, 6))).round(1)  # few values: thresholds are hit
    rows[random.random(rows.shape) < 0.1] = np.nan
    booster = boosted(
        int(random.integers(1, 12)), rows, num_leaves=int(random.integers(2, 11)), min_data_in_leaf=5, seed=seed
    )
    require_agreement(booster, at_thresholds(booster, rows))


def test_contributions_are_proven_and_bear_the_names_of_the_columns() -> None:
    model = LGBMClassifier(n_estimators=5, num_leaves=4, verbose=-1, n_jobs=1).fit(ROWS, label(draw_rows()))
    conversion = convert(model, DOUBLES, ROWS, metadata=ASKED)
    require_proof(conversion, 1e-6)
    assert outputs_of(conversion)[-1] == ("contributions", "FP32", (4,))
    assert conversion.signature.outputs[-1].columns == COLUMNS
    assert [name for name, _, _ in outputs_of(conversion)] == ["label", "probabilities", "contributions"]
    assert set(conversion.report.worst[0].native) == {"label", "probabilities", "contributions"}
    assert conversion.golden.answers["contributions"].shape == (64, 4)


def test_who_does_not_ask_for_contributions_gets_none() -> None:
    booster = boosted(2, num_leaves=4)
    for metadata in ({}, {"contributions": False}):
        assert "contributions" not in str(convert(booster, DOUBLES, ROWS, metadata=metadata).signature)


def test_few_nodes_say_what_small_trees_contribute() -> None:
    graph = onnx.load_from_string(convert(boosted(50, num_leaves=4), DOUBLES, ROWS, metadata=ASKED).onnx)
    trees = [node for node in graph.graph.node if node.op_type == "TreeEnsembleRegressor"]
    counts = [
        len(attribute.ints) for node in trees for attribute in node.attribute if attribute.name == "nodes_nodeids"
    ]
    assert counts[0] == 50 * 7
    assert counts[1] <= 50 * 15


def test_trees_that_are_too_large_are_refused() -> None:
    booster = boosted(20, num_leaves=63, min_data_in_leaf=2)
    with pytest.raises(ConversionError, match="more than 50,000 nodes: train it with fewer trees, or smaller ones"):
        convert(booster, DOUBLES, ROWS, metadata=ASKED)


def test_models_that_have_no_contributions_are_told_so() -> None:
    table, growers = wines()
    several = LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(table, growers)
    with pytest.raises(ConversionError, match="one for each class: train it on two classes"):
        convert(several, sample=table, metadata=ASKED)
    linear = Ridge().fit(*tumours())
    with pytest.raises(ConversionError, match="models of flavor lightgbm, and this one has 'sklearn'"):
        convert(linear, sample=tumours()[0], metadata=ASKED)
    with pytest.raises(ConversionError, match="true or false, got 'yes'"):
        convert(boosted(2), DOUBLES, ROWS, metadata={"contributions": "yes"})


def test_columns_that_contribute_alike_excuse_no_wrong_label() -> None:
    probabilities = np.array([[0.2, 0.8], [0.5, 0.5]])
    found = find_ties({"probabilities": probabilities, "contributions": np.zeros((2, 4))}, BOUNDED)
    assert found.tolist() == [False, True]


def test_a_regression_names_its_columns_as_its_table_does() -> None:
    table, _ = tumours()
    table = table.iloc[:, :3]
    model = LGBMRegressor(n_estimators=3, num_leaves=4, verbose=-1, n_jobs=1).fit(table, table.iloc[:, 0])
    outputs = convert(model, sample=table, metadata=ASKED).signature.outputs
    assert [(output.name, output.columns) for output in outputs] == [
        ("prediction", ()),
        ("contributions", ("mean radius", "mean texture", "mean perimeter")),
    ]
