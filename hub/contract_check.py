"""Checks, with the gateway's own compiler, that typed methods fit what is about to go live.

The halves are strangers: the gateway's command is run as a process of its own, over a catalog that is not live yet.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from erpml.catalog.v1 import catalog_pb2
from erpml.types.v1 import feature_view_pb2

from hub.catalog import write_catalog
from hub.errors import ModelDelayedError, ModelRefusedError

_SECONDS = 60.0


class Refusal(NamedTuple):
    """A method that a version cannot answer, though an arm names it.

    Attributes:
        model: Registered name of the model.
        version: The version.
        method: Full name of the method.
        reason: Why.
    """

    model: str
    version: int
    method: str
    reason: str


@dataclass(frozen=True, slots=True)
class ContractCheck:
    """Asks the gateway's compiler.

    Attributes:
        contracts: Folder of further descriptor sets; None where there are only the built-in ones.
    """

    contracts: Path | None = None

    def require_fit(self, model: catalog_pb2.Model, views: Iterable[feature_view_pb2.FeatureView] = ()) -> None:
        """Makes sure that every method of a model can be answered by all of its arms, beside these feature views.

        Raises:
            ModelRefusedError: One cannot; the message says which and why.
        """
        catalog = catalog_pb2.Catalog(generation=1, models=[model], feature_views=views)
        reasons = [refusal.reason for refusal in self.refusals(catalog) if refusal.model == model.name]
        if reasons:
            raise ModelRefusedError(f"it does not fit its contract: {'; '.join(dict.fromkeys(reasons))}")

    def require_served(self, before: catalog_pb2.Catalog, after: catalog_pb2.Catalog) -> None:
        """Makes sure that a gateway answers with the one catalog what it answers with the other.

        Raises:
            ModelRefusedError: A method would be refused, or be refused for another reason; the message says which.
        """
        known = set(self.refusals(before)) if before.models else set[Refusal]()
        reasons = [refusal.reason for refusal in self.refusals(after) if refusal not in known] if after.models else []
        if reasons:
            raise ModelRefusedError(f"methods would no longer be served: {'; '.join(dict.fromkeys(reasons))}")

    def refusals(self, catalog: catalog_pb2.Catalog) -> list[Refusal]:
        """Returns the methods that arms of a catalog cannot answer.

        Raises:
            ModelRefusedError: The compiler does not run.
            ModelDelayedError: It does not end.
        """
        with tempfile.TemporaryDirectory(prefix="gapura-") as folder:
            path = Path(folder) / "catalog.binpb"
            write_catalog(path, catalog)
            return self._ask(path)

    def _ask(self, catalog: Path) -> list[Refusal]:
        command = [sys.executable, "-m", "gateway", "contracts", "check", "--json", "--catalog", str(catalog)]
        command += ["--contracts", str(self.contracts)] if self.contracts else []
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603 - our own command
        except subprocess.TimeoutExpired as error:
            raise ModelDelayedError(
                f"its contract could not be checked within {_SECONDS:g} s: publish again"
            ) from error
        try:
            models = json.loads(done.stdout)["models"]
            return [
                Refusal(name, finding["version"], finding["method"], finding["reason"])
                for name, findings in models.items()
                for finding in findings["refused"]
            ]
        except (ValueError, KeyError) as error:
            raise ModelRefusedError(f"its contract cannot be checked: {done.stderr.strip()}") from error
