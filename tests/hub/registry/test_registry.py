"""The registry is the same on every store: names, versions, aliases, weights, tags and artifacts."""

from pathlib import Path
from typing import Any

import pytest

from hub.errors import HubError, ModelRefusedError
from hub.registry import ModelRegistry
from hub.registry.records import RegisteredVersion
from tests.hub.registry.conftest import Store
from tests.hub.registry.teams import log_model, register

REFUSED: dict[str, dict[str, Any]] = {
    "{team}_churn has no version 2: register it, or choose another": {"version": 2},
    "no model {team}_nothing is registered: check the name": {"model": "nothing"},
    "'canary' is no alias that is served: write champion, challenger, shadow, challenger-NAME or shadow-NAME, with a "
    "NAME of up to 31 of a-z, 0-9, '_' and '-'": {"alias": "canary"},
    "a weight of 0.001 is not possible: give a percentage from 0 to 100 in steps of 0.01": {"weight": 0.001},
}


def test_a_version_is_registered_for_its_team(registry: ModelRegistry, team: str) -> None:
    first = registry.register_model(team, "churn", "s3://elsewhere/1", "", tags={"model_type": "GBM"}, by="alice")
    name = f"{team}_churn"
    tags = {"team": team, "created_by": "alice", "model_type": "GBM"}
    assert first == RegisteredVersion(name, team, 1, "", f"models:/{name}/1", "s3://elsewhere/1", tags)
    assert registry.register_model(team, "churn", "s3://elsewhere/2", "").number == 2
    assert registry.models()[name].tags["model_type"] == "GBM"


def test_an_alias_names_the_version_that_was_deployed(registry: ModelRegistry, team: str) -> None:
    register(registry, team, versions=3)
    for alias, version in (("shadow", 1), ("champion", 2), ("challenger", 3), ("champion", 1)):
        assert registry.deploy_model(team, "churn", version, alias=alias).number == version
    assert registry.get_model_for_team(team, "churn").number == 1
    assert registry.get_model_for_team(team, "churn", "challenger").number == 3
    model = registry.models()[f"{team}_churn"]
    assert [(alias, version.number) for alias, version in model.versions.items()] == [
        ("champion", 1),
        ("challenger", 3),
        ("shadow", 1),
    ]


def test_a_removed_alias_is_gone_with_its_weight(registry: ModelRegistry, team: str) -> None:
    register(registry, team)
    registry.deploy_model(team, "churn", 1, alias="challenger", weight=5)
    registry.remove_alias(team, "churn", "challenger", by="bob", reason="too slow")
    model = registry.models()[f"{team}_churn"]
    assert (model.versions, model.tags) == ({}, {"team": team, "created_by": "alice"})
    with pytest.raises(HubError, match=rf"{team}_churn has no challenger: `gapura promote {team}/churn VERSION"):
        registry.remove_alias(team, "churn", "challenger")


def test_a_weight_stays_until_another_is_given(registry: ModelRegistry, team: str) -> None:
    register(registry, team)
    registry.deploy_model(team, "churn", 1, alias="challenger", weight=33.3)
    registry.deploy_model(team, "churn", 1, alias="challenger")
    assert registry.models()[f"{team}_churn"].tags["weight.challenger"] == "33.3"


def test_what_cannot_be_deployed_changes_nothing(registry: ModelRegistry, team: str) -> None:
    register(registry, team)
    registry.deploy_model(team, "churn", 1, alias="shadow", weight=1)
    before = registry.models()[f"{team}_churn"], registry.history.of(f"{team}_churn")
    for message, choice in REFUSED.items():
        arguments: dict[str, Any] = {"team": team, "model": "churn", "version": 1, "override": "now", **choice}
        with pytest.raises(HubError) as raised:
            registry.deploy_model(**arguments)
        assert str(raised.value) == message.format(team=team)
    assert before == (registry.models()[f"{team}_churn"], registry.history.of(f"{team}_churn"))


def test_a_permission_to_override_holds_for_one_promotion(registry: ModelRegistry, team: str) -> None:
    register(registry, team)
    assert registry.deploy_model(team, "churn", 1, override="rates").tags["serving.override"] == "rates"
    assert "serving.override" not in registry.deploy_model(team, "churn", 1).tags


def test_tags_of_what_is_served_are_found_without_an_alias(registry: ModelRegistry, team: str) -> None:
    register(registry, team, versions=4)
    name = f"{team}_churn"
    for version, status in ((1, "retired"), (2, "standby"), (3, "live"), (4, "refused")):
        registry.write_tags(name, version, {"serving.status": status, "serving.reason": f"because {version}"})
    registry.deploy_model(team, "churn", 4)
    model = registry.models()[name]
    assert {number: tags["serving.reason"] for number, tags in model.statuses.items()} == {
        2: "because 2",
        3: "because 3",
    }
    assert model.versions["champion"].tags["serving.status"] == "refused"


def test_tags_are_removed_by_none(registry: ModelRegistry, team: str) -> None:
    register(registry, team)
    name = f"{team}_churn"
    registry.write_tags(name, 1, {"serving.status": "live", "serving.reason": ""})
    registry.write_tags(name, 1, {"serving.status": None, "serving.since": None})
    registry.deploy_model(team, "churn", 1)
    tags = registry.models()[name].versions["champion"].tags
    assert ("serving.status" in tags, tags["serving.reason"]) == (False, "")


def test_artifacts_come_back_as_they_were_logged(
    registry: ModelRegistry, store: Store, team: str, tmp_path: Path
) -> None:
    run_id = log_model(registry, team, store, tmp_path)
    version = registry.deploy_model(team, "churn", 1, alias="shadow")
    assert version.run_id == run_id
    (tmp_path / "model").mkdir()
    (tmp_path / "run").mkdir()
    model = registry.download_model(version, tmp_path / "model")
    assert (model / "weights.bin").read_bytes() == bytes(range(256)) * 1000
    assert registry.download_from_run(version, "card.md", tmp_path / "run").read_text() == "# Übung\n"
    with pytest.raises(ModelRefusedError, match=f"run {run_id} has no artifact nothing.parquet: log it there"):
        registry.download_from_run(version, "nothing.parquet", tmp_path / "run")
