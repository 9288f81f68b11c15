"""Opens the envelope in which a catalog lies in Redis."""

import hashlib

from erpml.catalog.v1 import catalog_pb2
from google.protobuf.message import DecodeError

from gateway.catalog.edition import Edition, read_edition
from gateway.errors import CatalogError

# Holds the generation and the digest, which come first.
HEAD_BYTES = 64

MOST_BYTES = 64 * 1024 * 1024


def open_envelope(origin: str, content: bytes) -> Edition:
    """Returns the catalog of an envelope.

    Raises:
        CatalogError: It is no envelope, or what lies inside was cut or altered.
    """
    try:
        envelope = catalog_pb2.CatalogEnvelope.FromString(content)
    except DecodeError as error:
        raise CatalogError(f"{origin} holds no catalog; publish again") from error
    if hashlib.sha256(envelope.catalog).digest() != envelope.sha256:
        raise CatalogError(f"{origin} holds a catalog that was cut or altered; publish again")
    edition = read_edition(origin, envelope.catalog)
    if edition.generation != envelope.generation or not edition.generation:
        raise CatalogError(
            f"{origin} says generation {envelope.generation} and holds {edition.generation}; publish again"
        )
    return edition
