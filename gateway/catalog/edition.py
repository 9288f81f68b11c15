"""One catalog as it was found, before anybody asks whether it makes sense."""

from dataclasses import dataclass

from erpml.catalog.v1 import catalog_pb2
from google.protobuf.message import DecodeError

from gateway.errors import CatalogError


@dataclass(frozen=True, slots=True)
class Edition:
    """A catalog and where it was found.

    Attributes:
        origin: A file or a key of Redis, for messages.
        content: The catalog, encoded.
        message: The same, decoded.
    """

    origin: str
    content: bytes
    message: catalog_pb2.Catalog

    @property
    def generation(self) -> int:
        """Grows with every catalog that the hub writes, from 1."""
        return self.message.generation


def read_edition(origin: str, content: bytes) -> Edition:
    """Decodes a catalog.

    Raises:
        CatalogError: The bytes are none.
    """
    try:
        return Edition(origin, content, catalog_pb2.Catalog.FromString(content))
    except DecodeError as error:
        raise CatalogError(f"{origin} is not a catalog; publish again") from error
