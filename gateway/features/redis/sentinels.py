"""Asks the Sentinels which server is the primary of a service."""

from collections.abc import Sequence

from redis.exceptions import RedisError, ResponseError

from gateway.features.redis.addresses import Place
from gateway.features.redis.door import Door
from gateway.features.redis.wire import Wire, pack
from gateway.redis_connection import Standing, explain


class Sentinels:
    """The Sentinels, one of which is asked as long as it answers.

    Args:
        door: Opens connections to them.
        places: Where they are.
        service: What they call the primary.
    """

    def __init__(self, door: Door, places: Sequence[Place], service: str) -> None:
        self._door, self._places = door, list(places)
        self._question = pack("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)
        self._wire: Wire | None = None
        told = ", ".join(map(str, places))
        self._standing = Standing(told, "Sentinels do not name the primary", "Sentinels name the primary")

    async def primary(self) -> Place | None:
        """Returns where the primary is, as the first one that answers has it; None where none does."""
        reason = "unreachable", "none was asked"
        for _ in self._places:
            try:
                place = await self._ask(self._places[0])
            except (OSError, RedisError) as error:
                reason = explain(error)
            else:
                if place is not None:
                    self._standing.tell("", "")
                    return place
                reason = "unknown", "they do not know the service"
            await self.close()
            self._places.append(self._places.pop(0))
        self._standing.tell(*reason)
        return None

    async def close(self) -> None:
        """Closes the connection."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def _ask(self, place: Place) -> Place | None:
        """Asks one Sentinel; None where it does not know the service.

        Raises:
            OSError: It does not answer.
            ResponseError: It refuses.
        """
        if self._wire is None or self._wire.ended:
            self._wire = await self._door.open_sentinel(place)
        (answer,) = await self._wire.ask(self._question, 1, self._door.answer_seconds)
        if isinstance(answer, ResponseError):
            raise answer
        return None if answer is None else Place(answer[0].decode(), int(answer[1]))
