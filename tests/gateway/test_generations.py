"""Taking catalogs live: what cannot be loaded stays out or as it was, nothing leaks, and it is tried again."""

import struct
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.routing.routes import compile_routes
from gateway.types import Tensors
from tests.gateway.contract_source import SCORE, compile_contract, fed, service
from tests.gateway.feature_contract import entity, view_message
from tests.gateway.generations import PATH, Place, with_columns
from tests.gateway.models import always, catalog_message


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_a_version_that_left_the_catalog_is_unloaded(place: Place) -> None:
    for generation, number in enumerate((1, 2, 3), start=1):
        place.write(generation, number)
        assert await place.advance()
    assert (place.live(), place.loaded()) == ([3], [3])


async def test_a_broken_version_leaves_the_live_one_and_is_tried_until_it_loads(place: Place) -> None:
    place.write(1, 1)
    await place.advance()
    place.backend.refused = (3,)
    place.write(2, 2, 3)
    for _ in range(5):
        await place.advance()
        assert (place.live(), place.loaded(), place.generations.unsettled()) == ([1], [1], True)
    place.backend.refused = ()
    assert await place.advance()
    assert (place.live(), place.loaded(), place.generations.unsettled()) == ([2, 3], [2, 3], False)


async def test_reading_the_same_catalog_again_changes_nothing(place: Place) -> None:
    place.write(1, 1)
    assert await place.advance()
    assert not await place.advance()


async def test_a_descriptor_set_that_is_broken_is_left_out_until_it_is_mended(place: Place, tmp_path: Path) -> None:
    body = service(f"optional double x1 = 1 [{fed('x')}];", SCORE)
    (place.contracts / "team5.binpb").write_bytes(b"\xff")
    (place.contracts / "folder.binpb").mkdir()
    place.write(1, 1)
    assert await place.advance()
    assert (place.live(), place.generations.unsettled()) == ([1], True)
    (place.contracts / "folder.binpb").rmdir()
    (place.contracts / "team5.binpb").write_bytes(compile_contract(tmp_path, body))
    assert await place.advance()
    assert "erpml.team5.v1.LeadService" in place.generations.live.services()
    assert not place.generations.unsettled()


async def test_a_model_whose_champion_no_longer_fits_its_method_stays_as_it_was_and_leaks_nothing(
    place: Place, tmp_path: Path
) -> None:
    await place.go_live_with_columns(tmp_path)
    following = catalog_message(2)
    following.models.add().CopyFrom(following.models[0])
    following.models[0].versions[0].sha256, following.models[1].name = "11", "team9_other"
    place.catalog.write_bytes(following.SerializeToString())
    with capture_logs() as logs:
        assert await place.advance()
    assert {name: len(model.versions) for name, model in place.generations.live.snapshot.models.items()} == {
        "team9_other": 1,
        "team9_test": 1,
    }
    assert (place.generations.live.snapshot.generation, place.loaded()) == (2, [1, 1])
    assert PATH in place.generations.live.compiled.methods
    assert [entry["what"] for entry in logs] == ["team9_test"]
    assert "feeds 'x1', which is not a column" in logs[0]["reason"]
    assert not await place.advance()


async def test_a_version_beside_the_champion_that_does_not_fit_is_left_out_before_it_is_loaded(
    place: Place, tmp_path: Path
) -> None:
    await place.go_live_with_columns(tmp_path)
    following = with_columns(2)
    model = following.models[0]
    model.versions.add(number=2, max_batch_size=8, sha256="22").signature.CopyFrom(
        catalog_message().models[0].versions[0].signature
    )
    model.arms.add(name="challenger", version=2)
    place.catalog.write_bytes(following.SerializeToString())
    place.backend.refused = (2,)  # it is never asked
    with capture_logs() as logs:
        assert await place.advance()
    assert (place.live(), place.loaded(), place.generations.unsettled()) == ([1], [1], True)
    assert [arm.name for arm in place.generations.live.snapshot.models["team9_test"].arms] == ["champion"]
    assert place.generations.live.missing == {"team9_test/2"}
    assert logs[0]["what"] == "team9_test version 2"
    assert "feeds 'x1', which is not a column" in logs[0]["reason"]


