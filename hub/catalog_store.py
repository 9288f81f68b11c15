"""Publishes the catalog in Redis, from where gateways on other machines take it at once."""

import hashlib
from typing import Any

from erpml.catalog.v1 import catalog_pb2
from google.protobuf.message import DecodeError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, WatchError
from redis.retry import Retry

from hub.errors import HubError

_ANSWER_SECONDS = 1.0
_TRIES = 5


def publish_to_redis(url: str, key: str, catalog: catalog_pb2.Catalog) -> None:
    """Replaces the catalog in Redis and tells gateways on a channel of the same name, both or neither.

    What lies there already is left alone. Something that is no catalog is replaced.

    Args:
        url: `redis://`, `rediss://` or `unix://`; the errors do not repeat it, since it may hold a password.
        key: Key and channel.
        catalog: What is live.

    Raises:
        HubError: Redis cannot be reached or refuses, or holds a catalog that this one does not follow.
    """
    sealed = seal(catalog)
    try:
        with connect(url) as client:
            _replace(client, key, catalog.generation, sealed)
    except (RedisError, OSError) as error:
        raise HubError(
            f"Redis key '{key}' does not have the catalog: {error}; the next `gapura publish` writes it"
        ) from error


def seal(catalog: catalog_pb2.Catalog) -> bytes:
    """Returns the envelope of a catalog: what it is, and a digest that shows if it was cut or altered."""
    content = catalog.SerializeToString(deterministic=True)
    envelope = catalog_pb2.CatalogEnvelope(
        generation=catalog.generation, sha256=hashlib.sha256(content).digest(), catalog=content
    )
    return envelope.SerializeToString(deterministic=True)


def _replace(client: Any, key: str, generation: int, sealed: bytes) -> None:
    """Writes the envelope unless another hub is ahead; when somebody else writes meanwhile, it looks again."""
    for _ in range(_TRIES):
        with client.pipeline() as pipeline:
            pipeline.watch(key)
            found = _read(pipeline, key)
            if found == sealed:
                return
            _require_newer(_generation_of(found), generation, key)
            pipeline.multi()
            pipeline.set(key, sealed)
            pipeline.publish(key, generation)
            try:
                pipeline.execute()
            except WatchError:
                continue
            return
    raise HubError(f"somebody else keeps writing Redis key '{key}': only one hub may publish there")


def _read(pipeline: Any, key: str) -> bytes:
    """Returns what lies under a key."""
    found: bytes | None = pipeline.get(key)
    return found or b""


def _generation_of(sealed: bytes) -> int:
    """Returns the generation of an envelope; 0 where there is no whole one."""
    try:
        envelope = catalog_pb2.CatalogEnvelope.FromString(sealed)
    except DecodeError:
        return 0
    whole = hashlib.sha256(envelope.catalog).digest() == envelope.sha256
    return envelope.generation if whole else 0


def _require_newer(known: int, generation: int, key: str) -> None:
    if generation <= known:
        raise HubError(
            f"Redis key '{key}' holds generation {known} of the catalog, and this one is generation {generation}: "
            "another hub publishes there, which needs a GAPURA_CATALOG_KEY of its own, or the catalog file of this hub "
            f"was lost: restore it, or delete the key ('redis-cli del {key}') and restart the gateways"
        )


def connect(url: str) -> Any:
    """Returns a client that does not wait long for an answer.

    Raises:
        HubError: It is no address.
    """
    try:
        return Redis.from_url(
            url,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
    except ValueError:
        raise HubError(
            "GAPURA_REDIS_URL: write redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, or unix:///PATH"
        ) from None
