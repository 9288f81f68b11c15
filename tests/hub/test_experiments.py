"""Experiments from tags to the catalog, with a real MLflow: weights, commands, freeze windows, faults."""

import json
import time
from functools import partial

from hub.publishing.outcome import Result
from hub.rollback import roll_back
from tests.hub.experimenting import (
    NAME,
    ask,
    changes,
    find,
    set_tag,
    shares,
    tags,
    told,
)
from tests.hub.test_watch import FROZEN, settings_of, watching
from tests.hub.workplace import Workplace


def has(workplace: Workplace, buckets: int) -> bool:
    return shares(workplace).get("challenger") == buckets


def test_a_weight_that_is_edited_in_mlflow_is_in_the_catalog_within_two_seconds(live: Workplace) -> None:
    seconds = list[float]()
    with watching(settings_of(live)) as watched:
        for percent, buckets in (("1", 100), ("10", 1000), ("20", 2000), ("5", 500)):
            set_tag(live, "weight.challenger", percent)
            begun = time.monotonic()
            watched.wait_for(partial(has, live, buckets))
            seconds.append(time.monotonic() - begun)
    assert min(seconds[1:]) < 2.0  # the first look takes longer, and the machine may be busy
    assert "experiment default live: challenger has 20 % instead of 10 %" in changes(live)


def test_an_experiment_goes_through_its_life(live: Workplace) -> None:
    assert ask(
        "create", NAME, "limits", "--arm", "challenger=10", "--tenant", "team3", "--where", "channel=web"
    ).output == ("team1_model experiment limits created: challenger 10 %; `start` starts it\n")
    assert find(live, "limits") is None
    done = ask("start", NAME, "limits")
    assert done.output.splitlines() == [
        "team1_model experiment limits started",
        "team1_model experiment limits live: running: challenger 10 %",
    ]
    assert ask("ramp", NAME, "limits", "--arm", "challenger=20").output.splitlines()[1] == (
        "team1_model experiment limits live: challenger has 20 % instead of 10 %"
    )
    assert tags(live)["buckets.limits"] == "challenger:0-1999;champion:2000-9999"
    assert ask("pause", NAME, "limits").exit_code == 0
    found = find(live, "limits")
    assert found is not None
    assert (found.state, shares(live, "limits")["challenger"]) == (2, 2000)
    assert ask("stop", NAME, "limits").exit_code == 0
    assert find(live, "limits") is None
    assert not any("limits" in key for key in tags(live))
    assert [line for line in told() if line.endswith("ana  trial")] == [
        "experiment limits created: challenger 10 %  ana  trial",
        "experiment limits started  ana  trial",
        "experiment limits ramped: challenger 20 % (was challenger 10 %)  ana  trial",
        "experiment limits paused  ana  trial",
        "experiment limits stopped (was challenger 20 %)  ana  trial",
    ]


def test_weights_of_aliases_are_ramped_as_the_experiment_default(live: Workplace) -> None:
    assert ask("ramp", "team1/model", "default", "--arm", "challenger=5").output.splitlines() == [
        "team1_model experiment default ramped: challenger 5 %",
        "team1_model experiment default live: running: challenger 5 %",
    ]
    assert tags(live)["weight.challenger"] == "5"
    assert shares(live) == {"challenger": 500, "champion": 9500}
    assert ask("pause", NAME, "default").exit_code == 0
    assert told()[-3:-1] == [
        f"experiment default live: running: challenger 5 %  {live.open_registry().history.of(NAME)[-1].by}",
        "experiment default paused  ana  trial",
    ]


def test_what_is_listed_is_what_was_decided_and_what_is_live(live: Workplace) -> None:
    assert not live.catalog().models[0].experiments
    assert ask("list").output == "there are no experiments\n"
    ask("create", NAME, "limits", "--arm", "challenger=10", "--arm", "challenger-b=5", "--group", "g", "--share", "30")
    ask("start", NAME, "limits")
    lines = ask("list", NAME).output.splitlines()
    assert lines[0].startswith("team1_model limits: running since ")
    assert lines[0].endswith(" by ana: trial")
    assert lines[1:5] == [
        "  champion version 1: 90 %, buckets 1000-9999",
        "  challenger version 2: 10 %, buckets 0-999",
        "  challenger-b, not loaded: 5 %, 0 % live",
        "  group g: buckets 0-2999",
    ]
    (found,) = json.loads(ask("list", "--json").output)
    assert (found["arms"]["challenger"]["version"], found["changed"]["by"], found["seed"]) == (
        2,
        "ana",
        "team1_model.limits",
    )
    assert found["slices"][0] == {"arm": "challenger", "first_bucket": 0, "buckets": 1000}
    assert found["exclusion"] == {"group": "g", "first_bucket": 0, "buckets": 3000}


def test_groups_give_every_experiment_buckets_of_its_own(live: Workplace) -> None:
    for name in ("a", "b"):
        ask("create", NAME, name, "--arm", "challenger=1", "--group", "g", "--share", "40")
    done = ask("create", NAME, "c", "--arm", "challenger=1", "--group", "g", "--share", "30")
    assert done.output.startswith("Error: the group g has no 30 % in a row: 20 % (buckets 8000-9999) is free")
    ask("stop", NAME, "a")
    ask("create", NAME, "c", "--arm", "challenger=1", "--group", "g", "--share", "30")
    assert json.loads(tags(live)["experiment.c"])["exclusion"] == {"group": "g", "first": 0, "buckets": 3000}


