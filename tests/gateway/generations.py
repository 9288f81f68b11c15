"""A catalog and a contracts folder that tests write, and the generations that are made of them."""

from pathlib import Path

from erpml.catalog.v1 import catalog_pb2

from gateway.catalog.sources import Catalogs
from gateway.errors import CatalogError
from gateway.features.absent import NoFeatures
from gateway.generations import Generations
from gateway.shadows.off import NoMirror
from gateway.telemetry.off import NoTelemetry, NoTrials
from gateway.testing import FakeLanes
from gateway.types import ModelVersion
from tests.gateway.contract_source import SCORE, compile_contract, fed, service
from tests.gateway.models import catalog_message

PATH = "/erpml.team5.v1.LeadService/ScoreLead"
TWO_COLUMNS = service(f"optional double x1 = 1 [{fed('x1')}]; optional double x2 = 2 [{fed('x2')}];", SCORE)


def with_columns(generation: int) -> catalog_pb2.Catalog:
    """Returns a catalog whose model fits a method of two columns."""
    message = catalog_message(generation)
    message.models[0].versions[0].signature.inputs[0].columns.extend(["x1", "x2"])
    return message


class Picky(FakeLanes):
    """Loads only versions whose number is not refused; the others it has begun to load when it says no."""

    refused: tuple[int, ...] = ()

    async def load(self, version: ModelVersion) -> None:
        await super().load(version)
        if version.number in self.refused:
            raise CatalogError(f"version {version.number} is broken")


class Place:
    """A catalog and a contracts folder, and what reads them."""

    def __init__(self, folder: Path) -> None:
        self.catalog, self.contracts, self.backend = folder / "catalog.binpb", folder / "contracts", Picky()
        self.contracts.mkdir()
        beside = (NoFeatures(), NoTelemetry(), NoTrials(), NoMirror())
        self.generations = Generations(Catalogs(self.catalog), self.contracts, self.backend, *beside)

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

    async def go_live_with_columns(self, scratch: Path) -> None:
        """Takes a model live that fits a method of two columns."""
        (self.contracts / "team5.binpb").write_bytes(compile_contract(scratch, TWO_COLUMNS))
        self.catalog.write_bytes(with_columns(1).SerializeToString())
        await self.advance()

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
