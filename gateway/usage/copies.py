"""Usage in Redis: a hash for each day, in which every process of every machine has fields of its own.

A value is what a process has counted since it began, so writing it twice changes nothing.
"""

from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, date, datetime, time, timedelta

import structlog
from redis.exceptions import RedisError

from gateway.errors import ConfigurationError
from gateway.redis_connection import connect, place_of
from gateway.usage.layout import Counts, Key
from gateway.usage.reading import Charge

PREFIX = "gapura:usage"
SCAN_FIELDS = 1000
KEPT_DAYS = 400
FIELD_PARTS = 3

log = structlog.get_logger(__name__)


def key_of(prefix: str, day: date) -> str:
    """Returns the key of a day's hash."""
    return f"{prefix}:{day}"


def field_of(source: str, key: Key) -> str:
    """Returns the field of a process, tenant and model. Neither a source nor a tenant has a bar in its name."""
    return "|".join((source, *key))


def value_of(counts: Counts) -> str:
    """Writes counts as text."""
    return ",".join(map(str, counts))


def expiry_of(day: date) -> int:
    """Returns when a day's hash may be forgotten, in seconds since 1970."""
    return int(datetime.combine(day + timedelta(KEPT_DAYS), time(), UTC).timestamp())


def read_field(day: date, field: bytes, value: bytes) -> Charge | None:
    """Reads one field of a hash; None if it is nothing that a gateway writes."""
    try:
        source, tenant, model = field.decode().split("|", FIELD_PARTS - 1)
        counts = Counts._make(map(int, value.split(b",")))
    except (ValueError, TypeError):
        return None
    return Charge(day, source, tenant, model, counts)


def days_between(first: date, last: date) -> Iterator[date]:
    """Yields days; the last is one of them."""
    for number in range((last - first).days + 1):
        yield first + timedelta(number)


async def read_copies(url: str, first: date, last: date, prefix: str = PREFIX) -> list[Charge]:
    """Reads what all machines have copied of some days.

    Raises:
        ConfigurationError: The URL is not valid, or Redis does not answer.
    """
    charges: list[Charge] = []
    async with aclosing(connect(url)) as client:
        try:
            for day in days_between(first, last):
                async for field, value in client.hscan_iter(key_of(prefix, day), count=SCAN_FIELDS):
                    charge = read_field(day, field, value)
                    if charge is None:
                        log.warning("field is no usage", key=key_of(prefix, day), field=repr(field))
                    else:
                        charges.append(charge)
        except (RedisError, OSError, TimeoutError) as error:
            told = str(error) or type(error).__name__
            raise ConfigurationError(
                f"GAPURA_REDIS_URL: Redis at {place_of(client)} does not answer: {told}"
            ) from error
    return charges
