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
    contracts = link(read_sets(folder, faults))
    faults |= {**contracts.faults, **catalog.faults}
    compiled = compile_live(contracts.methods, catalog)
    return Draft(catalog, contracts, compiled, leave_misfits_out(catalog, compiled, previous, faults), faults)


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
    for path, error in following.refused.items():
        if path in previous.methods and error.metadata.get("model") in models:
            raise error
