"""Takes catalogs and tenants live: compiles a whole generation beside the live one, then swaps."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from gateway.catalog import Snapshot, read_snapshot
from gateway.contracts.compilation import Compiled, compile_methods
from gateway.contracts.descriptors import ContractSet, built_in_contracts, link
from gateway.decisions import DECISIONS
from gateway.edge.endpoints import Table, build_table
from gateway.edge.status import status_of
from gateway.errors import CatalogError, ContractError
from gateway.interfaces import Admission, Backend
from gateway.pipeline import Pipeline
from gateway.routing import Routes
from gateway.types import Model

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

    def __init__(self, catalog: Path, contracts: Path, lanes: Backend) -> None:
        self._catalog = catalog
        self._contracts = contracts
        self._lanes = lanes
        self._failed: dict[str, str] = {}
        contract_set = link([built_in_contracts()])
        nothing_live = compile_methods(contract_set.methods, {}, DECISIONS, status_of)
        self.live = Generation(Snapshot(), contract_set, nothing_live)

    def table(self, tenants: Admission) -> Table:
        """Returns the endpoints of the live generation for these tenants."""
        pipeline = Pipeline(tenants, Routes(self.live.snapshot.models), self._lanes)
        ready = self.live.snapshot.generation > 0
        return build_table(pipeline, self.live.compiled.methods, self.live.compiled.refused, ready=ready)

    def unsettled(self) -> bool:
        """Says whether a model of the catalog could not be loaded; its files may still be on their way."""
        return bool(self._failed)

    async def advance(self) -> None:
        """Reads the catalog and makes it live.

        A model that cannot be loaded stays as it was, or out; the others do not notice. It may be tried again.

        Raises:
            CatalogError: The file is not a catalog, or an older one. The live generation stays.
            ContractError: A method that is answered now would not be any more. The live generation stays.
        """
        previous = self.live
        snapshot = await self._load(read_snapshot(self._catalog, previous.snapshot))
        if snapshot == previous.snapshot:
            return
        contracts = link([built_in_contracts(), *self._further_contracts()])
        compiled = compile_methods(contracts.methods, snapshot.models, DECISIONS, status_of)
        try:
            check_nothing_lost(previous.compiled, compiled, snapshot.models)
        except ContractError:
            await self._unload(snapshot, previous.snapshot)
            raise
        self.live = Generation(snapshot, contracts, compiled)
        tell(self.live)

    async def release(self, previous: Generation) -> None:
        """Unloads what only an earlier generation served; its calls under way finish first."""
        await self._unload(previous.snapshot, self.live.snapshot)

    def _further_contracts(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self._contracts.glob("*.binpb"))]

    async def _load(self, snapshot: Snapshot) -> Snapshot:
        self._failed = {name: reason for name, reason in self._failed.items() if name in snapshot.models}
        models = {name: await self._load_model(model) for name, model in snapshot.models.items()}
        return replace(snapshot, models={name: model for name, model in models.items() if model is not None})

    async def _load_model(self, model: Model) -> Model | None:
        try:
            for version in model.versions.values():
                await self._lanes.load(version)
        except CatalogError as error:
            if self._failed.get(model.name) != error.message:
                log.error("model cannot be loaded", model=model.name, reason=error.message)
            self._failed[model.name] = error.message
            return self.live.snapshot.models.get(model.name)
        self._failed.pop(model.name, None)
        return model

    async def _unload(self, snapshot: Snapshot, kept: Snapshot) -> None:
        for version in snapshot.versions() - kept.versions():
            await self._lanes.unload(version)


def check_nothing_lost(previous: Compiled, following: Compiled, models: Mapping[str, Model]) -> None:
    """Checks that every method that is answered now is answered by the next generation too.

    A model that has left the catalog takes its methods with it.

    Raises:
        ContractError: A method does not fit the next version of its model.
    """
    for path, error in following.refused.items():
        if path in previous.methods and error.metadata.get("model") in models:
            raise error


def tell(generation: Generation) -> None:
    """Logs what is live."""
    for path, reason in generation.compiled.refused.items():
        log.warning("method not served", method=path, reason=reason.message)
    served = {
        name: {arm.name: arm.version.number for arm in model.arms} for name, model in generation.snapshot.models.items()
    }
    log.info("catalog live", generation=generation.snapshot.generation, models=served)
