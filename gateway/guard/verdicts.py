"""Verdicts as files: one for each arm that guardrails have found at fault, which every worker of a machine follows."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic

import structlog
from erpml.catalog.v1 import catalog_pb2
from google.protobuf.message import DecodeError

from gateway.experiments import Halted
from gateway.watching import changes, fingerprint

SUFFIX = ".binpb"

# The hub takes a verdict's file away once its catalog says the same: until that is live everywhere, the verdict counts.
LINGER_SECONDS = 10.0

# A change that comes within the clock tick of a look is seen by looking again.
AGAIN_SECONDS = 2.0

Listener = Callable[[frozenset[Halted]], None]

log = structlog.get_logger(__name__)


class Verdicts:
    """Follows the verdicts of a folder.

    Args:
        folder: The folder; it may be missing.
        linger_seconds: For how long a verdict counts whose file is taken away.

    Attributes:
        live: What the verdicts say. They count for the revision that they name.
    """

    def __init__(self, folder: Path, *, linger_seconds: float = LINGER_SECONDS) -> None:
        self._folder = folder
        self._linger_seconds = linger_seconds
        self._gone: dict[Halted, float] = {}
        self._warned: set[str] = set()
        self.live: frozenset[Halted] = frozenset()

    async def follow(self, changed: Listener) -> None:
        """Follows until it is cancelled.

        Args:
            changed: Is told of all that they say, whenever that changes.
        """
        look = partial(fingerprint, self._folder)
        seen = look()
        self._look(changed)
        async for _ in changes(look, seen, AGAIN_SECONDS, lambda: True):
            self._look(changed)

    def _look(self, changed: Listener) -> None:
        """Reads all files; what is not there any more counts for a while yet."""
        found = {halted_of(verdict) for _, verdict in read_folder(self._folder, self._warn)}
        now = monotonic()
        for halted in self.live - found:
            self._gone.setdefault(halted, now + self._linger_seconds)
        self._gone = {halted: until for halted, until in self._gone.items() if halted not in found and now < until}
        live = frozenset(found | self._gone.keys())
        if live != self.live:
            self.live = live
            changed(live)

    def _warn(self, path: Path, problem: str) -> None:
        """Tells a problem of a file once."""
        if path.name not in self._warned:
            self._warned.add(path.name)
            log.error("a verdict is not read; remove its file", path=str(path), reason=problem)


def read_folder(folder: Path, warn: Callable[[Path, str], None]) -> Iterator[tuple[Path, catalog_pb2.Verdict]]:
    """Yields the files of a folder with their verdicts.

    Args:
        folder: The folder; it may be missing.
        warn: Is told of files that cannot be read.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            yield path, catalog_pb2.Verdict.FromString(path.read_bytes())
        except FileNotFoundError:
            continue
        except OSError as error:
            warn(path, error.strerror or repr(error))
        except DecodeError:
            warn(path, "it is no verdict")


def halted_of(verdict: catalog_pb2.Verdict) -> Halted:
    """Returns what a verdict says."""
    return Halted(verdict.model, verdict.experiment, verdict.arm, verdict.version, verdict.revision)


def path_of(folder: Path, halted: Halted) -> Path:
    """Returns the file of a verdict on an arm. Names of experiments and arms have no dots."""
    return folder / f"{halted.model}.{halted.experiment}.{halted.arm}{SUFFIX}"


def write_verdict(folder: Path, verdict: catalog_pb2.Verdict) -> None:
    """Writes a verdict in one step, for good.

    Raises:
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = path_of(folder, halted_of(verdict))
    scratch = path.with_suffix(".tmp")
    with scratch.open("wb") as file:
        file.write(verdict.SerializeToString())
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
