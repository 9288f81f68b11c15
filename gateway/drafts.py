"""Drafts the next generation: what of a catalog fits its typed methods, before anything of it is loaded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.catalog.snapshot import Snapshot
from gateway.catalog.sources import Catalogs
from gateway.contracts.compilation import Compiled, compile_methods
from gateway.contracts.descriptors import AnnotatedMethod, ContractSet, link, read_sets
from gateway.decisions import DECISIONS
from gateway.edge.status import status_of
from gateway.errors import ContractError
from gateway.types import Model, ModelVersion


@dataclass(frozen=True, slots=True)
class Generation:
    """Everything that one catalog serves.

    Attributes:
        snapshot: What of the catalog is live.
        contracts: Every method that could be answered.
        compiled: Those that are.
        missing: Models and versions of the catalog that were left out, by the names that health has for them.
    """

    snapshot: Snapshot
    contracts: ContractSet
    compiled: Compiled
    missing: frozenset[str] = frozenset()

    def services(self) -> dict[str, bool]:
        """Returns every typed service, and whether any of its methods is answered."""
        answered = {path.split("/")[1] for path in self.compiled.methods}
        return {method.service: method.service in answered for method in self.contracts.methods}


@dataclass(frozen=True, slots=True)
class Draft:
    """What could be the next generation.

    Attributes:
        catalog: The newest catalog.
        contracts: Every method that could be answered.
        compiled: Those that are, if the whole catalog is served.
        fitting: The catalog without what does not fit a method.
        faults: Why something was left out, by its name; more may join when models are loaded.
    """

    catalog: Snapshot
    contracts: ContractSet
    compiled: Compiled
    fitting: Snapshot
    faults: dict[str, str]


def draft_generation(catalogs: Catalogs, folder: Path, previous: Generation) -> Draft:
    """Reads the newest catalog and the descriptor sets of a folder, and compiles them.

    Raises:
        CatalogError: There is no catalog, or only an older one than the live one.
    """
    faults = dict[str, str]()
    catalog = catalogs.newest(previous.snapshot)
    contracts, compiled = compile_sets(read_sets(folder, faults), catalog, previous, faults)
    faults |= catalog.faults
    return Draft(catalog, contracts, compiled, leave_misfits_out(catalog, compiled, previous, faults), faults)


def compile_sets(
    given: Mapping[str, bytes], catalog: Snapshot, previous: Generation, faults: dict[str, str]
) -> tuple[ContractSet, Compiled]:
    """Links and compiles descriptor sets; one that cannot be used stays as it was, or out, and costs no other anything.

    A set that is taken away takes its methods with it. One that changes cannot be used if a method of it that is
    answered now would not be any more; if that is for its model, the model may follow and is tried again.

    Args:
        given: The sets by name.
        catalog: What they are compiled for.
        previous: What is live.
        faults: Has the sets that cannot be read, and gets those that cannot be used.
    """
    live = previous.contracts.sets
    given = {**given, **{name: live[name] for name in faults.keys() & live.keys()}}
    while True:
        contracts = link(given, live)
        compiled = compile_live(contracts.methods, catalog)
        unfit = unfit_sets(contracts, compiled, catalog, previous)
        faults.update(contracts.faults)
        if not unfit:
            return contracts, compiled
        faults.update(unfit)
        given |= {name: live[name] for name in unfit}


def unfit_sets(contracts: ContractSet, compiled: Compiled, catalog: Snapshot, previous: Generation) -> dict[str, str]:
    """Returns the sets that have changed so that a method of them is not answered any more, and why."""
    live = previous.contracts.sets
    lost = lost_methods(previous.compiled, compiled, catalog.models)
    found = ((contracts.set_of(path), error.message) for path, error in lost.items())
    return {name: reason for name, reason in found if name in live and contracts.sets[name] != live[name]}


def compile_live(methods: Iterable[AnnotatedMethod], catalog: Snapshot) -> Compiled:
    """Compiles methods with the decisions and errors of this gateway."""
    return compile_methods(methods, catalog.models, catalog.views, DECISIONS, status_of)


def leave_misfits_out(catalog: Snapshot, compiled: Compiled, previous: Generation, faults: dict[str, str]) -> Snapshot:
    """Returns a catalog without versions that do not fit their methods; without its champion, a model stays as it was.

    So do then the feature views that the model's methods looked up. Such a version is tried again and again, and is
    never loaded for that.
    """
    models, views = dict(catalog.models), dict(catalog.views)
    for name, misfits in compiled.misfits().items():
        models[name] = models[name].without(misfits)
        faults |= {f"{name} version {number}": error.message for number, error in misfits.items()}
    for path, error in compiled.refused.items():
        name = error.metadata["model"]
        if path in previous.compiled.methods and name in models and name in previous.snapshot.models:
            models[name] = previous.snapshot.models[name]
            views |= {view.name: view for view in previous.compiled.methods[path].views()}
            faults[name] = error.message
    return replace(catalog, models=models, views=views)


def names_of(snapshot: Snapshot) -> frozenset[str]:
    """Returns the names that health has for models, and for their versions."""
    return frozenset(snapshot.models) | {health_name(version) for version in snapshot.versions()}


def health_name(version: ModelVersion) -> str:
    """Returns the name that health has for a version."""
    return f"{version.model}/{version.number}"


def check_nothing_lost(previous: Compiled, following: Compiled, models: Mapping[str, Model]) -> None:
    """Checks that every method that is answered now is answered by the next generation too.

    A model that has left the catalog takes its methods with it.

    Raises:
        ContractError: A method does not fit the next version of its model.
    """
    for error in lost_methods(previous, following, models).values():
        raise error


def lost_methods(previous: Compiled, following: Compiled, models: Mapping[str, Model]) -> dict[str, ContractError]:
    """Returns why methods that were answered are not any more, by path; without those whose model has left."""
    return {
        path: error
        for path, error in following.refused.items()
        if path in previous.methods and error.metadata.get("model") in models
    }
