"""Taking catalogs live: what cannot be loaded stays out or as it was, nothing leaks, and it is tried again."""

from pathlib import Path

import pytest
from erpml.catalog.v1 import catalog_pb2

from gateway.errors import CatalogError, ContractError
from gateway.generations import Generations
from gateway.testing import FakeBackend
from gateway.types import ModelVersion
from tests.gateway.contract_source import SCORE, compile_contract, fed, service
from tests.gateway.models import catalog_message


class Picky(FakeBackend):
    """Loads only versions whose number is not refused."""

    refused: tuple[int, ...] = ()

    async def load(self, version: ModelVersion) -> None:
        if version.number in self.refused:
            raise CatalogError(f"version {version.number} is broken")
        await super().load(version)


class Place:
    """A catalog and a contracts folder, and what reads them."""

    def __init__(self, folder: Path) -> None:
        self.catalog, self.contracts, self.backend = folder / "catalog.binpb", folder / "contracts", Picky()
        self.contracts.mkdir()
        self.generations = Generations(self.catalog, self.contracts, self.backend)

    def write(self, generation: int, *numbers: int) -> None:
        """Writes a catalog whose model has these versions, the last of them champion."""
        message = catalog_message(generation)
        model, entry = message.models[0], message.models[0].versions[0]
        versions = [catalog_pb2.Version(number=number) for number in numbers]
        for version in versions:
            number = version.number
            version.CopyFrom(entry)
            version.number = number
        del model.versions[:]
        model.versions.extend(versions)
        model.arms[0].version = numbers[-1]
        self.catalog.write_bytes(message.SerializeToString())

    async def advance(self) -> bool:
        """Takes the catalog live and releases the generation before."""
        previous = self.generations.live
        changed = await self.generations.advance()
        await self.generations.release(previous)
        return changed

    def live(self) -> list[int]:
        """Returns the versions that the live generation serves."""
        return sorted(version.number for version in self.generations.live.snapshot.versions())

    def loaded(self) -> list[int]:
        """Returns the versions that are in memory."""
        return sorted(version.number for version in self.backend.loaded)


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


async def test_a_model_that_no_longer_fits_its_method_keeps_the_live_generation_and_leaks_nothing(
    place: Place, tmp_path: Path
) -> None:
    columns = f"optional double x1 = 1 [{fed('x1')}]; optional double x2 = 2 [{fed('x2')}];"
    (place.contracts / "team5.binpb").write_bytes(compile_contract(tmp_path, service(columns, SCORE)))
    fitting = catalog_message(1)
    fitting.models[0].versions[0].signature.inputs[0].columns.extend(["x1", "x2"])
    place.catalog.write_bytes(fitting.SerializeToString())
    await place.advance()
    place.write(2, 2)
    with pytest.raises(ContractError, match="feeds 'x1', which is not a column"):
        await place.advance()
    assert (place.live(), place.loaded()) == ([1], [1])
