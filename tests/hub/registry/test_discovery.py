"""Moves that the history does not know: who announced one made it, and all others are somebody's."""

from datetime import UTC, datetime, timedelta

import pytest

from hub.registry.discovery import UNKNOWN, find_unrecorded
from hub.registry.intents import Intent
from hub.registry.records import RegisteredModel, RegisteredVersion

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def model(tags: dict[str, str], **aliases: int) -> dict[str, RegisteredModel]:
    versions = {
        alias: RegisteredVersion("team3_churn", "team3", number, "", f"models:/team3_churn/{number}", "", {})
        for alias, number in aliases.items()
    }
    return {"team3_churn": RegisteredModel("team3_churn", "team3", tags, versions, {})}


def test_what_the_history_knows_is_no_move() -> None:
    recorded = {"team3_churn": {"champion": 2, "elsewhere": 1}, "team3_gone": {"champion": 1}}
    assert find_unrecorded(model({}, champion=2), recorded, NOW) == []


def test_moves_and_removals_are_found_in_order() -> None:
    found = find_unrecorded(model({}, challenger=3, champion=2), {"team3_churn": {"champion": 1, "shadow": 1}}, NOW)
    assert [(each.alias, each.version, each.previous, each.by, each.at) for each in found] == [
        ("champion", 2, 1, UNKNOWN, NOW),
        ("challenger", 3, None, UNKNOWN, NOW),
        ("shadow", None, 1, UNKNOWN, NOW),
    ]


@pytest.mark.parametrize(
    ("version", "age_seconds", "known"), [(2, 1, True), (2, 599, True), (2, 601, False), (2, -60, False), (3, 1, False)]
)
def test_who_announced_just_this_move_a_moment_ago_made_it(version: int, age_seconds: int, *, known: bool) -> None:
    intent = Intent(version, "bob", "better AUC", NOW - timedelta(seconds=age_seconds))
    (found,) = find_unrecorded(model({"moving.champion": intent.to_tag()}, champion=2), {}, NOW)
    assert (found.by, found.reason) == (("bob", "better AUC") if known else (UNKNOWN, ""))


BY_HAND = '{"version": 2, "by": "bob", "reason": "", "at": "%s"}'


NOBODY = BY_HAND.replace('"bob"', "null") % "2026-11-01T12:00Z"
UNWRITABLE = BY_HAND.replace("bob", "\\ud800") % "2026-11-01T12:00Z"


@pytest.mark.parametrize(
    "tag", ["", "bob", "{}", "[]", BY_HAND % "soon", BY_HAND % "2026-11-01T12:00", NOBODY, UNWRITABLE]
)
def test_an_announcement_that_was_written_by_hand_counts_for_nothing(tag: str) -> None:
    (found,) = find_unrecorded(model({"moving.champion": tag}, champion=2), {}, NOW)
    assert found.by == UNKNOWN
