"""Puts declared feature views into the catalog: `gapura features apply`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2
from erpml.types.v1 import feature_view_pb2
from gapura_features import Schema

from hub.catalog import replace_views
from hub.contract_check import ContractCheck
from hub.errors import HubError, ModelRefusedError
from hub.features.declaration import Declaration, read_file
from hub.features.declared import keep_declaration
from hub.live_catalog import LiveCatalog
from hub.repository import Repository

_LOCK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Application:
    """Takes declarations into the catalog, all or none.

    Attributes:
        repository: Its lock keeps other publishers out.
        catalog: What is live.
        contracts: Checks that what is served would be served on.
        kept: Where the files are kept that were applied.
        has_data: Says whether rows of a view are live.
    """

    repository: Repository
    catalog: LiveCatalog
    contracts: ContractCheck
    kept: Path
    has_data: Callable[[str], bool]

    def apply(self, paths: Sequence[Path], *, replace: bool = False) -> list[str]:
        """Makes the views of these files live; returns what happened, a line for each.

        Args:
            paths: Files that declare a view each.
            replace: Whether columns may change of which rows are live.

        Raises:
            HubError: A file is not valid, columns change that may not, or methods would no longer be served.
        """
        declared = _distinct([read_file(path) for path in paths])
        with self.repository.lock(_LOCK_SECONDS):
            catalog = self.catalog.read()
            known = {view.name: view for view in catalog.feature_views}
            changed = [each for each in declared if known.get(each.view) != each.message()]
            if not replace:
                for each in changed:
                    self._require_same_columns(known.get(each.view), each)
            if changed:
                self._write(catalog, replace_views(catalog, [each.message() for each in changed]))
            for path, each in zip(paths, declared, strict=True):
                keep_declaration(self.kept, each.view, path.read_bytes())
        return [_describe(each, known.get(each.view)) for each in declared]

    def _write(self, catalog: catalog_pb2.Catalog, following: catalog_pb2.Catalog) -> None:
        try:
            self.contracts.require_served(catalog, following)
        except ModelRefusedError as error:
            raise HubError(
                f"nothing is applied: {error}; change the view, or the contract or the model first"
            ) from error
        self.catalog.write(following)

    def _require_same_columns(self, known: feature_view_pb2.FeatureView | None, declared: Declaration) -> None:
        if known is not None and Schema.read(known).hash != declared.row_schema.hash and self.has_data(known.name):
            raise HubError(
                f"{declared.view}: its columns change ({_difference(known, declared)}), and rows of the old ones are "
                "live: calls would get defaults, or be refused, until `gapura features materialize "
                f"{declared.view}` is through. Apply it with --replace if that is what you want"
            )


def _distinct(declared: list[Declaration]) -> list[Declaration]:
    names = [each.view for each in declared]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise HubError(f"two of the files declare {', '.join(twice)}: apply one of them")
    return declared


def _describe(declared: Declaration, known: feature_view_pb2.FeatureView | None) -> str:
    columns = f"{len(declared.columns)} columns"
    if known is None:
        return f"{declared.view} is live with {columns}: `gapura features materialize {declared.view}` fills it"
    if known == declared.message():
        return f"{declared.view} is unchanged"
    if Schema.read(known).hash != declared.row_schema.hash:
        return (
            f"{declared.view} is live with {columns} ({_difference(known, declared)}): calls get defaults until "
            f"`gapura features materialize {declared.view}` is through"
        )
    return f"{declared.view} is live as it is declared now"


def _difference(known: feature_view_pb2.FeatureView, declared: Declaration) -> str:
    """Says which columns differ."""
    old = {column.name: int(column.type) for column in known.columns}
    new = {column.name: int(column.type) for column in declared.columns}
    words = [f"{name} is new" for name in new if name not in old]
    words += [f"{name} is gone" for name in old if name not in new]
    words += [f"{name} has another type" for name in new if name in old and old[name] != new[name]]
    return ", ".join(words) or "in another order"
