"""Experiments of a group have buckets of their own."""

import pytest

from hub.errors import HubError
from hub.experiments.design import Exclusion, State
from hub.experiments.groups import find_room, taken_ranges
from hub.registry.records import RegisteredModel
from tests.hub.experiments.tagged import design


def taken(first: int, buckets: int, group: str = "limits") -> Exclusion:
    return Exclusion(group=group, first=first, buckets=buckets)


def test_the_first_range_that_is_long_enough_is_given() -> None:
    others = [taken(0, 1000), taken(1500, 3000), taken(0, 10_000, "prices")]
    assert find_room("limits", 500, others) == taken(1000, 500)
    assert find_room("limits", 501, others) == taken(4500, 501)
    assert find_room("new", 10_000, others).buckets == 10_000


def test_what_is_free_is_said_where_nothing_is_long_enough() -> None:
    with pytest.raises(HubError, match=r"no 60 % in a row: 5 % \(buckets 1000-1499\), 55 % \(buckets 4500-9999\) is"):
        find_room("limits", 6000, [taken(0, 1000), taken(1500, 3000)])
    with pytest.raises(HubError, match="nothing is free"):
        find_room("limits", 1, [taken(0, 10_000)])


def test_experiments_of_all_models_count_also_before_they_start() -> None:
    tags = {
        "experiment.a": design(State.CREATED, exclusion={"group": "limits", "first": 0, "buckets": 7}),
        "experiment.b": "{",
        "experiment.default": "{",
    }
    models = {name: RegisteredModel(name, "t", tags, {}, {}) for name in ("team1_a", "team2_b")}
    assert taken_ranges(models) == [taken(0, 7)] * 2
