"""A verdict of a gateway takes an arm's share away, says why, and that stays so until a person acts."""

import json
import threading
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from converters import Conversion
from hub.conversions import Workshop
from hub.errors import HubError
from hub.experiments.verdicts import VerdictFolder, VerdictHash
from hub.publication import publish_model
from hub.publishing.outcome import Outcome, Result
from hub.publishing.publisher import Publisher
from tests.hub.experimenting import NAME, ask, find, pass_verdict, set_tag, shares, tags, told
from tests.hub.test_watch import settings_of, watching
from tests.hub.workplace import Workplace
from tests.redis_servers import redis_server

REASON = "errors 0.08, the champion's 0.001"


def publisher(workplace: Workplace) -> Publisher:
    return workplace.publisher(verdicts=[VerdictFolder(workplace.root / "verdicts")])


def publish(workplace: Workplace) -> list[Outcome]:
    return publisher(workplace).publish(lambda _: None)


def ramped(workplace: Workplace, percent: str = "10") -> None:
    set_tag(workplace, "weight.challenger", percent)
    publish(workplace)


def test_a_verdict_takes_the_share_away_and_says_why_everywhere(live: Workplace) -> None:
    ramped(live)
    before, path = find(live), pass_verdict(live)
    outcomes = publish(live)
    halted = Outcome(NAME, 0, Result.HALTED, f"challenger has lost its share: {REASON}", "default")
    assert halted in outcomes
    after = find(live)
    assert before is not None
    assert after is not None
    assert (shares(live), after.halts[0].arm, after.halts[0].reason) == ({"champion": 10_000}, "challenger", REASON)
    assert after.revision != before.revision
    assert tags(live)["weight.challenger"] == "0"
    assert json.loads(tags(live)["guardrail.default.challenger"])["weight"] == "10"
    assert f"weight of challenger 0 % (was 10 %)  guardrails  {REASON}" in told()
    assert not path.exists()
    assert publish(live)[0].result is Result.UNCHANGED  # and so it stays


def test_a_person_gives_the_share_again(live: Workplace) -> None:
    ramped(live)
    pass_verdict(live)
    publish(live)
    assert ask("ramp", NAME, "default", "--arm", "challenger=10").exit_code == 0
    found = find(live)
    assert found is not None
    assert (shares(live)["challenger"], len(found.halts)) == (1000, 0)
    assert "guardrail.default.challenger" not in tags(live)


def test_a_share_that_is_given_again_in_mlflow_itself_counts_as_well(live: Workplace) -> None:
    ramped(live)
    pass_verdict(live)
    publish(live)
    ramped(live, "3")
    assert shares(live)["challenger"] == 300
    assert "guardrail.default.challenger" not in tags(live)
    assert publish(live)[0].result is Result.UNCHANGED


def test_an_experiment_of_its_own_loses_an_arm(live: Workplace) -> None:
    ask("create", NAME, "limits", "--arm", "challenger=10")
    ask("start", NAME, "limits")
    pass_verdict(live, "limits")
    done = ask("ramp", NAME, "default", "--arm", "challenger=1")  # any command looks at verdicts first
    assert f"team1_model experiment limits halted: challenger has lost its share: {REASON}" in done.output
    assert shares(live, "limits") == {"champion": 10_000}
    assert f"experiment limits halted: challenger 0 % (was challenger 10 %)  guardrails  {REASON}" in told()
    assert "  challenger lost its 10 % 20" in ask("list").output


@pytest.mark.parametrize(
    "others", [{"version": 1}, {"revision": "old"}, {"arm": "champion"}, {"model": "team9_none"}, {"experiment": "x"}]
)
def test_a_verdict_on_something_else_is_void_and_goes(live: Workplace, others: dict[str, object]) -> None:
    ramped(live)
    path = pass_verdict(live, **others)  # type: ignore[arg-type] # a field of any kind
    publish(live)
    assert (shares(live)["challenger"], path.exists()) == (1000, False)