async def test_a_version_beside_the_champion_that_cannot_be_loaded_is_left_out_until_it_can(place: Place) -> None:
    place.write(1, 1)
    await place.advance()
    place.backend.refused = (2,)
    place.write(2, 2, 3)
    for _ in range(3):
        await place.advance()
        assert (place.live(), place.loaded(), place.generations.unsettled()) == ([3], [3], True)
        assert place.generations.live.missing == {"team9_test/2"}
    place.backend.refused = ()
    assert await place.advance()
    assert (place.live(), place.loaded(), place.generations.unsettled()) == ([2, 3], [2, 3], False)
    assert not place.generations.live.missing


async def test_typed_methods_answer_for_every_arm_and_every_pinned_version(place: Place, tmp_path: Path) -> None:
    await place.go_live_with_columns(tmp_path)
    catalog = with_columns(2)
    model = catalog.models[0]
    for number in (2, 3):
        model.versions.add().CopyFrom(model.versions[0])
        model.versions[-1].number = number
    model.arms.add(name="challenger", version=2)
    model.previous_version = 3
    place.catalog.write_bytes(catalog.SerializeToString())
    await place.advance()
    live = place.generations.live
    routes, method = compile_routes(live.snapshot.models, always), live.compiled.methods[PATH]
    (contract,) = (each for each in live.contracts.methods if each.path == PATH)
    for pin, name in (("", "champion"), ("1", "champion"), ("2", "challenger"), ("3", "pinned")):
        arm = routes.pinned("team9_test", pin)
        request = method.parse(b"")
        inputs, left_out = method.rows(request, arm)
        outputs = Tensors(inputs.rows, ((2,),), (struct.pack("<2f", 0.25, 0.75),))
        answer = contract.response.FromString(method.answer(request, left_out, outputs, arm))
        assert (answer.info.arm, answer.info.version) == (name, int(pin or 1))


ENTITY = service(f"string id = 1 [{entity('leads')}]; optional double x2 = 2 [{fed('x2')}];", SCORE)


async def go_live_with_a_view(place: Place, scratch: Path) -> None:
    """Takes a model live whose method looks up a view."""
    (place.contracts / "team5.binpb").write_bytes(compile_contract(scratch, ENTITY))
    catalog = with_columns(1)
    catalog.feature_views.append(view_message())
    place.catalog.write_bytes(catalog.SerializeToString())
    await place.advance()


async def test_a_method_is_answered_once_the_view_is_there_that_it_looks_up(place: Place, tmp_path: Path) -> None:
    (place.contracts / "team5.binpb").write_bytes(compile_contract(tmp_path, ENTITY))
    place.catalog.write_bytes(with_columns(1).SerializeToString())
    await place.advance()
    refused = place.generations.live.compiled.refused[PATH]
    assert "feature view 'leads' is not declared; apply it with gapura features apply" in refused.message
    catalog = with_columns(2)
    catalog.feature_views.append(view_message())
    place.catalog.write_bytes(catalog.SerializeToString())
    assert await place.advance()
    assert PATH in place.generations.live.compiled.methods


@pytest.mark.parametrize("change", ["gone", "broken", "renamed"])
async def test_a_method_that_would_lose_its_view_keeps_it_and_the_others_move_on(
    place: Place, tmp_path: Path, change: str
) -> None:
    await go_live_with_a_view(place, tmp_path)
    live = place.generations.live
    catalog = with_columns(2)
    other = catalog.models.add()
    other.CopyFrom(catalog.models[0])
    other.name = "team9_other"
    if change != "gone":
        catalog.feature_views.append(view_message())
    if change == "broken":
        catalog.feature_views[0].ClearField("degrade")
    if change == "renamed":
        catalog.feature_views[0].columns[0].name = "x9"
    place.catalog.write_bytes(catalog.SerializeToString())
    assert await place.advance()
    following = place.generations.live
    assert following.snapshot.generation == 2
    assert sorted(following.snapshot.models) == ["team9_other", "team9_test"]
    assert following.snapshot.views["leads"] is live.snapshot.views["leads"]
    assert PATH in following.compiled.methods
    assert place.generations.unsettled()
