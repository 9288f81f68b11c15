"""Keeps one part running: starts it again when it ends or hangs, until told to stop."""

import asyncio
import time
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count

from gapura_supervisor.backoff import deaths_in_a_row, restart_delay
from gapura_supervisor.logs import last_words
from gapura_supervisor.part import Health, Part
from gapura_supervisor.processes import how_it_ended, kill_all, marked
from gapura_supervisor.spawning import spawn
from gapura_supervisor.state import PartState, Phase

HOPELESS_DEATHS = 3
_STARTING_TICK_SECONDS = 0.1
_READY_TICK_SECONDS = 1.0


class Keeper:
    """Keeps a part running from `start` to `stop`.

    Args:
        part: What to keep.
        mark: Begins the mark of every process, which a serial number completes.
        serials: Numbers the processes.
        changed: Is told whenever the state is another.
        say: Takes a line for the operator.

    Attributes:
        state: How the part fares.
        ready: Set once it has been ready.
        hopeless: Set once it has ended often, or been silent for long, without ever being ready.
        unclean: Whether it had to be killed when it was told to stop.
    """

    def __init__(
        self, part: Part, mark: str, serials: "count[int]", changed: Callable[[], None], say: Callable[[str], None]
    ) -> None:
        self.part = part
        self.state = PartState(part.name, part.address, str(part.log))
        self.ready, self.hopeless, self.unclean = asyncio.Event(), asyncio.Event(), False
        self._mark = mark
        self._serials = serials
        self._changed = changed
        self._say = say
        self._stopping = asyncio.Event()
        self._process: Process | None = None
        self._reason: str | None = None
        self._log_start = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> "asyncio.Task[None]":
        """Starts the part; returns the task that keeps it, which ends when the part has stopped."""
        self._task = asyncio.create_task(self._keep())
        return self._task

    async def stop(self) -> None:
        """Lets the part finish what it does, and ends it; kills it when it takes too long."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.shield(self._task)  # whoever waits may be cancelled; the part goes on ending

    def kill(self) -> None:
        """Ends the part at once."""
        self._stopping.set()
        self._signal_kill()

    def last_words(self) -> str:
        """Returns how its last process ended and what it said."""
        return f"{self.state.last_end or self.state.phase}:\n{last_words(self.part.log, self._log_start)}"

    async def _keep(self) -> None:
        deaths = 0
        await self._await_needs()
        while not self._stopping.is_set():
            lived = await self._live()
            if self._stopping.is_set():
                break
            deaths = deaths_in_a_row(deaths, lived)
            if not self.ready.is_set() and (deaths >= HOPELESS_DEATHS or self._reason):
                self.hopeless.set()
            delay = restart_delay(deaths)
            self._say(f"{self.part.name} ended: {self.state.last_end}; it is started again in {delay:.1f} s")
            self._record(Phase.BACKING_OFF, pid=None)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            self._record(Phase.BACKING_OFF, restarts=self.state.restarts + 1)
        self._record(Phase.STOPPED, pid=None)

    async def _await_needs(self) -> None:
        """Waits until what the part needs is there."""
        needs, told = self.part.needs, False
        while needs is not None and not needs.exists() and not self._stopping.is_set():
            if not told:
                self._say(f"{self.part.name} waits for {needs}")
                told = True
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _STARTING_TICK_SECONDS)

    async def _live(self) -> float:
        """Runs the part until it ends; returns for how many seconds it lived once it was ready."""
        serial, self._reason = next(self._serials), None
        mark = f"{self._mark}{serial}."
        self._log_start = self.part.log.stat().st_size if self.part.log.exists() else 0
        try:
            self._process = process = await spawn(self.part, mark)
        except OSError as error:
            self._record(Phase.STARTING, last_end=str(error), serial=serial)
            return 0.0
        self._record(Phase.STARTING, pid=process.pid, serial=serial)
        if self._stopping.is_set():  # `kill` came while it was being started
            self._signal_kill()
        ready_since = await self._watch_until_end(process)
        await asyncio.to_thread(kill_all, partial(marked, mark))  # what it started
        self._record(self.state.phase, last_end=self._how_it_ended(process))
        return time.monotonic() - ready_since if ready_since else 0.0

    def _how_it_ended(self, process: Process) -> str:
        return ", ".join(filter(None, (self._reason, how_it_ended(process.returncode or 0))))

    async def _watch_until_end(self, process: Process) -> float | None:
        """Returns when the part became ready, by the monotonic clock, once its process has ended."""
        since: list[float] = []
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        watching = asyncio.create_task(self._watch(since))
        try:
            await asyncio.wait({ended, stopping, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()  # a defect is told, not passed over
            if self._stopping.is_set() and not ended.done():
                watching.cancel()
                await self._end(process, ended)
            await ended
        finally:
            for task in (ended, stopping, watching):
                task.cancel()
        return since[0] if since else None

    async def _watch(self, since: list[float]) -> None:
        """Asks the part how it is, again and again; kills it and returns when it has been silent for too long."""
        heard, answered = time.monotonic(), False
        while True:
            health = await self.part.probe.look()
            now = time.monotonic()
            if health is not Health.SILENT:
                heard, answered = now, True
                self._take(health, since)
            elif now - heard > self._patience_seconds(answered=answered):
                told = "did not answer for" if answered else "did not answer within"
                self._reason = f"{told} {now - heard:.0f} s"
                self._signal_kill()
                return
            await asyncio.sleep(_READY_TICK_SECONDS if health is Health.READY else _STARTING_TICK_SECONDS)

    def _patience_seconds(self, *, answered: bool) -> float:
        return self.part.patience.live_seconds if answered else self.part.patience.start_seconds

    def _take(self, health: Health, since: list[float]) -> None:
        if health is Health.READY:
            if not since:
                since.append(time.monotonic())
            self._record(Phase.READY)
            self.ready.set()
        elif self.state.phase is not Phase.UNREADY:
            self._say(f"{self.part.name} answers, but is not ready")
            self._record(Phase.UNREADY)

    async def _end(self, process: Process, ended: "asyncio.Task[int]") -> None:
        """Drains the part and tells it to end; kills it when that takes too long."""
        self._record(Phase.STOPPING)
        self._reason = "told to stop"
        try:
            async with asyncio.timeout(self.part.grace_seconds):
                await self._drain(ended)
                with suppress(ProcessLookupError):
                    process.terminate()
                await asyncio.shield(ended)
        except TimeoutError:
            self.unclean, self._reason = True, f"did not end within {self.part.grace_seconds:.0f} s"
            self._signal_kill()

    async def _drain(self, ended: "asyncio.Task[int]") -> None:
        """Runs what the part wants done first, unless its process ends meanwhile."""
        if self.part.drain is None:
            return
        draining = asyncio.ensure_future(self.part.drain())
        try:
            await asyncio.wait({draining, ended}, return_when=asyncio.FIRST_COMPLETED)
            if draining.done():
                with suppress(OSError):
                    draining.result()
        finally:
            draining.cancel()

    def _signal_kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()

    def _record(self, phase: Phase, **changes: object) -> None:
        """Takes note of a change, and of when its phase began."""
        since = self.state.since if phase is self.state.phase else time.time()
        state = replace(self.state, phase=phase, since=since, **changes)  # type: ignore[arg-type] # named as they are
        if state != self.state:
            self.state = state
            self._changed()
