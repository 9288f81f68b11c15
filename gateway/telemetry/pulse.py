"""What a process tells of itself from time to time: gauges, how late its event loop is, and its state in a file."""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import nan
from pathlib import Path
from time import perf_counter, time, time_ns
from typing import Any

import structlog

from gateway.telemetry.families import HEARTBEAT, LAG, Family
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.layout import Labels
from gateway.telemetry.told import State, counts_of, gauges_of

BEAT_SECONDS = 0.1
BEATS_A_STATE = 20
STATE_SUFFIX = ".state.json"

log = structlog.get_logger(__name__)


class Pulse:
    """Tells.

    Args:
        folder: Where the state is written; None where it cannot be.
        told: What never changes: worker, role, instance, version.
        instruments: Hold the gauges.

    Attributes:
        parts: What each part says of itself now, by its name in the state; the process adds them.
    """

    def __init__(self, folder: Path | None, told: Mapping[str, Any], instruments: Instruments) -> None:
        self.parts: dict[str, Callable[[], Any]] = {}
        self._path = None if folder is None else folder / f"{told['worker']}{STATE_SUFFIX}"
        self._told = {**told, "pid": os.getpid(), "started_ns": time_ns()}
        self._instruments = instruments
        instruments.clear_gauges()
        self._lag = instruments.histogram(LAG)
        self._worst = self._last = 0.0
        self._counted: dict[tuple[Family, Labels], float] = {}
        self._gauges: set[tuple[Family, Labels]] = set()
        self._problem = ""

    async def run(self, look: Callable[[], None]) -> None:
        """Tells, for ever; `look` is called beside it, in a thread."""
        while True:
            for _ in range(BEATS_A_STATE):
                before = perf_counter()
                await asyncio.sleep(BEAT_SECONDS)
                self._last = max(perf_counter() - before - BEAT_SECONDS, 0.0)
                self._worst = max(self._worst, self._last)
                self._lag.observe(self._last)
                self._instruments.gauge(HEARTBEAT).set(time())
            try:
                await self.tell()
                await asyncio.to_thread(look)
            except Exception:
                log.exception("state cannot be told")

    async def tell(self) -> None:
        """Sets the gauges and writes the state, now."""
        state = self._describe()
        self._count(state)
        await asyncio.to_thread(self._write, state)

    def close(self) -> None:
        """Takes the state away: the process has ended as it should."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _describe(self) -> State:
        lag = {"last": self._last, "worst": self._worst}
        self._worst = 0.0
        parts = {name: describe() for name, describe in self.parts.items()}
        return {**self._told, "written_ns": time_ns(), "lag_seconds": lag, **parts}

    def _count(self, state: State) -> None:
        """Sets gauges, and counts what parts have counted themselves, so that their counts outlive the process."""
        told = {(family, labels): value for family, labels, value in gauges_of(state)}
        for (family, labels), value in (dict.fromkeys(self._gauges - told.keys(), nan) | told).items():
            self._instruments.gauge(family, *labels).set(value)
        self._gauges = set(told)
        for family, labels, count in counts_of(state):
            grown = count - self._counted.get((family, labels), 0.0)
            self._counted[family, labels] = count
            if grown > 0:
                self._instruments.counter(family, *labels).add(grown)

    def _write(self, state: State) -> None:
        if self._path is None:
            return
        beside = self._path.with_suffix(".tmp")
        try:
            beside.write_text(json.dumps(state, separators=(",", ":")))
            beside.replace(self._path)
        except OSError as error:
            problem = error.strerror or repr(error)
            if problem != self._problem:
                log.error("state cannot be written", path=str(self._path), reason=problem)
            self._problem = problem
        else:
            self._problem = ""
