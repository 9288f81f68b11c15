"""What `publish` makes of a registry: one model at a time, and nothing where nothing changed."""

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from erpml.catalog.v1 import catalog_pb2
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from hub.catalog import find_model
from hub.errors import HubError
from hub.publishing.outcome import Result
from hub.repository import Repository
from tests.hub.hostile import Exiting
from tests.hub.workplace import COLUMNS, Workplace, draw_table

GOOD, BAD = "team1_good", "team2_bad"


def fingerprint(root: Path) -> dict[str, tuple[int, str]]:
    """Time and content of every file, time of every folder."""
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        for path in sorted(root.rglob("*"))
    }


def test_a_champion_goes_live(workplace: Workplace) -> None:
    workplace.register(GOOD)
    assert workplace.publish()[GOOD].result is Result.LIVE
    workplace.require_settled()
    catalog = workplace.catalog()
    assert catalog.generation == 1
    (model,) = catalog.models
    assert (model.name, model.team, model.versions[0].number) == (GOOD, "team1", 1)
    assert [(arm.name, arm.version, arm.weight_basis_points) for arm in model.arms] == [("champion", 1, 10_000)]
    assert list(model.versions[0].signature.inputs[0].columns) == COLUMNS
    assert model.versions[0].run_id == workplace.champion(GOOD).run_id
    assert workplace.version_tags(GOOD, 1)["serving.status"] == "live"
    assert json.loads((workplace.repository / GOOD / "1/parity.json").read_text())["passed"] is True


def test_classes_that_are_not_their_positions_are_named(workplace: Workplace) -> None:
    table = draw_table()
    workplace.register(GOOD, LogisticRegression().fit(table, table["income"].gt(0).map({True: 7, False: 3})), table)
    workplace.publish()
    workplace.require_settled()
    label, probabilities = workplace.catalog().models[0].versions[0].signature.outputs
    assert (list(label.columns), list(probabilities.columns)) == ([], ["3", "7"])
    assert (workplace.repository / GOOD / "probabilities_labels.txt").read_text() == "3\n7\n"


def test_a_second_publish_writes_nothing(workplace: Workplace) -> None:
    workplace.register(GOOD)
    workplace.publish()
    before = fingerprint(workplace.root)
    assert workplace.publish()[GOOD].result is Result.UNCHANGED
    assert fingerprint(workplace.root) == before


def arms(model: catalog_pb2.Model) -> dict[str, int]:
    return {arm.name: arm.version for arm in model.arms}


def loaded(model: catalog_pb2.Model) -> list[int]:
    return [version.number for version in model.versions]


def test_a_new_version_replaces_the_old_one_which_stays_loaded(workplace: Workplace) -> None:
    for number in (1, 2, 3):
        assert workplace.register(GOOD) == number
        assert workplace.publish()[GOOD].version == number
        workplace.require_settled()
    model = workplace.catalog().models[0]
    assert (arms(model), loaded(model), model.previous_version) == ({"champion": 3}, [2, 3], 2)
    statuses = [workplace.version_tags(GOOD, number)["serving.status"] for number in (1, 2, 3)]
    assert statuses == ["retired", "standby", "live"]


def test_an_alias_that_moves_back_needs_only_the_catalog(workplace: Workplace) -> None:
    for _ in range(2):
        workplace.register(GOOD)
        workplace.publish()
    workplace.point(GOOD, "champion", 1)
    files = fingerprint(workplace.repository)
    outcome = workplace.publish()[GOOD]
    assert (outcome.version, outcome.detail) == (1, "champion is version 1 instead of 2")
    assert fingerprint(workplace.repository) == files
    model = workplace.catalog().models[0]
    assert (arms(model), loaded(model), model.previous_version) == ({"champion": 1}, [1, 2], 2)


def test_challenger_and_shadow_are_loaded_beside_the_champion(workplace: Workplace) -> None:
    for _ in range(3):
        workplace.register(GOOD)
    for number, alias in enumerate(("champion", "challenger", "shadow"), 1):
        workplace.point(GOOD, alias, number)
    workplace.publish()
    model = workplace.catalog().models[0]
    assert arms(model) == {"champion": 1, "challenger": 2, "shadow": 3}
    assert [arm.weight_basis_points for arm in model.arms] == [10_000, 0, 0]
    assert workplace.version_tags(GOOD, 3)["serving.arms"] == "shadow"
    workplace.point(GOOD, "challenger", None)
    assert workplace.publish()[GOOD].detail == "no challenger any more"
    assert loaded(workplace.catalog().models[0]) == [1, 3]
    assert workplace.version_tags(GOOD, 2)["serving.status"] == "retired"
    workplace.require_settled()


