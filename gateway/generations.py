"""Takes catalogs and tenants live: compiles a whole generation beside the live one, then swaps."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from gateway.catalog.snapshot import Snapshot
from gateway.catalog.sources import Catalogs
from gateway.contracts.descriptors import link
from gateway.drafts import Generation, check_nothing_lost, compile_live, compile_sets, draft_generation, names_of
from gateway.edge.endpoints import Table, build_table
from gateway.edge.feature_store.service import feature_endpoints
from gateway.errors import CatalogError, ContractError
from gateway.experiments import Halted
from gateway.interfaces import Admission, Batcher, FeatureStore, Mirror, Telemetry, Trials
from gateway.pipeline import Pipeline
from gateway.routing.routes import compile_routes
from gateway.types import Model, ModelVersion

log = structlog.get_logger(__name__)


class Generations:
    """The live generation and how the next one takes its place.

    Args:
        catalogs: Where the catalog is found.
        contracts: Folder of further descriptor sets.
        lanes: Answers for every version that is loaded into it.
        features: Stored features.
        telemetry: Knows what becomes of calls.
        trials: Counts how calls of experiments go.
        mirror: Asks shadows.

    Attributes:
        live: The live generation.
        routes: Who answers its calls.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a generation is made of
        self,
        catalogs: Catalogs,
        contracts: Path,
        lanes: Batcher,
        features: FeatureStore,
        telemetry: Telemetry,
        trials: Trials,
        mirror: Mirror,
    ) -> None:
        self._catalogs = catalogs
        self._contracts = contracts
        self._lanes = lanes
        self._features = features
        self._telemetry = telemetry
        self._trials = trials
        self._mirror = mirror
        self._halted: frozenset[Halted] = frozenset()
        self._faults: dict[str, str] = {}
        built_in = link({})
        self.live = Generation(Snapshot(), built_in, compile_live(built_in.methods, Snapshot()))
        self.routes = compile_routes({}, lanes.ready)

    def table(self, tenants: Admission) -> Table:
        """Returns the endpoints of the live generation for these tenants."""
        beside = (self._telemetry, self._trials, self._mirror)
        pipeline = Pipeline(tenants, self.routes, self._features, self._lanes, *beside)
        ready = self.live.snapshot.generation > 0
        table = build_table(pipeline, self.live.compiled.methods, self.live.compiled.refused, ready=ready)
        return {**table, **feature_endpoints(tenants, self.live.snapshot.views, self._features, self._features)}

    def unsettled(self) -> bool:
        """Says whether a model or a descriptor set was left out; its files may still be on their way."""
        return bool(self._faults)

    async def advance(self) -> bool:
        """Reads the newest catalog and the descriptor sets and makes them live; returns whether anything changed.

        A version that cannot be loaded or does not fit a method stays out; if it is the champion, its model stays as
        it was, or out. The others do not notice. So does a descriptor set that cannot be used.

        Raises:
            CatalogError: There is no catalog, or only an older one. The live generation stays.
            ContractError: A method that is answered now would not be any more. The live generation stays.
        """
        previous = self.live
        # In a thread: calls go on while a thousand models are read and compiled.
        draft = await asyncio.to_thread(draft_generation, self._catalogs, self._contracts, previous)
        snapshot = await self._load(draft.fitting, draft.faults)
        if snapshot == previous.snapshot and draft.contracts.sets == previous.contracts.sets:
            self._tell(draft.faults)
            return False
        contracts, compiled = draft.contracts, draft.compiled
        if snapshot != draft.catalog:
            contracts, compiled = await asyncio.to_thread(
                compile_sets, contracts.sets, snapshot, previous, draft.faults
            )
        try:
            check_nothing_lost(previous.compiled, compiled, snapshot.models)
        except ContractError:
            await self._unload(snapshot.versions() - previous.snapshot.versions())
            raise
        self._tell(draft.faults)
        missing = names_of(draft.catalog) - names_of(snapshot)
        halted = self._halted
        routes = await asyncio.to_thread(compile_routes, snapshot.models, self._lanes.ready, halted)
        self.routes = routes.with_halted(self._halted, models_of(halted ^ self._halted))
        self.live = Generation(snapshot, contracts, compiled, missing)
        return True

    def halt(self, halted: frozenset[Halted]) -> None:
        """Takes their shares from the arms that guardrails have found at fault, and from no others."""
        self.routes = self.routes.with_halted(halted, models_of(halted ^ self._halted))
        self._halted = halted

    async def release(self, previous: Generation) -> None:
        """Unloads what only an earlier generation served; its calls under way finish first."""
        await self._unload(previous.snapshot.versions() - self.live.snapshot.versions())

    def _tell(self, faults: dict[str, str]) -> None:
        """Takes up what is left out now, and logs what was not before."""
        tell_faults(faults, self._faults)
        self._faults = faults

    async def _load(self, snapshot: Snapshot, faults: dict[str, str]) -> Snapshot:
        """Loads every model, side by side: one that takes long keeps no other waiting for its turn."""
        known = self.live.snapshot.versions()
        loads = dict[str, asyncio.Task[Model | None]]()
        async with asyncio.TaskGroup() as group:
            for name, model in snapshot.models.items():
                loads[name] = group.create_task(self._load_model(model, known, faults))
        loaded = {name: load.result() or self.live.snapshot.models.get(name) for name, load in loads.items()}
        return replace(snapshot, models={name: model for name, model in loaded.items() if model is not None})

    async def _load_model(self, model: Model, known: set[ModelVersion], faults: dict[str, str]) -> Model | None:
        """Loads what of a model is new; returns it without versions that cannot be, or None if that is the champion."""
        champion, failed = model.champion.version, set[int]()
        new = sorted(set(model.versions.values()) - known, key=lambda version: version is not champion)
        try:
            for version in new:
                problem = await self._try_version(version)
                if problem and version is champion:
                    faults[model.name] = problem
                    return None
                if problem:
                    faults[f"{model.name} version {version.number}"] = problem
                    failed.add(version.number)
        except BaseException:
            await self._unload(new)
            raise
        return model.without(failed)

    async def _try_version(self, version: ModelVersion) -> str:
        """Loads a version; returns why it cannot be, or nothing."""
        try:
            await self._lanes.load(version)
        except CatalogError as error:
            await self._lanes.unload(version)
            return error.message
        return ""

    async def _unload(self, versions: Iterable[ModelVersion]) -> None:
        for version in versions:
            await self._lanes.unload(version)


def models_of(halted: Iterable[Halted]) -> set[str]:
    """Returns the models that something was found of."""
    return {each.model for each in halted}


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
    sets = [Path(name).name for name in generation.contracts.sets]
    log.info("catalog live", generation=generation.snapshot.generation, models=served, contracts=sorted(sets))
