"""Whatever is down, full, broken or hostile: callers notice nothing, the owner finds the reason, and it heals."""

import asyncio
import os
import shutil
from collections.abc import Iterator

import pytest
from gapura_triton.fleet import start_node, stop_node
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from hub.catalog_store import seal
from tests.catalog.following import KEY
from tests.chaos.troubled_place import CONVERT_MIB, CONVERT_SECONDS, ENDED, LIED, NAME, Place, troubled_place
from tests.hub.hostile import Eating, Exiting, Hanging
from tests.hub.workplace import draw_table
from tests.triton.nodes import reap, wait_until

PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with troubled_place(tmp_path_factory.mktemp("troubles")) as found:
        yield found


async def test_a_registry_that_is_gone_for_a_while(place: Place) -> None:
    database, away = place.workplace.database, place.workplace.root / "away"
    async with place.undisturbed():
        database.rename(away)
        database.mkdir()
        try:
            await asyncio.to_thread(place.wait_said, "waiting: ")
        finally:
            database.rmdir()
            away.rename(database)
        await asyncio.to_thread(place.wait_said, "all is well again")
        await asyncio.to_thread(place.wait_live, await asyncio.to_thread(place.promote))


async def test_a_redis_that_freezes_and_one_that_is_killed(place: Place) -> None:
    def has_it() -> bool:
        return bool(place.valkey.do("GET", KEY) == seal(place.workplace.catalog()))

    async with place.undisturbed():
        for away, back in ((place.valkey.freeze, place.valkey.thaw), (place.valkey.kill, place.valkey.start)):
            away()
            await asyncio.to_thread(place.wait_live, await asyncio.to_thread(place.promote))
            back()
            await asyncio.to_thread(wait_until, has_it, PATIENCE_SECONDS)


async def test_a_node_that_is_down_is_brought_in_line_when_it_is_back(place: Place) -> None:
    node = place.nodes[0].node
    async with place.undisturbed():
        await asyncio.to_thread(stop_node, node)
        reap(place.nodes[0].supervisor)
        number = await asyncio.to_thread(place.promote)
        await asyncio.to_thread(place.wait_live, number)
        await asyncio.to_thread(start_node, node.folder, node.home, node.repository)
        await asyncio.to_thread(place.wait_served, place.nodes[0], number)


async def test_a_full_disk_and_room_again(place: Place) -> None:
    """Neither a conversion nor a version that needs none can be written; both go live when there is room."""
    table, filler = draw_table(), place.disk / "filler"
    forest = RandomForestClassifier(7, random_state=0).fit(table, table["income"] > 0)
    async with place.undisturbed():
        with filler.open("wb") as file:
            room = os.statvfs(place.disk)
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize)
        number = await asyncio.to_thread(place.promote)
        other = await asyncio.to_thread(place.workplace.register, "team2_full", forest, table)
        await asyncio.to_thread(place.wait_refused, NAME, number, "No space left on device; make room there")
        await asyncio.to_thread(place.wait_refused, "team2_full", other, "No space left on device; make room there")
        assert place.live() == number - 1
        filler.unlink()
        await asyncio.to_thread(place.wait_live, number)
    await asyncio.to_thread(
        wait_until,
        lambda: place.workplace.version_tags("team2_full", other).get("serving.status") == "live",
        PATIENCE_SECONDS,
    )


async def test_a_damaged_artifact(place: Place) -> None:
    damaged = place.workplace.root / "damaged"
    shutil.copytree(place.workplace.artifacts(NAME), damaged)
    (pickled,) = damaged.glob("*.pkl")
    pickled.write_bytes(pickled.read_bytes()[:-100])
    before = place.live()
    async with place.undisturbed():
        number = await asyncio.to_thread(place.promote, damaged.as_uri())
        await asyncio.to_thread(place.wait_refused, NAME, number, "cannot be loaded")
    assert place.live() == before


def without_answers() -> LogisticRegression:
    """Returns a model that answers NaN."""
    table = draw_table()
    model = LogisticRegression().fit(table, table["income"] > 0)
    model.coef_[:] = float("nan")
    return model


async def test_models_that_harm_whoever_converts_them(place: Place) -> None:
    table, before = draw_table(), place.live()
    async with place.undisturbed():
        for name, kind, reason in (
            ("team3_exiting", Exiting, "its conversion crashed (exit status 3)"),
            ("team3_hanging", Hanging, f"its conversion takes longer than {CONVERT_SECONDS} s"),
            ("team3_eating", Eating, f"its conversion needs more than {CONVERT_MIB} MiB"),
        ):
            number = await asyncio.to_thread(place.workplace.register, name, kind().fit(table, table["income"] > 0))
            await asyncio.to_thread(place.wait_refused, name, number, reason)
            place.workplace.point(name, "champion", None)  # or it is tried again, and others wait for it
        number = await asyncio.to_thread(place.workplace.register, NAME, without_answers())
        await asyncio.to_thread(place.wait_refused, NAME, number, "the model answers NaN")
        place.workplace.point(NAME, "champion", before)
    assert place.live() == before


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (LIED, "answers otherwise than the model: probabilities differs by up to 0.25"),
        (ENDED, "load failed"),
    ],
)
async def test_models_that_one_node_has_trouble_with(place: Place, name: str, reason: str) -> None:
    async with place.undisturbed():
        number = await asyncio.to_thread(place.workplace.register, name)
        await asyncio.to_thread(place.wait_refused, name, number, f"node {place.nodes[1].address}")
        await asyncio.to_thread(place.wait_refused, name, number, reason)
        place.workplace.point(name, "champion", None)
    assert name not in {model.name for model in place.workplace.catalog().models}
