"""What `publish` makes of a registry: one model at a time, and nothing where nothing changed."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hub.catalog import find_model
from hub.champion import ALIAS
from hub.errors import HubError
from hub.publishing.outcome import Result
from hub.repository import Repository
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


def test_a_new_version_replaces_the_old_one(workplace: Workplace) -> None:
    workplace.register(GOOD)
    workplace.publish()
    workplace.register(GOOD)
    assert workplace.publish()[GOOD].version == 2
    workplace.require_settled()
    assert workplace.version_tags(GOOD, 1)["serving.status"] == "retired"
    assert workplace.version_tags(GOOD, 2)["serving.status"] == "live"


def test_an_alias_that_moves_back_brings_the_old_version_back(workplace: Workplace) -> None:
    workplace.register(GOOD)
    workplace.publish()
    workplace.register(GOOD)
    workplace.publish()
    workplace.client().set_registered_model_alias(GOOD, ALIAS, "1")
    assert workplace.publish()[GOOD].version == 1
    workplace.require_settled()


def test_a_model_without_the_alias_leaves_the_catalog(workplace: Workplace) -> None:
    workplace.register(GOOD)
    workplace.register("team1_other")
    workplace.publish()
    workplace.client().delete_registered_model_alias(GOOD, ALIAS)
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
    table = draw_table().assign(age=lambda rows: (rows["age"] * 30).round())
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0))
    workplace.register(BAD, forest.fit(table, table["income"] * 30 + table["age"] > 0), table)


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


@pytest.mark.parametrize(
    ("make_bad", "reason"),
    [
        (wrong_policy, "tag policy.bands is 'low'"),
        (wrong_flavor, "supported: sklearn"),
        (wrong_answers, "do not agree"),
        (damaged, "log it again"),
        (lost, "MLmodel"),
        (unproven, "has no artifact parity_sample.parquet"),
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
    tags = workplace.version_tags(BAD, workplace.champion(BAD).version)
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
