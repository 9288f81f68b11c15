"""A hub that watches: what the registry says is live a moment later, whatever is down in between."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr
from sklearn.ensemble import RandomForestClassifier

from hub.publishing.progress import Silent
from hub.settings import HubSettings
from hub.watch.reconciler import Reconciler
from tests.hub.hostile import Exiting
from tests.hub.workplace import Workplace, draw_table

NAME = "team1_model"
WAIT_SECONDS = 20.0


def settings_of(workplace: Workplace, **others: object) -> HubSettings:
    return HubSettings(
        var=workplace.root,
        repository=workplace.repository,
        catalog=workplace.catalog_file,
        mlflow_uri=f"sqlite:///{workplace.database}",
        freeze=workplace.root / "freeze.yaml",
        verdicts=workplace.root / "verdicts",
        poll_seconds=0.1,
        handover_seconds=0.0,
        **others,  # type: ignore[arg-type]
    )


@dataclass(slots=True)
class Watched:
    """A reconciler at work, and what it has said."""

    reconciler: Reconciler
    said: list[str] = field(default_factory=list)

    def wait_for(self, happened: Callable[[], object]) -> None:
        until = time.monotonic() + WAIT_SECONDS
        while not happened():
            assert time.monotonic() < until, self.said
            time.sleep(0.02)


@contextmanager
def watching(settings: HubSettings) -> Iterator[Watched]:
    said: list[str] = []
    reconciler = Reconciler(settings, said.append, Silent())
    thread = threading.Thread(target=reconciler.run)
    thread.start()
    try:
        yield Watched(reconciler, said)
    finally:
        reconciler.stop.set()
        reconciler.wake.set()
        thread.join()


def champion(workplace: Workplace) -> int:
    models = workplace.catalog().models
    return models[0].arms[0].version if models else 0


def test_an_alias_that_moves_is_followed(workplace: Workplace) -> None:
    with watching(settings_of(workplace)) as watched:
        workplace.register(NAME)
        watched.wait_for(lambda: champion(workplace) == 1)
        workplace.register(NAME)
        watched.wait_for(lambda: champion(workplace) == 2)
        workplace.point(NAME, "champion", 1)
        watched.wait_for(lambda: champion(workplace) == 1)
        workplace.register(NAME)
        watched.wait_for(lambda: champion(workplace) == 3)
        watched.wait_for(lambda: not (workplace.repository / NAME / "2").exists())
    workplace.require_settled()


def test_a_refused_version_is_not_converted_over_and_over(workplace: Workplace) -> None:
    rows = draw_table()
    workplace.register("team2_bad", Exiting().fit(rows, rows["income"] > 0))
    with watching(settings_of(workplace)) as watched:
        workplace.register(NAME)
        watched.wait_for(lambda: champion(workplace) == 1)
        workplace.register(NAME, RandomForestClassifier(5).fit(rows, rows["income"] > 0))
        watched.wait_for(lambda: champion(workplace) == 2)
        assert sum("crashed" in line for line in watched.said) == 1


def test_a_registry_that_is_gone_for_a_while_disturbs_nothing(workplace: Workplace) -> None:
    workplace.register(NAME)
    with watching(settings_of(workplace)) as watched:
        watched.wait_for(lambda: champion(workplace) == 1)
        away = workplace.database.rename(workplace.root / "away")
        workplace.database.mkdir()
        watched.wait_for(lambda: any("waiting: " in line for line in watched.said))
        assert champion(workplace) == 1
        workplace.database.rmdir()
        away.rename(workplace.database)
        watched.wait_for(lambda: any("all is well again" in line for line in watched.said))
        workplace.register(NAME)
        watched.wait_for(lambda: champion(workplace) == 2)


def test_redis_that_is_down_keeps_nothing_from_going_live(workplace: Workplace) -> None:
    nowhere = SecretStr("redis://:secret@127.0.0.1:1/0")
    workplace.register(NAME)
    with watching(settings_of(workplace, redis_url=nowhere)) as watched:
        watched.wait_for(lambda: champion(workplace) == 1)
        watched.wait_for(lambda: any("Redis" in line for line in watched.said))
    assert not any("secret" in line for line in watched.said)


FROZEN = """
windows:
  - from: 2020-01-01T00:00:00+00:00
    until: 2099-01-01T00:00:00+00:00
    models: [team1/*]
    reason: period close
"""


def test_a_freeze_window_holds_versions_back_until_it_is_over(workplace: Workplace) -> None:
    workplace.register(NAME)
    freeze = workplace.root / "freeze.yaml"
    with watching(settings_of(workplace)) as watched:
        watched.wait_for(lambda: champion(workplace) == 1)
        freeze.write_text(FROZEN)
        workplace.register(NAME)
        watched.wait_for(lambda: workplace.version_tags(NAME, 2).get("serving.status") == "held")
        assert "period close" in workplace.version_tags(NAME, 2)["serving.reason"]
        assert champion(workplace) == 1
        freeze.unlink()
        watched.wait_for(lambda: champion(workplace) == 2)
    assert workplace.version_tags(NAME, 2)["serving.reason"] == ""


@pytest.mark.parametrize("broken", ["windows: 1", "windows: [{reason: forever}]"])
def test_a_broken_freeze_file_lets_nothing_through(workplace: Workplace, broken: str) -> None:
    (workplace.root / "freeze.yaml").write_text(broken)
    workplace.register(NAME)
    with watching(settings_of(workplace)) as watched:
        watched.wait_for(lambda: any("freeze windows cannot be read" in line for line in watched.said))
        assert champion(workplace) == 0
        Path(workplace.root / "freeze.yaml").unlink()
        watched.wait_for(lambda: champion(workplace) == 1)
