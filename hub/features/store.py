"""The rows of one view in Redis: writes them, says which are live, and removes those that nobody reads."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, NamedTuple

from gapura_features import Pointer, pointer_key, pushes_key, row_key, row_prefix, state_key
from gapura_features.pushing import Command, PushedRow, kept, written
from redis.cluster import RedisCluster

from hub.errors import HubError
from hub.features.connection import translated

_KEYS_PER_MSET = 500
_SCANNED = 5_000
_UNLINKED = 1_000


@dataclass(frozen=True, slots=True)
class Building:
    """Data that is being made.

    Attributes:
        data: Its number.
        fingerprint: Of the declaration and the source; only the same goes on where it stopped.
        staged: Name of the file of its rows.
        through: Name of the last file of kept pushes that is in it.
        done: Rows that are written.
        total: Rows that there will be.
        begun_ms: When it was begun, in milliseconds since 1970.
    """

    data: int
    fingerprint: str
    staged: str
    through: str
    done: int
    total: int
    begun_ms: int


@dataclass(frozen=True, slots=True)
class Live:
    """Data that was made last.

    Attributes:
        data: Its number.
        entities: Rows that were written.
        event_time_ms: The latest event time among them.
        finished_ms: When it went live, in milliseconds since 1970.
    """

    data: int
    entities: int
    event_time_ms: int
    finished_ms: int


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a view's materialisations."""

    live: Live | None = None
    building: Building | None = None


class Push(NamedTuple):
    """An entry of the stream of pushes."""

    id: str
    entity: str
    row: bytes


class Store:
    """One view in Redis.

    Args:
        client: Of redis-py.
        view: Name of the view.
    """

    def __init__(self, client: Any, view: str) -> None:
        self.client = client
        self.view = view
        self._clustered = isinstance(client, RedisCluster)

    def pointer(self) -> Pointer:
        """Returns which data is live.

        Raises:
            HubError: Redis does not answer, or holds no pointer there.
        """
        with translated(f"reading what is live of {self.view}"):
            content = self.client.get(pointer_key(self.view))
        try:
            return Pointer.read(content)
        except ValueError as error:
            raise HubError(f"key '{pointer_key(self.view)}': {error}; delete it, and materialise the view") from error

    def point(self, pointer: Pointer) -> None:
        """Says which data is live, and which is being made."""
        with translated(f"writing what is live of {self.view}"):
            self.client.set(pointer_key(self.view), pointer.write())

    def state(self) -> State:
        """Returns what is known of materialisations; nothing where it cannot be read."""
        with translated(f"reading the state of {self.view}"):
            content = self.client.get(state_key(self.view))
        try:
            found = json.loads(content or "{}")
            live, building = found.get("live"), found.get("building")
            return State(Live(**live) if live else None, Building(**building) if building else None)
        except (ValueError, TypeError, AttributeError):
            return State()

    def note(self, state: State) -> None:
        """Writes down what is known of materialisations."""
        with translated(f"writing the state of {self.view}"):
            self.client.set(state_key(self.view), json.dumps(asdict(state)))

    def write(self, keys: Sequence[str], rows: Sequence[bytes]) -> None:
        """Writes rows, whatever lies there."""
        with translated(f"writing rows of {self.view}"), self.client.pipeline(transaction=False) as pipeline:
            if self._clustered:
                for key, row in zip(keys, rows, strict=True):
                    pipeline.set(key, row)
            else:
                for at in range(0, len(keys), _KEYS_PER_MSET):
                    chunk = slice(at, at + _KEYS_PER_MSET)
                    pipeline.mset(dict(zip(keys[chunk], rows[chunk], strict=True)))
            pipeline.execute()

    def read(self, data: int, entities: Sequence[str]) -> list[bytes | None]:
        """Returns the rows of entities; None where there is none."""
        keys = [row_key(self.view, data, entity) for entity in entities]
        with translated(f"reading rows of {self.view}"), self.client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.get(key)
            found: list[bytes | None] = pipeline.execute()
        return found

    def push(self, rows: Sequence[PushedRow]) -> int:
        """Keeps rows in the stream and makes them live, each unless a later one is; returns how many are live now."""
        self._carry_out(kept(self.view, rows))
        answers = self._carry_out(written(self.view, self.pointer(), rows))
        return sum(map(int, answers[: len(rows)]))

    def apply(self, data: int, rows: Sequence[PushedRow]) -> None:
        """Writes pushed rows to data that is being made, each unless a later one lies there."""
        self._carry_out(written(self.view, Pointer(data), rows))

    def pushes(self, most: int) -> list[Push]:
        """Returns the oldest entries of the stream."""
        with translated(f"reading pushed rows of {self.view}"):
            found = self.client.xrange(pushes_key(self.view), count=most)
        return [
            Push(id_.decode(), fields.get(b"entity", b"").decode(errors="replace"), fields.get(b"row", b""))
            for id_, fields in found
        ]

    def waiting(self) -> int:
        """Returns the number of pushed rows in the stream."""
        with translated(f"counting pushed rows of {self.view}"):
            return int(self.client.xlen(pushes_key(self.view)))

    def forget_pushes(self, through: str) -> None:
        """Removes entries of the stream up to an id."""
        milliseconds, _, number = through.partition("-")
        with translated(f"removing pushed rows of {self.view}"):
            following = f"{milliseconds}-{int(number) + 1}"
            self.client.execute_command("XTRIM", pushes_key(self.view), "MINID", "=", following)

    def sweep(self, keeping: frozenset[int]) -> int:
        """Removes the rows of all other data; returns how many there were."""
        prefixes = tuple(row_prefix(self.view, data).encode() for data in keeping)
        removed = 0
        with translated(f"removing rows of {self.view}"):
            for keys in self._scan():
                unread = [key for key in keys if not key.startswith(prefixes)]
                with self.client.pipeline(transaction=False) as pipeline:
                    for key in unread if self._clustered else ():
                        pipeline.unlink(key)
                    if not self._clustered and unread:
                        pipeline.unlink(*unread)
                    pipeline.execute()
                removed += len(unread)
        return removed

    def _scan(self) -> Iterator[list[bytes]]:
        """Yields the keys of all data in batches."""
        keys = self.client.scan_iter(match=f"f:{self.view}.*", count=_SCANNED)
        while batch := list(islice(keys, _UNLINKED)):
            yield batch

    def _carry_out(self, commands: Sequence[Command]) -> list[Any]:
        with translated(f"pushing rows of {self.view}"), self.client.pipeline(transaction=False) as pipeline:
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = pipeline.execute()
        return answers