def test_an_arm_with_other_tensors_is_refused_and_the_champion_stays(workplace: Workplace) -> None:
    workplace.register(GOOD)
    workplace.publish()
    table = draw_table().assign(debt=1.0)
    wider = workplace.register(GOOD, LogisticRegression().fit(table, table["income"] > 0), table)
    workplace.point(GOOD, "champion", 1)
    workplace.point(GOOD, "challenger", wider)
    outcome = workplace.publish()[GOOD]
    assert (outcome.result, outcome.version) == (Result.REFUSED, wider)
    assert "register it under a name of its own" in workplace.version_tags(GOOD, wider)["serving.reason"]
    assert arms(workplace.catalog().models[0]) == {"champion": 1}


def test_an_arm_without_a_champion_is_refused(workplace: Workplace) -> None:
    workplace.register(GOOD)
    workplace.point(GOOD, "challenger", 1)
    workplace.point(GOOD, "champion", None)
    assert workplace.publish()[GOOD].detail == "the model has no champion: set that alias as well"


def test_the_history_says_what_was_live_when(workplace: Workplace) -> None:
    registry = workplace.open_registry()
    moments = [datetime.now(UTC)]
    for _ in range(2):
        workplace.register(GOOD)
        workplace.publish()
        moments.append(datetime.now(UTC))
    workplace.point(GOOD, "champion", 1)
    workplace.publish()
    moments.append(datetime.now(UTC))
    assert [registry.history.at(GOOD, moment).version for moment in moments] == [None, 1, 2, 1]
    assert registry.history.at(GOOD, moments[-1]).by == "unknown (seen by the publisher)"
    assert registry.history.at(GOOD, moments[-2]).by == workplace.version_tags(GOOD, 2)["created_by"]
    assert registry.history.verify(GOOD) == []


def test_a_conversion_is_not_made_twice(workplace: Workplace) -> None:
    workplace.register(GOOD)
    workplace.publish()
    (kept,) = workplace.conversions.iterdir()
    graph = (kept / "model.onnx").stat().st_mtime_ns
    shutil.rmtree(workplace.repository)
    assert workplace.publish()[GOOD].result is Result.LIVE
    assert [path.name for path in workplace.conversions.iterdir()] == [kept.name]
    assert (kept / "model.onnx").stat().st_mtime_ns == graph


def test_a_model_without_the_alias_leaves_the_catalog(workplace: Workplace) -> None:
    workplace.register(GOOD)
    workplace.register("team1_other")
    workplace.publish()
    workplace.point(GOOD, "champion", None)
    assert workplace.publish()[GOOD].result is Result.WITHDRAWN
    workplace.require_settled()
    assert [model.name for model in workplace.catalog().models] == ["team1_other"]
    assert workplace.version_tags(GOOD, 1)["serving.status"] == "retired"


def test_a_registry_that_does_not_know_a_model_does_not_end_it(workplace: Workplace) -> None:
    """An empty registry is more likely the wrong one than a wish to serve nothing."""
    workplace.register(GOOD)
    workplace.publish()
    workplace.client().delete_registered_model(GOOD)
    assert workplace.publish()[GOOD].result is Result.HELD
    assert find_model(workplace.catalog(), GOOD)


def test_policy_tags_reach_the_catalog_without_a_conversion(workplace: Workplace) -> None:
    workplace.register(GOOD)
    workplace.publish()
    graph = workplace.repository / GOOD / "1/model.onnx"
    written = graph.stat().st_mtime_ns
    workplace.client().set_registered_model_tag(GOOD, "policy.default_probability", "0.03, 0.25")
    workplace.publish()
    policy = workplace.catalog().models[0].policy
    assert {name: list(value.values) for name, value in policy.items()} == {"default_probability": [0.03, 0.25]}
    assert workplace.catalog().generation == 2
    assert graph.stat().st_mtime_ns == written


def wrong_policy(workplace: Workplace) -> None:
    workplace.register(BAD)
    workplace.client().set_registered_model_tag(BAD, "policy.bands", "low")


def wrong_flavor(workplace: Workplace) -> None:
    workplace.register(BAD)
    description = workplace.artifacts(BAD) / "MLmodel"
    description.write_text(description.read_text().replace("  sklearn:\n", "  prophet:\n"))


