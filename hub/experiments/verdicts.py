"""Verdicts that gateways have passed on arms: files in a folder, and a hash in Redis for gateways on other machines."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from erpml.catalog.v1 import catalog_pb2
from google.protobuf.message import DecodeError
from redis.exceptions import RedisError

from hub.catalog import find_model
from hub.catalog_store import connect
from hub.errors import HubError
from hub.experiments.messages import find_experiment

_SUFFIX = "*.binpb"
_REMOVE = "if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end"


@dataclass(frozen=True, slots=True)
class Found:
    """Something that lies where verdicts do.

    Attributes:
        place: Where it lies.
        content: What lies there.
    """

    place: str
    content: bytes

    def read(self) -> catalog_pb2.Verdict | None:
        """Returns the verdict; None where it is none."""
        try:
            verdict = catalog_pb2.Verdict.FromString(self.content)
        except DecodeError:
            return None
        return verdict if verdict.model and verdict.experiment and verdict.arm else None


class Source(Protocol):
    """Where verdicts come from."""

    def collect(self) -> Iterator[Found]:
        """Returns what lies there; what cannot be reached is there the next time."""
        ...

    def remove(self, found: Found) -> None:
        """Takes something away that still is what was found."""
        ...


@dataclass(frozen=True, slots=True)
class VerdictFolder:
    """A folder with a file for each verdict.

    Attributes:
        path: The folder; need not exist.
    """

    path: Path

    def collect(self) -> Iterator[Found]:
        """Returns all files; what cannot be read says nothing."""
        for path in sorted(self.path.glob(_SUFFIX)):
            if not path.name.startswith("."):
                with suppress(FileNotFoundError):
                    yield Found(str(path), _read(path))

    def remove(self, found: Found) -> None:
        """Removes a file."""
        path = Path(found.place)
        with suppress(OSError):
            if path.read_bytes() == found.content:
                path.unlink()


@dataclass(frozen=True, slots=True)
class VerdictHash:
    """A hash in Redis with a field for each verdict.

    Attributes:
        url: Of Redis.
        key: Of the hash.
    """

    url: str
    key: str

    def collect(self) -> Iterator[Found]:
        """Returns all fields; a Redis that does not answer is told of by what publishes the catalog there."""
        with suppress(RedisError, OSError, HubError), connect(self.url) as client:
            for name, content in sorted(client.hgetall(self.key).items()):
                yield Found(name.decode(errors="replace"), content)

    def remove(self, found: Found) -> None:
        """Removes a field."""
        with suppress(RedisError, OSError, HubError), connect(self.url) as client:
            client.eval(_REMOVE, 1, self.key, found.place, found.content)


def counts(verdict: catalog_pb2.Verdict, catalog: catalog_pb2.Catalog) -> bool:
    """Whether a verdict is on what is live: this version of this arm, as the experiment was decided last."""
    model = find_model(catalog, verdict.model)
    experiment = find_experiment(model, verdict.experiment)
    if model is None or experiment is None:
        return False
    arm = next((each for each in model.arms if each.name == verdict.arm), None)
    challenges = arm is not None and arm.kind == catalog_pb2.ARM_KIND_CHALLENGER and arm.version == verdict.version
    return challenges and experiment.revision == verdict.revision


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError:
        return b""
