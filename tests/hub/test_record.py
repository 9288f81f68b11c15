"""What stands in the registry about what is live: true whoever deleted, killed, refused or froze what."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from erpml.catalog.v1 import catalog_pb2

from hub.errors import ModelRefusedError
from hub.freeze import read_windows
from hub.history import Change
from hub.publishing.outcome import Outcome, Result
from tests.hub.fake_nodes import FakeNode
from tests.hub.test_publishing import arms
from tests.hub.test_watch import FROZEN
from tests.hub.workplace import Workplace

NAME, OTHER = "team1_model", "team2_other"


def publish_versions(workplace: Workplace, count: int) -> None:
    for _ in range(count):
        workplace.register(NAME)
        workplace.publish()


def challenge(workplace: Workplace) -> None:
    """Version 1 is champion, version 2 challenger."""
    for _ in range(2):
        workplace.register(NAME)
    workplace.point(NAME, "champion", 1)
    workplace.point(NAME, "challenger", 2)
    workplace.publish()


def live_at(workplace: Workplace, moment: datetime | None = None) -> dict[str, int]:
    return dict(workplace.open_registry().history.at(NAME, moment or datetime.now(UTC)).live)


def changes(workplace: Workplace, kind: str) -> list[Change]:
    return [change for change in workplace.open_registry().history.of(NAME) if change.kind == kind]


def publish_unrecorded(workplace: Workplace) -> None:
    """Publishes like a hub that is killed before it writes anything back."""
    before = workplace.database.read_bytes()
    workplace.publish()
    workplace.database.write_bytes(before)


def publish_frozen(workplace: Workplace, *nodes: FakeNode, **options: Any) -> list[Outcome]:
    path = workplace.root / "freeze.yaml"
    path.write_text(FROZEN)
    return workplace.publisher(*nodes, windows=lambda: read_windows(path), **options).publish(lambda _: None)


def test_a_deleted_version_that_is_kept_for_a_rollback_disturbs_nobody(workplace: Workplace) -> None:
    publish_versions(workplace, 2)
    workplace.register(OTHER)
    workplace.client().delete_model_version(NAME, "1")
    outcomes = workplace.publish()
    assert (outcomes[NAME].result, outcomes[OTHER].result) == (Result.UNCHANGED, Result.LIVE)


def test_a_model_that_is_registered_anew_takes_over(workplace: Workplace) -> None:
    publish_versions(workplace, 3)
    workplace.client().delete_registered_model(NAME)
    workplace.register(NAME)
    assert workplace.publish()[NAME].result is Result.LIVE
    assert workplace.publish()[NAME].result is Result.UNCHANGED
    assert live_at(workplace) == {"champion": 1}


@pytest.mark.parametrize(("deleted", "left"), [(1, {}), (2, {"champion": 1})])
def test_the_history_knows_that_a_deleted_version_is_not_live(
    workplace: Workplace, deleted: int, left: dict[str, int]
) -> None:
    challenge(workplace)
    workplace.client().delete_model_version(NAME, str(deleted))
    workplace.publish()
    assert live_at(workplace) == left


def test_a_withdrawal_that_was_not_recorded_is_made_up_for(workplace: Workplace) -> None:
    publish_versions(workplace, 1)
    workplace.point(NAME, "champion", None)
    publish_unrecorded(workplace)
    assert workplace.publish()[NAME].result is Result.WITHDRAWN
    assert workplace.version_tags(NAME, 1)["serving.status"] == "retired"
    assert live_at(workplace) == {}
    assert workplace.publish() == {}


def test_a_version_that_was_live_unrecorded_is_in_the_history_although_another_took_over(workplace: Workplace) -> None:
    publish_versions(workplace, 1)
    workplace.register(NAME)
    publish_unrecorded(workplace)
    meanwhile = datetime.now(UTC)
    publish_versions(workplace, 1)
    assert live_at(workplace, meanwhile) == {"champion": 2}
    assert [(each.version, each.previous) for each in changes(workplace, "live")] == [(1, None), (2, 1), (3, 2)]
    statuses = [workplace.version_tags(NAME, number)["serving.status"] for number in (1, 2, 3)]
    assert statuses == ["retired", "standby", "live"]


class Misfit:
    """Contracts that no policy fits."""

    def require_fit(self, model: catalog_pb2.Model, views: object = ()) -> None:  # noqa: ARG002 - the same for all
        if model.policy:
            raise ModelRefusedError("the policy fits no contract")


def misfit(workplace: Workplace) -> None:
    workplace.publisher(contracts=Misfit()).publish(lambda _: None)


def misplaced(workplace: Workplace) -> None:
    away = FakeNode("b:2", workplace.repository)
    away.down = True
    workplace.publisher(FakeNode("a:1", workplace.repository), gpu=(away,)).publish(lambda _: None)


def frozen_elsewhere(workplace: Workplace) -> None:
    gpu = (FakeNode("b:2", workplace.repository),)
    publish_frozen(workplace, FakeNode("a:1", workplace.repository), gpu=gpu)


@pytest.mark.parametrize(
    ("tag", "look", "reason", "refusals"),
    [
        (("policy.bands", "1,2"), misfit, "the policy fits no contract", 1),
        (("placement", "gpu"), misplaced, "no node that could serve it answers", 1),
        (("placement", "gpu"), frozen_elsewhere, "frozen until 2099-01-01", 0),
    ],
    ids=["contract", "nodes", "freeze"],
)
def test_why_a_live_version_is_not_served_as_it_should_be_stays_there(
    workplace: Workplace, tag: tuple[str, str], look: Callable[[Workplace], None], reason: str, refusals: int
) -> None:
    publish_versions(workplace, 1)
    workplace.client().set_registered_model_tag(NAME, *tag)
    for _ in range(3):
        look(workplace)
        tags = workplace.version_tags(NAME, 1)
        assert (tags["serving.status"], tags["serving.reason"][: len(reason)]) == ("live", reason)
    assert len(changes(workplace, "refused")) == refusals
    workplace.client().delete_registered_model_tag(NAME, tag[0])
    workplace.publish()
    assert workplace.version_tags(NAME, 1)["serving.reason"] == ""


def test_a_standby_version_that_is_refused_stays_a_standby(workplace: Workplace) -> None:
    publish_versions(workplace, 2)
    workplace.client().set_registered_model_tag(NAME, "policy.bands", "1,2")
    workplace.point(NAME, "champion", 1)
    for _ in range(3):
        misfit(workplace)
        tags = workplace.version_tags(NAME, 1)
        assert (tags["serving.status"], tags["serving.reason"]) == ("standby", "the policy fits no contract")


def test_a_loaded_challenger_becomes_champion_in_a_freeze_window_only_with_a_reason(workplace: Workplace) -> None:
    challenge(workplace)
    workplace.point(NAME, "champion", 2)
    for _ in range(2):
        assert [each.result for each in publish_frozen(workplace)] == [Result.HELD]
        assert arms(workplace.catalog().models[0]) == {"champion": 1, "challenger": 2}
        tags = workplace.version_tags(NAME, 2)
        assert (tags["serving.status"], tags["serving.reason"][:6]) == ("live", "frozen")
    publish_frozen(workplace, override="wrong rates")
    assert arms(workplace.catalog().models[0]) == {"champion": 2, "challenger": 2}


def test_a_broken_freeze_file_keeps_a_loaded_challenger_from_becoming_champion(workplace: Workplace) -> None:
    challenge(workplace)
    workplace.point(NAME, "champion", 2)
    broken = workplace.root / "broken.yaml"
    broken.write_text("windows: 1")
    (outcome,) = workplace.publisher(windows=lambda: read_windows(broken)).publish(lambda _: None)
    assert (outcome.result, outcome.version) == (Result.REFUSED, 2)
    assert arms(workplace.catalog().models[0]) == {"champion": 1, "challenger": 2}


def test_a_permission_for_a_freeze_window_is_for_one_time(workplace: Workplace) -> None:
    publish_versions(workplace, 1)
    workplace.register(NAME)
    workplace.open_registry().deploy_model("team1", "model", 2, override="wrong rates")
    publish_frozen(workplace)
    assert arms(workplace.catalog().models[0]) == {"champion": 2}
    publish_versions(workplace, 2)
    workplace.point(NAME, "champion", 2)
    assert [each.result for each in publish_frozen(workplace)] == [Result.HELD]
