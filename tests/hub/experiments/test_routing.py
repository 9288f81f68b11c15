"""Calls are divided as tags say, as far as arms and freeze windows let it."""

import json

from erpml.catalog.v1 import catalog_pb2

from hub.experiments.design import State
from hub.experiments.routing import carry_over, route
from tests.hub.experiments.tagged import design, divide, divide_frozen, live, read, slices

HALT = json.dumps({"reason": "slow", "at": "2026-11-01T00:00:00+00:00", "weight": "10"})


def test_an_experiment_is_in_the_catalog_as_it_was_decided() -> None:
    tag = design(
        tenants=["team3"],
        conditions={"channel": ["web"]},
        exclusion={"group": "limits", "first": 3000, "buckets": 10},
    )
    (found,) = divide(live("champion", "challenger"), experiment__x=tag, weight__x__challenger="10").experiments
    assert (found.name, found.seed, found.state) == ("x", "s", catalog_pb2.EXPERIMENT_STATE_RUNNING)
    assert [(each.arm, each.first_bucket, each.buckets) for each in found.slices] == [
        ("challenger", 0, 1000),
        ("champion", 1000, 9000),
    ]
    assert (list(found.tenants), found.conditions[0].field, list(found.conditions[0].values)) == (
        ["team3"],
        "channel",
        ["web"],
    )
    assert (found.exclusion.group, found.exclusion.first_bucket, found.exclusion.buckets) == ("limits", 3000, 10)
    assert (found.guardrails.error_rate, found.guardrails.window_seconds) == (0.01, 30)
    assert found.revision


def test_without_guardrails_there_are_none() -> None:
    model = divide(live("champion"), experiment__x=design(guardrails=None))
    assert not model.experiments[0].HasField("guardrails")


def test_one_that_has_not_started_is_not_there_and_one_that_pauses_keeps_its_buckets() -> None:
    model = live("champion", "challenger")
    weights = {"weight__x__challenger": "10"}
    assert not divide(model, experiment__x=design(State.CREATED), **weights).experiments
    paused = divide(divide(model, experiment__x=design(), **weights), experiment__x=design(State.PAUSED), **weights)
    assert paused.experiments[0].state == catalog_pb2.EXPERIMENT_STATE_PAUSED
    assert slices(paused, "x") == {"challenger": 1000, "champion": 9000}


def test_an_arm_that_is_not_loaded_leaves_its_share_to_the_champion_and_that_is_said() -> None:
    routed = route(live("champion"), read(weight__challenger="10"), lambda _: None)
    assert slices(routed.model) == {"champion": 10_000}
    assert routed.lacking["default"] == "no version is loaded for challenger 10 %: the champion has that share"


def test_a_lost_catalog_moves_no_unit() -> None:
    tag = "challenger:5000-5999;champion:0-4999,6000-9999"
    model = divide(live("champion", "challenger"), weight__challenger="10", buckets__default=tag)
    assert [each.first_bucket for each in model.experiments[0].slices] == [0, 5000, 6000]


def test_another_seed_takes_nothing_over() -> None:
    model = divide(live("champion", "challenger"), experiment__x=design(), weight__x__challenger="10")
    model.experiments[0].slices[0].arm, model.experiments[0].slices[1].arm = "champion", "challenger"
    changed = divide(model, experiment__x=design(seed="other"), weight__x__challenger="10")
    assert changed.experiments[0].slices[0].arm == "challenger"


def test_a_broken_experiment_stays_as_it_is_live() -> None:
    before = divide(live("champion", "challenger"), experiment__x=design(), weight__x__challenger="10")
    assert divide(before, experiment__x="{", weight__x__challenger="20") == before
    assert not divide(live("champion", "challenger"), experiment__x="{").experiments


def test_an_arm_of_a_broken_experiment_loses_its_share_all_the_same() -> None:
    before = divide(live("champion", "challenger"), experiment__x=design(), weight__x__challenger="10")
    tags = {"experiment__x": "{", "weight__x__challenger": "0", "guardrail__x__challenger": HALT}
    after = divide(before, **tags)
    assert (slices(after, "x"), after.experiments[0].halts[0].reason) == ({"champion": 10_000}, "slow")
    assert after.experiments[0].revision != before.experiments[0].revision
    assert divide(after, **tags) == after


def test_shadows_mirror_all_calls_unless_a_weight_says_less() -> None:
    model = divide(live("champion", "challenger", "shadow", "shadow-b"), weight__shadow_0b="12.5")
    assert [arm.mirrored_basis_points for arm in model.arms] == [0, 0, 10_000, 1250]


def test_while_a_model_is_frozen_nothing_gains_and_everything_may_lose() -> None:
    both = live("champion", "challenger", "challenger-b")
    before = divide(both, weight__challenger="10", weight__challenger_0b="20")
    assert not divide_frozen(both, weight__challenger="10").experiments
    after = divide_frozen(before, weight__challenger="30", weight__challenger_0b="5")
    assert slices(after) == {"challenger": 1000, "challenger-b": 500, "champion": 8500}
    halted = divide_frozen(before, weight__challenger="0", weight__challenger_0b="20")
    assert slices(halted) == {"challenger-b": 2000, "champion": 8000}


def test_while_a_model_is_frozen_no_experiment_starts_again_or_takes_other_calls() -> None:
    model, weights = live("champion", "challenger"), {"weight__x__challenger": "10"}
    running = divide(model, experiment__x=design(tenants=["team3"]), **weights)
    paused = divide(running, experiment__x=design(State.PAUSED), **weights)
    for before in (running, paused):
        after = divide_frozen(before, experiment__x=design(), **weights)
        assert after.experiments[0].state == before.experiments[0].state
        assert list(after.experiments[0].tenants) == list(before.experiments[0].tenants)
    assert divide_frozen(running, experiment__x=design(State.PAUSED), **weights).experiments[0].state == 2
    assert not divide_frozen(running).experiments


def test_an_arm_that_goes_leaves_its_share_to_the_champion() -> None:
    before, after = (
        divide(live("champion", "challenger", "shadow"), weight__challenger="10"),
        live("champion", "shadow"),
    )
    carry_over(after, before)
    assert slices(after) == {"champion": 10_000}
    assert [arm.mirrored_basis_points for arm in after.arms] == [0, 10_000]