def wrong_answers(workplace: Workplace) -> None:
    table = draw_table().assign(age=lambda rows: (rows["age"] * 3).round() % 4 + 1)
    boosting = HistGradientBoostingClassifier(max_iter=3, categorical_features=["age"])
    workplace.register(BAD, boosting.fit(table, table["age"] > 2), table)


def damaged(workplace: Workplace) -> None:
    workplace.register(BAD)
    pickled = workplace.artifacts(BAD) / "model.pkl"
    pickled.write_bytes(pickled.read_bytes()[:100])


def lost(workplace: Workplace) -> None:
    workplace.register(BAD)
    (workplace.artifacts(BAD) / "MLmodel").unlink()


def unproven(workplace: Workplace) -> None:
    workplace.register(BAD)
    (workplace.root / "artifacts" / workplace.champion(BAD).run_id / "artifacts/parity_sample.parquet").unlink()


def exits(workplace: Workplace) -> None:
    rows = draw_table()
    workplace.register(BAD, Exiting().fit(rows, rows["income"] > 0))


def blind(workplace: Workplace) -> None:
    rows = draw_table()
    model = LogisticRegression().fit(rows, rows["income"] > 0)
    model.coef_ = model.coef_ * float("nan")
    workplace.register(BAD, model)


@pytest.mark.parametrize(
    ("make_bad", "reason"),
    [
        (wrong_policy, "tag policy.bands is 'low'"),
        (wrong_flavor, "cannot be served"),
        (wrong_answers, "categorical_features, which convert wrongly"),
        (damaged, "log it again"),
        (lost, "MLmodel"),
        (exits, "its conversion crashed (exit status 3)"),
        (blind, "NaN"),
    ],
)
def test_a_refused_model_leaves_the_others_alone(
    workplace: Workplace, make_bad: Callable[[Workplace], None], reason: str
) -> None:
    make_bad(workplace)
    workplace.register("team3_later")
    outcomes = workplace.publish()
    assert outcomes[BAD].result is Result.REFUSED
    assert outcomes["team3_later"].result is Result.LIVE
    workplace.require_settled()
    tags = workplace.version_tags(BAD, workplace.champion(BAD).number)
    assert tags["serving.status"] == "refused"
    assert reason in tags["serving.reason"]


def test_a_model_that_cannot_be_written_leaves_the_others_alone(workplace: Workplace) -> None:
    workplace.register(BAD)
    workplace.register("team3_later")
    workplace.repository.mkdir()
    (workplace.repository / BAD).write_text("a file where the folder belongs")
    outcomes = workplace.publish()
    assert (outcomes[BAD].result, outcomes["team3_later"].result) == (Result.REFUSED, Result.LIVE)
    assert "Not a directory" in outcomes[BAD].detail


def test_a_refused_version_leaves_the_old_one_live(workplace: Workplace) -> None:
    workplace.register(BAD)
    workplace.publish()
    before = workplace.catalog()
    wrong_answers(workplace)
    assert workplace.publish()[BAD].result is Result.REFUSED
    assert workplace.catalog() == before
    workplace.require_settled()


def test_a_damaged_graph_is_written_again(workplace: Workplace) -> None:
    workplace.register(GOOD)
    workplace.publish()
    (workplace.repository / GOOD / "1/model.onnx").write_bytes(b"damaged")
    assert workplace.publish()[GOOD].result is Result.LIVE
    workplace.require_settled()


def test_a_number_that_comes_again_from_another_registry_is_another_model(
    workplace: Workplace, empty_registry: Path
) -> None:
    workplace.register(GOOD)
    workplace.publish()
    old = workplace.catalog().models[0].versions[0]
    workplace.database.write_bytes(empty_registry.read_bytes())
    rows = draw_table()
    workplace.register(GOOD, LogisticRegression().fit(rows, rows["age"] > 0))
    assert workplace.publish()[GOOD].result is Result.LIVE
    workplace.require_settled()
    new = workplace.catalog().models[0].versions[0]
    assert (new.number, new.sha256 != old.sha256) == (1, True)


def test_two_publishers_keep_apart(workplace: Workplace) -> None:
    workplace.register(GOOD)
    with Repository(workplace.repository).lock(), pytest.raises(HubError, match="another publisher"):
        workplace.publish()
    assert workplace.publish()[GOOD].result is Result.LIVE
