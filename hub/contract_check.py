"""Checks, with the gateway's own compiler, that typed methods fit what is about to go live.

The halves are strangers: the gateway's command is run as a process of its own, over a catalog that is not live yet.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2

from hub.catalog import write_catalog
from hub.errors import ModelDelayedError, ModelRefusedError

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ContractCheck:
    """Asks the gateway's compiler.

    Attributes:
        contracts: Folder of further descriptor sets; None where there are only the built-in ones.
    """

    contracts: Path | None = None

    def require_fit(self, model: catalog_pb2.Model) -> None:
        """Makes sure that every method of a model can be answered by all of its arms.

        Raises:
            ModelRefusedError: One cannot; the message says which and why.
        """
        with tempfile.TemporaryDirectory(prefix="gapura-") as folder:
            path = Path(folder) / "catalog.binpb"
            write_catalog(path, catalog_pb2.Catalog(generation=1, models=[model]))
            reasons = self._ask(path, model.name)
        if reasons:
            raise ModelRefusedError(f"it does not fit its contract: {'; '.join(reasons)}")

    def _ask(self, catalog: Path, name: str) -> list[str]:
        """Returns why methods of a model cannot be answered.

        Raises:
            ModelRefusedError: The compiler does not run.
            ModelDelayedError: It does not end.
        """
        command = [sys.executable, "-m", "gateway", "contracts", "check", "--json", "--catalog", str(catalog)]
        command += ["--contracts", str(self.contracts)] if self.contracts else []
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603 - our own command
        except subprocess.TimeoutExpired as error:
            raise ModelDelayedError(
                f"its contract could not be checked within {_SECONDS:g} s: publish again"
            ) from error
        try:
            findings = json.loads(done.stdout)["models"].get(name, {"refused": []})
        except (ValueError, KeyError) as error:
            raise ModelRefusedError(f"its contract cannot be checked: {done.stderr.strip()}") from error
        return list(dict.fromkeys(str(finding["reason"]) for finding in findings["refused"]))