def test_a_fault_keeps_what_is_live_and_is_written_back_until_it_is_repaired(live: Workplace) -> None:
    set_tag(live, "weight.challenger", "10")
    live.publish()
    set_tag(live, "weight.challenger", "120")
    outcomes = live.publisher().publish(lambda _: None)
    assert [(each.result, each.experiment) for each in outcomes if each.experiment] == [(Result.REFUSED, "default")]
    assert shares(live)["challenger"] == 1000
    assert "a weight of 120" in tags(live)["fault.default"]
    live.register(NAME)
    live.publish()
    assert live.catalog().models[0].arms[0].version == 3  # the champion goes its way
    set_tag(live, "weight.challenger", "20")
    live.publish()
    assert (shares(live)["challenger"], tags(live).get("fault.default")) == (2000, None)


def test_a_model_that_is_refused_is_ramped_down_all_the_same(live: Workplace) -> None:
    set_tag(live, "weight.challenger", "10")
    live.publish()
    set_tag(live, "policy.bands", "low")
    set_tag(live, "weight.challenger", "0")
    assert live.publish()[NAME].result is not Result.UNCHANGED
    assert shares(live) == {"champion": 10_000}


def test_a_new_version_of_a_challenger_takes_over_its_buckets(live: Workplace) -> None:
    set_tag(live, "weight.challenger", "10")
    live.publish()
    before = tags(live)["buckets.default"]
    live.point(NAME, "champion", 2)
    live.point(NAME, "challenger", 1)
    live.publish()
    assert (shares(live)["challenger"], tags(live)["buckets.default"]) == (1000, before)
    live.point(NAME, "challenger", None)
    outcomes = live.publisher().publish(lambda _: None)
    assert shares(live) == {"champion": 10_000}
    assert [each.detail for each in outcomes if each.result is Result.LACKING] == [
        "no version is loaded for challenger 10 %: the champion has that share"
    ]


def test_a_lost_catalog_moves_no_unit(live: Workplace) -> None:
    for first in ("weight.challenger", "weight.challenger-b"):
        live.point(NAME, first.removeprefix("weight."), 2)
        set_tag(live, first, "10")
        live.publish()
    set_tag(live, "weight.challenger", "5")
    live.publish()
    before = find(live)
    live.catalog_file.unlink()
    live.publish()
    assert before is not None
    assert find(live) == before


def test_in_a_freeze_window_shares_only_fall_unless_somebody_says_why(live: Workplace) -> None:
    ask("ramp", NAME, "default", "--arm", "challenger=10")
    (live.root / "freeze.yaml").write_text(FROZEN)
    done = ask("ramp", NAME, "default", "--arm", "challenger=20")
    assert (done.exit_code, "frozen until 2099-01-01" in done.output) == (1, True)
    set_tag(live, "weight.challenger", "20")
    assert ask("pause", NAME, "default").exit_code == 0
    assert ask("start", NAME, "default").exit_code == 1
    set_tag(live, "experiment.default", None)
    done = ask("ramp", NAME, "default", "--arm", "challenger=5")
    assert done.exit_code == 1  # it pauses, and would run again
    assert ask("start", NAME, "default", "--override", "asked for").exit_code == 1
    assert ask("ramp", NAME, "default", "--arm", "challenger=30", "--override", "asked for").exit_code == 0
    assert shares(live)["challenger"] == 3000


def test_a_rollback_leaves_experiments_alone(live: Workplace) -> None:
    set_tag(live, "weight.challenger", "10")
    live.register(NAME)
    live.publish()
    before = find(live)
    assert roll_back(settings_of(live), NAME, lambda _: None, by=None, reason="")
    assert find(live) == before


WRONG = {
    ("create", NAME, "Limits", "--arm", "challenger=1"): "'Limits' is no experiment: write up to 63",
    ("create", NAME, "default", "--arm", "challenger=1"): "default is what the weights of aliases make",
    ("create", NAME, "x", "--arm", "champion=1"): "'champion' can have no share: write challenger",
    ("create", NAME, "x", "--arm", "challenger"): "'challenger' gives no arm a share: write ARM=PERCENT",
    ("create", NAME, "x", "--arm", "challenger=60", "--arm", "challenger-b=50"): "the shares add up to 110 %",
    ("create", NAME, "x", "--arm", "challenger=1", "--where", "channel"): "'channel' is no condition: write FIELD=",
    ("create", NAME, "x", "--arm", "challenger=1", "--where", "A=1"): "conditions.A.[key]: String should match",
    ("create", NAME, "x", "--arm", "challenger=1", "--max-error-rate", "2"): "error_rate: Input should be less",
    ("create", "team9/none", "x", "--arm", "challenger=1"): "no model team9_none is registered: check the name",
    ("start", NAME, "x"): "team1_model has no experiment x: `gapura experiments create` makes one",
    ("stop", NAME, "x"): "team1_model has no experiment x: `gapura experiments list` shows them",
    ("list", "team9/none"): "no model team9_none is registered: check the name",
}


def test_what_cannot_be_done_says_what_to_change(live: Workplace) -> None:
    for words, message in WRONG.items():
        done = ask(*words)
        assert (done.exit_code, done.output[: len(message) + 7]) == (1, f"Error: {message}")
    ask("create", NAME, "x", "--arm", "challenger=1")
    for words, message in {
        ("create", NAME, "x", "--arm", "challenger=1"): "team1_model has an experiment x already",
        ("pause", NAME, "x"): "the experiment x of team1_model has not started",
        ("ramp", NAME, "x", "--arm", "challenger-b=1"): "the experiment x of team1_model has no arm challenger-b",
    }.items():
        assert message in ask(*words).output
    assert not live.catalog().models[0].experiments
