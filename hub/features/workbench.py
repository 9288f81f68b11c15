"""Builds what the commands need from settings."""

from pathlib import Path

from erpml.types.v1 import feature_view_pb2

from hub.contract_check import ContractCheck
from hub.errors import HubError
from hub.features.catalog_views import Application
from hub.features.connection import connect, features_url
from hub.features.declaration import Declaration
from hub.features.declared import find_declaration
from hub.features.kept import KeptPushes
from hub.features.reading import files, read_source, table_of
from hub.features.store import Store
from hub.features.training_sets import Wanted
from hub.live_catalog import open_catalog
from hub.repository import Repository
from hub.settings import HubSettings


def declarations(settings: HubSettings) -> Path:
    """Returns where applied declarations are kept."""
    return settings.features / "views"


def open_application(settings: HubSettings) -> Application:
    """Returns what puts views into the catalog."""
    return Application(
        repository=Repository(settings.repository),
        catalog=open_catalog(settings),
        contracts=ContractCheck(settings.contracts),
        kept=declarations(settings),
        has_data=lambda view: _has_data(settings, view),
    )


def open_store(settings: HubSettings, view: str) -> Store:
    """Returns a view in Redis.

    Raises:
        HubError: No setting says where it is.
    """
    return Store(connect(features_url(settings)), view)


def live_view(settings: HubSettings, view: str) -> feature_view_pb2.FeatureView:
    """Returns a view of the catalog, or a built-in one, which the next publication brings.

    Raises:
        HubError: There is no such view.
    """
    for each in open_catalog(settings).read().feature_views:
        if each.name == view:
            return each
    return find_declaration(declarations(settings), view).message()


def declared(settings: HubSettings, view: str) -> Declaration:
    """Returns the declaration of a view.

    Raises:
        HubError: There is none, or the catalog has other columns.
    """
    declaration, message = find_declaration(declarations(settings), view), live_view(settings, view)
    if [(column.name, column.type) for column in message.columns] != [
        (column.name, int(column.type)) for column in declaration.columns
    ]:
        raise HubError(f"the catalog has other columns of {view} than its declaration: `gapura features apply FILE`")
    return declaration


def kept_pushes(settings: HubSettings, declaration: Declaration) -> KeptPushes:
    """Returns the kept pushes of a view."""
    return KeptPushes(settings.features / "pushed" / declaration.view, declaration.row_schema)


def wanted(settings: HubSettings, chosen: str, entities: dict[str, str]) -> Wanted:
    """Returns the features that `VIEW[:COLUMN,...]` names.

    Raises:
        HubError: There is no such view, or its source cannot be read.
    """
    view, _, columns = chosen.partition(":")
    declaration = declared(settings, view)
    table = files(declaration)
    if table is None:
        path = settings.features / "staged" / f"{view}.training.parquet"
        read_source(declaration, path)
        table = table_of(declaration, path)
    labelled_by = entities.get(declaration.entity, f"{declaration.entity}_id")
    names = tuple(name.strip() for name in columns.split(",") if name.strip())
    return Wanted(declaration, table, kept_pushes(settings, declaration), names, labelled_by)


def _has_data(settings: HubSettings, view: str) -> bool:
    """Says whether rows of a view are live; what does not answer may have some."""
    if settings.features_redis is None:
        return False
    try:
        store = open_store(settings, view)
        return store.state().live is not None or store.waiting() > 0
    except HubError:
        return True
