"""Takes catalogs and tenants live: compiles a whole generation beside the live one, then swaps."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from gateway.catalog import Snapshot, read_snapshot
from gateway.contracts.compilation import Compiled, compile_methods
from gateway.contracts.descriptors import ContractSet, link
from gateway.decisions import DECISIONS
from gateway.edge.endpoints import Table, build_table
from gateway.edge.status import status_of
from gateway.errors import CatalogError, ContractError
from gateway.interfaces import Admission, Batcher
from gateway.pipeline import Pipeline
from gateway.routing import Routes
from gateway.types import Model, ModelVersion

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Generation:
    """Everything that one catalog serves."""

    snapshot: Snapshot
    contracts: ContractSet
    compiled: Compiled

    def services(self) -> dict[str, bool]:
        """Returns every typed service, and whether any of its methods is answered."""
        answered = {path.split("/")[1] for path in self.compiled.methods}
        return {method.service: method.service in answered for method in self.contracts.methods}


class Generations:
    """The live generation and how the next one takes its place.

    Args:
        catalog: Catalog file.
        contracts: Folder of further descriptor sets.
        lanes: Answers for every version that is loaded into it.
    """

    def __init__(self, catalog: Path, contracts: Path, lanes: Batcher) -> None:
        self._catalog = catalog
        self._contracts = contracts
        self._lanes = lanes
        self._faults: dict[str, str] = {}
        built_in = link({})
        self.live = Generation(Snapshot(), built_in, compile_methods(built_in.methods, {}, DECISIONS, status_of))

    def table(self, tenants: Admission) -> Table:
        """Returns the endpoints of the live generation for these tenants."""
        pipeline = Pipeline(tenants, Routes(self.live.snapshot.models), self._lanes)
        ready = self.live.snapshot.generation > 0
        return build_table(pipeline, self.live.compiled.methods, self.live.compiled.refused, ready=ready)

    def unsettled(self) -> bool:
        """Says whether a model or a descriptor set was left out; its files may still be on their way."""
        return bool(self._faults)

    async def advance(self) -> bool:
        """Reads the catalog and makes it live; returns whether anything changed.

        A model that cannot be loaded stays as it was, or out; the others do not notice. So does a descriptor set.

        Raises:
            CatalogError: The file is not a catalog, or an older one. The live generation stays.
            ContractError: A method that is answered now would not be any more. The live generation stays.
        """
        previous, faults = self.live, dict[str, str]()
        catalog = read_snapshot(self._catalog, previous.snapshot)
        contracts = link(read_sets(self._contracts, faults))
        faults |= contracts.faults
        snapshot = await self._load(catalog, faults)
        if snapshot == previous.snapshot and faults == self._faults:
            return False
        compiled = compile_methods(contracts.methods, snapshot.models, DECISIONS, status_of)
        try:
            check_nothing_lost(previous.compiled, compiled, snapshot.models)
        except ContractError:
            await self._unload(snapshot.versions() - previous.snapshot.versions())
            raise
        tell_faults(faults, self._faults)
        self._faults = faults
        self.live = Generation(snapshot, contracts, compiled)
        return True

    async def release(self, previous: Generation) -> None:
        """Unloads what only an earlier generation served; its calls under way finish first."""
        await self._unload(previous.snapshot.versions() - self.live.snapshot.versions())

    async def _load(self, snapshot: Snapshot, faults: dict[str, str]) -> Snapshot:
        """Loads every model, side by side: one that takes long keeps no other waiting for its turn."""
        async with asyncio.TaskGroup() as group:
            loads = {name: group.create_task(self._try_model(model)) for name, model in snapshot.models.items()}
        models = dict[str, Model]()
        for name, load in loads.items():
            loaded = load.result()
            if isinstance(loaded, Model):
                models[name] = loaded
                continue
            faults[name] = loaded.message
            if name in self.live.snapshot.models:
                models[name] = self.live.snapshot.models[name]
        return replace(snapshot, models=models)

    async def _try_model(self, model: Model) -> Model | CatalogError:
        try:
            return await self._load_model(model)
        except CatalogError as error:
            return error

    async def _load_model(self, model: Model) -> Model:
        """Loads every version of a model, or none.

        Raises:
            CatalogError: One cannot be loaded.
        """
        versions = set(model.versions.values())
        try:
            for version in versions:
                await self._lanes.load(version)
        except BaseException:
            await self._unload(versions - self.live.snapshot.versions())
            raise
        return model

    async def _unload(self, versions: Iterable[ModelVersion]) -> None:
        for version in versions:
            await self._lanes.unload(version)


def read_sets(folder: Path, faults: dict[str, str]) -> dict[str, bytes]:
    """Reads the descriptor sets of a folder, by path; notes those that cannot be read."""
    contents = {}
    for path in sorted(folder.glob("*.binpb")):
        try:
            contents[str(path)] = path.read_bytes()
        except OSError as error:
            faults[str(path)] = f"cannot be read: {error.strerror}"
    return contents


def check_nothing_lost(previous: Compiled, following: Compiled, models: Mapping[str, Model]) -> None:
    """Checks that every method that is answered now is answered by the next generation too.

    A model that has left the catalog takes its methods with it.

    Raises:
        ContractError: A method does not fit the next version of its model.
    """
    for path, error in following.refused.items():
        if path in previous.methods and error.metadata.get("model") in models:
            raise error


def tell_faults(faults: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Logs models and descriptor sets that are left out, each once."""
    for name, reason in faults.items():
        if known.get(name) != reason:
            log.error("left out", what=name, reason=reason)


def tell(generation: Generation) -> None:
    """Logs what is live."""
    for path, reason in generation.compiled.refused.items():
        log.warning("method not served", method=path, reason=reason.message)
    served = {
        name: {arm.name: arm.version.number for arm in model.arms} for name, model in generation.snapshot.models.items()
    }
    log.info("catalog live", generation=generation.snapshot.generation, models=served)
