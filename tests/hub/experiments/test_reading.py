"""What tags mean, whoever wrote them."""

import json

import pytest

from tests.hub.experiments.tagged import design, read, wanted

BROKEN = {
    "experiment__x": {"{": "tag experiment.x: ", '{"seed": "s", "weights": 1}': "tag experiment.x: weights: Extra"},
    "weight__challenger": {
        "ten": "tag weight.challenger: 'ten' is no weight",
        "101": "tag weight.challenger: a weight of 101",
        "nan": "tag weight.challenger: a weight of nan",
        "0.001": "tag weight.challenger: a weight of 0.001",
    },
    "weight__canary": {"1": "tag weight.canary: 'canary' is no alias that is served"},
    "weight__shadow": {"-1": "tag weight.shadow: a weight of -1"},
    "experiment__X": {"{}": "'X' is no experiment"},
}


@pytest.mark.parametrize(("key", "text"), [(key, text) for key, texts in BROKEN.items() for text in texts])
def test_a_broken_tag_is_named(key: str, text: str) -> None:
    (fault,) = read(**{key: text}).faults.values()
    assert fault.startswith(BROKEN[key][text])


def test_one_broken_experiment_keeps_no_other_away() -> None:
    found = read(weight__challenger="101", experiment__a=design(), weight__a__challenger="10", experiment__b="{")
    assert ([each.name for each in found.wanted], sorted(found.faults)) == (["a"], ["b", "default"])


def test_weights_of_aliases_are_the_experiment_default_which_comes_last() -> None:
    found = read(weight__challenger="0.25", weight__shadow="50", experiment__x=design(), weight__x__challenger="1")
    assert [(each.name, each.weights) for each in found.wanted] == [
        ("x", {"challenger": 100}),
        ("default", {"challenger": 25}),
    ]
    assert found.mirrored == {"shadow": 5000}
    assert found.wanted[1].design.seed == "team1_model.default"


def test_weights_are_all_calls_at_the_most_and_exactly_where_the_champion_has_one() -> None:
    assert "add up to 110 %" in read(weight__challenger="60", weight__challenger_0b="50").faults["default"]
    assert "add up to 90 %" in read(weight__challenger="10", weight__champion="80").faults["default"]
    assert wanted("default", weight__challenger="10", weight__champion="90").weights == {"challenger": 1000}


def test_a_weight_of_an_arm_that_the_experiment_lacks_is_a_fault() -> None:
    found = read(experiment__x=design(), weight__x__challenger="1", weight__x__challenger_0b="1")
    assert "the experiment x has no arm challenger-b" in found.faults["x"]


def test_every_decision_makes_another_revision() -> None:
    halt = json.dumps({"reason": "slow", "at": "2026-11-01T00:00:00+00:00", "weight": "10"})
    tags = [
        {"weight__challenger": "10"},
        {"weight__challenger": "20"},
        {"weight__challenger": "0"},
        {"weight__challenger": "0", "guardrail__default__challenger": halt},
        {"weight__challenger": "10", "experiment__default": design(revision="1")},
    ]
    assert len({wanted("default", **each).revision for each in tags}) == len(tags)


def test_an_arm_that_was_given_a_share_again_is_not_halted() -> None:
    tags = {"guardrail__default__challenger": "slow"}
    assert [halt.reason for halt in wanted("default", weight__challenger="0", **tags).halts] == ["slow"]
    again = wanted("default", weight__challenger="10", **tags)
    assert (again.halts, again.revision) == ((), wanted("default", weight__challenger="10").revision)