def test_a_file_that_is_no_verdict_is_said_once_and_stays(live: Workplace) -> None:
    ramped(live)
    folder = live.root / "verdicts"
    folder.mkdir()
    (folder / "broken.binpb").write_bytes(b"\xff")
    (folder / ".new.binpb").write_bytes(b"half")
    with watching(settings_of(live)) as watched:
        watched.wait_for(lambda: watched.said)
        pass_verdict(live)
        watched.wait_for(lambda: shares(live) == {"champion": 10_000})
    assert sum("broken.binpb ignored: it is no verdict: remove it" in line for line in watched.said) == 1
    assert {path.name for path in folder.iterdir()} == {"broken.binpb", ".new.binpb"}


def test_a_verdict_waits_for_a_registry_that_is_down(live: Workplace) -> None:
    ramped(live)
    path = pass_verdict(live)
    away = live.database.rename(live.root / "away")
    live.database.mkdir()
    with pytest.raises(HubError):
        publish(live)
    assert path.exists()
    live.database.rmdir()
    away.rename(live.database)
    publish(live)
    assert (shares(live), path.exists()) == ({"champion": 10_000}, False)


def test_a_publisher_that_is_killed_between_two_tags_does_both_again(live: Workplace) -> None:
    ramped(live)
    pass_verdict(live)
    set_tag(live, "weight.challenger", "0")  # and no reason, and nothing published
    publish(live)
    found = find(live)
    assert found is not None
    assert (found.halts[0].reason, shares(live)) == (REASON, {"champion": 10_000})


def test_the_champion_has_what_an_arm_loses_also_where_its_own_weight_was_written(live: Workplace) -> None:
    set_tag(live, "weight.champion", "90")
    ramped(live)
    pass_verdict(live)
    publish(live)
    assert (shares(live), tags(live).get("weight.champion")) == ({"champion": 10_000}, None)


class Waiting(Workshop):
    """A workshop in which a conversion takes until it is told to end."""

    def __init__(self) -> None:
        super().__init__(60.0)
        self.begun, self.end = threading.Event(), threading.Event()

    def run(self, convert: object, meanwhile: object = None) -> Conversion:
        self.begun.set()
        while not self.end.wait(0.05):
            meanwhile()  # type: ignore[operator] # a publisher gives it
        return super().run(convert)  # type: ignore[arg-type] # as above


def test_a_conversion_keeps_no_verdict_waiting(live: Workplace) -> None:
    ramped(live)
    at_work, workshop = publisher(live), Waiting()
    live.register("team2_slow")
    object.__setattr__(at_work.preparation, "workshop", workshop)
    thread = threading.Thread(target=at_work.publish, args=(lambda _: None,))
    thread.start()
    try:
        assert workshop.begun.wait(60.0)
        path = pass_verdict(live)
        until = time.monotonic() + 10.0
        while shares(live) != {"champion": 10_000}:
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        workshop.end.set()
        thread.join()
        workshop.close()
    assert not path.exists()
    assert shares(live) == {"champion": 10_000}
    assert len(live.catalog().models) == 2


def test_verdicts_of_gateways_elsewhere_come_through_redis(live: Workplace, tmp_path: Path) -> None:
    ramped(live)
    with redis_server(tmp_path) as server:
        settings = settings_of(live, redis_url=SecretStr(server.url))
        field, content = f"{NAME}/default/challenger", pass_verdict(live).read_bytes()
        (live.root / "verdicts/0.binpb").unlink()
        server.do("HSET", "gapura:catalog:verdicts", field, content)
        server.do("HSET", "gapura:catalog:verdicts", "x", b"\xff")
        registry, source = live.open_registry(), VerdictHash(server.url, "gapura:catalog:verdicts")
        found = next(source.collect())
        source.remove(type(found)(found.place, b"another"))  # which somebody has put there since
        assert len(list(source.collect())) == 2
        outcomes = publish_model(settings, NAME, registry=registry, catalog=publisher(live).catalog)
        assert [each.result for each in outcomes[:2]] == [Result.IGNORED, Result.HALTED]
        assert [each.place for each in source.collect()] == ["x"]
    assert not list(source.collect())
    assert shares(live) == {"champion": 10_000}
