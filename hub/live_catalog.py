"""The live catalog: a file that gateways watch, and a copy in Redis for those that cannot see the file."""

from dataclasses import dataclass, field
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2

from hub.catalog import read_catalog, write_catalog
from hub.catalog_store import publish_to_redis
from hub.errors import HubError
from hub.settings import HubSettings

# Says one file from the next, without reading it.
_Fingerprint = tuple[int, int, int]


@dataclass(slots=True)
class LiveCatalog:
    """What is live.

    Attributes:
        path: The file; what it says is true.
        redis_url: Where the copy goes; None keeps none.
        key: Its key there.
        fault: Why the copy is not up to date.
    """

    path: Path
    redis_url: str | None = None
    key: str = "gapura:catalog"
    fault: str | None = field(default=None, init=False)
    _known: tuple[_Fingerprint | None, catalog_pb2.Catalog] | None = field(default=None, init=False)
    _models: dict[str, catalog_pb2.Model] = field(default_factory=dict, init=False)

    def read(self) -> catalog_pb2.Catalog:
        """Returns the snapshot, or an empty one of generation 0 before the first. Nobody may change it.

        Raises:
            HubError: The file is not a catalog.
        """
        found = _fingerprint(self.path)
        if self._known is None or found is None or self._known[0] != found:
            self._known = (found, read_catalog(self.path))
            self._models = {model.name: model for model in self._known[1].models}
        return self._known[1]

    def find(self, name: str) -> catalog_pb2.Model | None:
        """Returns what is live of a model. Nobody may change it.

        Raises:
            HubError: The file is not a catalog.
        """
        self.read()
        return self._models.get(name)

    def write(self, catalog: catalog_pb2.Catalog) -> None:
        """Makes a snapshot live."""
        write_catalog(self.path, catalog)
        self.announce(catalog)

    def announce(self, catalog: catalog_pb2.Catalog) -> None:
        """Brings the copy up to date; a Redis that does not answer gets it later, and keeps nothing from going live."""
        if self.redis_url is None or not catalog.generation:
            return
        try:
            publish_to_redis(self.redis_url, self.key, catalog)
        except HubError as error:
            self.fault = str(error)
        else:
            self.fault = None


def _fingerprint(path: Path) -> _Fingerprint | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def open_catalog(settings: HubSettings) -> LiveCatalog:
    """Returns the catalog where settings say that it is."""
    secret = settings.redis_url
    return LiveCatalog(settings.catalog, secret.get_secret_value() if secret else None, settings.catalog_key)
