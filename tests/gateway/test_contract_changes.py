"""Descriptor sets that come, change and go beside a catalog that is live: a broken one costs nobody anything."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.catalog.snapshot import Snapshot
from gateway.contracts.descriptors import link
from gateway.drafts import compile_live
from tests.gateway.contract_source import SCORE, compile_contract, fed, service
from tests.gateway.generations import PATH, TWO_COLUMNS, Place, with_columns

OTHER_COLUMN = service(f"optional double other = 1 [{fed('other')}];", SCORE)
OTHER_PATH = PATH.replace("team5", "team4")
UNFIT = "feeds 'other', which is not a column"


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    """A model that is live with a method of two columns."""
    place = Place(tmp_path)
    await place.go_live_with_columns(tmp_path)
    return place


def lay(place: Place, content: bytes, name: str = "team5") -> None:
    """Lays a descriptor set into the folder."""
    (place.contracts / f"{name}.binpb").write_bytes(content)


def of_team4(content: bytes) -> bytes:
    """Returns the set as another team would have it."""
    return content.replace(b"contract.proto", b"elsewhere.prot").replace(b"erpml.team5.v1", b"erpml.team4.v1")


def answered(place: Place) -> set[str]:
    """Returns the paths of the methods that are answered."""
    return set(place.generations.live.compiled.methods)


async def test_a_set_that_is_laid_beside_a_live_catalog_is_served(place: Place) -> None:
    lay(place, of_team4((place.contracts / "team5.binpb").read_bytes()), "team4")
    assert answered(place) == {PATH}
    assert await place.advance()
    assert answered(place) == {PATH, OTHER_PATH}
    assert place.live() == [1]
    assert not await place.advance()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda _: b"", "an empty descriptor set"),
        (lambda content: content[: len(content) // 2], "not a descriptor set"),
        (lambda content: content.replace(b"team5", b"\xffeam5"), "cannot be linked"),
        (lambda content: content.replace(b"contract.proto", b"\xffontract.proto"), "is no text"),
        (lambda content: content.replace(b"ScoreLeadResponse\x12", b"ScoreLeadRespons3\x12"), "cannot be linked"),
    ],
    ids=["empty", "cut", "no_text", "nameless", "dangling"],
)
async def test_a_live_set_that_breaks_stays_as_it_was_and_is_told_of_once(
    place: Place, damage: Callable[[bytes], bytes], reason: str
) -> None:
    good = (place.contracts / "team5.binpb").read_bytes()
    assert damage(good) != good
    lay(place, damage(good))
    with capture_logs() as logs:
        for _ in range(3):
            assert not await place.advance()
    assert [(entry["event"], Path(entry["what"]).name) for entry in logs] == [("left out", "team5.binpb")]
    assert reason in logs[0]["reason"]
    assert (answered(place), place.generations.unsettled()) == ({PATH}, True)
    lay(place, good)
    await place.advance()
    assert (answered(place), place.generations.unsettled()) == ({PATH}, False)


async def test_a_live_set_that_cannot_be_read_stays_as_it_was(place: Place) -> None:
    (place.contracts / "team5.binpb").unlink()
    (place.contracts / "team5.binpb").mkdir()
    assert not await place.advance()
    assert (answered(place), place.generations.unsettled()) == ({PATH}, True)


@pytest.mark.parametrize("name", ["a_before_it", "z_after_it"])
async def test_a_new_set_that_clashes_with_a_live_one_is_the_one_left_out(place: Place, name: str) -> None:
    lay(place, (place.contracts / "team5.binpb").read_bytes().replace(b"contract.proto", b"elsewhere.prot"), name)
    live = place.generations.live.contracts
    assert not await place.advance()
    assert (answered(place), place.generations.live.contracts) == ({PATH}, live)
    assert place.generations.unsettled()


async def test_a_set_that_no_longer_fits_its_model_stays_as_it_was_and_the_catalog_moves_on(
    place: Place, tmp_path: Path
) -> None:
    lay(place, compile_contract(tmp_path, OTHER_COLUMN))
    following = with_columns(2)
    following.models.add().CopyFrom(following.models[0])
    following.models[1].name = "team9_other"
    place.catalog.write_bytes(following.SerializeToString())
    with capture_logs() as logs:
        assert await place.advance()
        assert not await place.advance()
    assert [Path(entry["what"]).name for entry in logs] == ["team5.binpb"]
    assert UNFIT in logs[0]["reason"]
    assert sorted(place.generations.live.snapshot.models) == ["team9_other", "team9_test"]
    assert answered(place) == {PATH}


@pytest.mark.parametrize("contract_first", [True, False])
async def test_a_set_and_a_model_that_fit_each_other_alone_go_live_together(
    place: Place, tmp_path: Path, *, contract_first: bool
) -> None:
    following = with_columns(2)
    model = following.models[0]
    model.versions[0].number = model.arms[0].version = 2
    model.versions[0].signature.inputs[0].columns[:] = ["other", "x2"]
    body = service(f"optional double other = 1 [{fed('other')}]; optional double x2 = 2 [{fed('x2')}];", SCORE)
    steps: list[Callable[[], object]] = [
        lambda: lay(place, compile_contract(tmp_path, body)),
        lambda: place.catalog.write_bytes(following.SerializeToString()),
    ]
    for step in steps if contract_first else reversed(steps):
        assert (place.live(), answered(place)) == ([1], {PATH})
        step()
        await place.advance()
    assert (place.live(), place.loaded(), answered(place)) == ([2], [2], {PATH})
    assert not place.generations.unsettled()


async def test_a_set_waits_for_its_model_while_that_cannot_be_loaded(place: Place, tmp_path: Path) -> None:
    following = with_columns(2)
    model = following.models[0]
    model.versions[0].number = model.arms[0].version = 2
    model.versions[0].signature.inputs[0].columns[:] = ["other", "x2"]
    place.catalog.write_bytes(following.SerializeToString())
    body = service(f"optional double other = 1 [{fed('other')}]; optional double x2 = 2 [{fed('x2')}];", SCORE)
    lay(place, compile_contract(tmp_path, body))
    place.backend.refused = (2,)
    for _ in range(2):
        await place.advance()
        assert (place.live(), place.loaded(), answered(place)) == ([1], [1], {PATH})
    place.backend.refused = ()
    assert await place.advance()
    assert (place.live(), answered(place), place.generations.unsettled()) == ([2], {PATH}, False)


async def test_a_set_that_is_taken_away_takes_its_methods_and_no_others(place: Place) -> None:
    lay(place, of_team4((place.contracts / "team5.binpb").read_bytes()), "team4")
    await place.advance()
    assert answered(place) == {PATH, OTHER_PATH}
    (place.contracts / "team5.binpb").unlink()
    assert await place.advance()
    assert answered(place) == {OTHER_PATH}
    assert not place.generations.unsettled()


def test_whatever_bytes_a_set_has_it_stops_nothing_else(tmp_path: Path) -> None:
    """Files of bytes of all kinds, most of them nearly a descriptor set."""
    good = compile_contract(tmp_path, TWO_COLUMNS)
    own = good[good.rindex(b"\n\x0econtract.proto") :]
    chance, kept = random.Random(5), 0  # noqa: S311 - the same every time
    for _ in range(100):
        damaged = bytearray(good)
        for _ in range(chance.choice((1, 2, 5))):
            damaged[chance.randrange(len(good) - len(own), len(good))] = chance.randrange(256)
        linked = link({"good": of_team4(good), "odd": bytes(damaged)})
        compiled = compile_live(linked.methods, Snapshot())
        assert OTHER_PATH in compiled.refused
        kept += "odd" in linked.sets
    assert 0 < kept < 100
