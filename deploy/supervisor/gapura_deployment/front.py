"""Envoy before the workers: its part, and what it is told when workers are replaced or contracts arrive."""

import asyncio
import os
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapura_envoy.admin import ask, drain, is_ready
from gapura_envoy.binary import command, validate
from gapura_envoy.contracts import read_contracts
from gapura_envoy.errors import EdgeError
from gapura_envoy.files import Files, compose, replace_workers, write
from gapura_envoy.settings import EdgeSettings, read_settings
from gapura_supervisor.errors import SupervisionError
from gapura_supervisor.part import Health, Part

from gapura_deployment.settings import DeploymentSettings

NAME = "envoy"
STAGE = 2
_TAKE_UP_SECONDS, _LOOK_SECONDS = 10.0, 0.02
_EXIT_SECONDS = 5.0
_HEALTHY = "healthy"


class EnvoyEdge:
    """Tells Envoy of workers by files that it watches.

    Args:
        settings: Of Envoy.
        contracts: Folder of further descriptor sets.
        workers: Addresses of the first workers.

    Raises:
        SupervisionError: Envoy is not installed, or does not take its configuration.
    """

    def __init__(self, settings: EdgeSettings, contracts: Path, workers: Sequence[str]) -> None:
        self._settings = settings
        self._contracts = contracts
        self._workers = tuple(workers)
        self._checked: Any = None
        self._routing = asyncio.Lock()
        self._seen = seen_in(contracts)
        try:
            self._write(workers)
            self._command = command(settings, Files(settings.home.absolute()).bootstrap)
        except EdgeError as error:
            raise SupervisionError(str(error)) from error

    def part(self, log: Path) -> Part:
        """Returns Envoy itself."""
        return Part(
            name=NAME,
            command=tuple(self._command),
            log=log,
            probe=EnvoyProbe(self._settings.admin),
            address=self._settings.listen,
            stage=STAGE,
            grace_seconds=self._settings.drain_seconds + _EXIT_SECONDS,
            drain=self._drain,
        )

    async def route(self, addresses: Sequence[str]) -> None:
        """Takes up contracts, lets workers in that are new, and then leaves those out that are not named.

        Raises:
            SupervisionError: The contracts cannot be read, or Envoy does not take them or does not find the new workers
                well; it is as before.
        """
        async with self._routing:
            await self._route(addresses)

    async def follow(self) -> None:
        """Takes up contracts that have come, gone or changed.

        Raises:
            SupervisionError: As above.
        """
        seen = seen_in(self._contracts)
        if seen != self._seen:
            self._seen = seen
            async with self._routing:
                await self._route(self._workers)

    async def _route(self, addresses: Sequence[str]) -> None:
        before = self._workers
        new = set(addresses) - set(before)
        try:
            await asyncio.to_thread(self._write, [*before, *new])
            await self._until(new, known=set(before) | new)
            await asyncio.to_thread(self._write, addresses)
            await self._until((), known=set(addresses))
        except (EdgeError, OSError) as error:
            await asyncio.to_thread(self._write_back, before)
            raise SupervisionError(f"the edge is as it was: {error}") from error
        self._workers = tuple(addresses)

    def _write(self, workers: Sequence[str]) -> None:
        """Writes what has changed, once Envoy has looked at it.

        Raises:
            EdgeError: It does not take it.
        """
        files = compose(self._settings, workers, read_contracts(self._contracts))
        listener = files[Files(self._settings.home.absolute()).listener]
        if listener != self._checked:
            validate(self._settings, files)
            self._checked = listener
        write(files)

    def _write_back(self, workers: Sequence[str]) -> None:
        """Names the workers of before; contracts that Envoy does not take were not written."""
        replace_workers(self._settings, workers)

    async def _until(self, healthy: Collection[str], known: Collection[str]) -> None:
        """Waits until Envoy knows these workers alone, and finds some of them healthy.

        Raises:
            EdgeError: That takes too long.
        """
        end = time.monotonic() + _TAKE_UP_SECONDS
        while True:
            found = await asyncio.to_thread(read_workers, self._settings.admin)
            if set(found) == set(known) and all(found[worker] for worker in healthy):
                return
            if time.monotonic() > end:
                raise EdgeError(f"envoy does not take up its workers within {_TAKE_UP_SECONDS:.0f} s")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _drain(self) -> None:
        """Sends callers elsewhere and waits for their calls."""
        try:
            await asyncio.to_thread(drain, self._settings.admin, self._settings.drain_seconds)
        except EdgeError as error:
            raise OSError(str(error)) from error


@dataclass(frozen=True, slots=True)
class EnvoyProbe:
    """Asks Envoy's administration.

    Attributes:
        admin: Its socket.
    """

    admin: Path

    async def look(self) -> Health:
        """Ready once it has looked at every worker and its listener is open."""
        return Health.READY if await asyncio.to_thread(is_ready, self.admin) else Health.SILENT


def seen_in(contracts: Path) -> Mapping[str, tuple[int, int]]:
    """Returns size and time of change of every descriptor set of a folder, by its path."""
    found = {}
    for path in contracts.glob("*.binpb"):
        with suppress(OSError):  # it goes away meanwhile
            status = path.stat()
            found[str(path)] = (status.st_size, status.st_mtime_ns)
    return found


def read_workers(admin: Path) -> dict[str, bool]:
    """Returns the workers that Envoy knows, and whether it finds each healthy.

    Raises:
        EdgeError: It does not answer.
    """
    _, text = ask(admin, "/clusters")
    lines = (line.split("::") for line in text.splitlines())
    return {f"unix:{line[1]}": line[3] == _HEALTHY for line in lines if line[2:3] == ["health_flags"]}


def settings_of(listen: str, sockets: Path, settings: DeploymentSettings) -> EdgeSettings:
    """Returns the settings of Envoy in a deployment; its own variables are `GAPURA_EDGE_*`.

    Raises:
        SupervisionError: A value is not valid.
    """
    log = None if "GAPURA_EDGE_ACCESS_LOG" in os.environ else settings.logs / "access.log"
    try:
        return read_settings(listen=listen, home=sockets / "edge", access_log=log)
    except EdgeError as error:
        raise SupervisionError(str(error)) from error
