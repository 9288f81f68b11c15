"""The sentry of a worker: sees to it that one guard watches experiments for all workers of a machine.

Workers take turns by a lock on the telemetry folder. Who has it runs the guard while there is something to watch; when
it ends, however it ends, its guard does too, and another worker has the turn within a second.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import structlog

from gateway.experiments import Halted
from gateway.guard.orders import Charges, Order, charges_of
from gateway.guard.process import GuardProcess
from gateway.guard.verdicts import Verdicts
from gateway.logs import level_of
from gateway.types import Model
from gateway.usage.turn import Turn
from gateway.watching import is_set_within

LOOK_SECONDS = 1.0
KEY_SUFFIX = ":verdicts"

log = structlog.get_logger(__name__)


class Sentry:
    """Runs beside the calls of a worker.

    Args:
        telemetry: Folder of the sheets.
        folder: Folder of the verdicts.
        verdicts: Follow them.
        redis: URL of the Redis that is to have verdicts too, or None.
        catalog_key: Key of the catalog there.
    """

    def __init__(self, telemetry: Path, folder: Path, verdicts: Verdicts, redis: str | None, catalog_key: str) -> None:
        self._telemetry, self._folder = str(telemetry), str(folder)
        self._redis, self._key = redis, catalog_key + KEY_SUFFIX
        self._verdicts = verdicts
        self._turn = Turn(telemetry)
        self._models: Mapping[str, Model] = {}
        self._charges = Charges()
        self._told: Charges | None = None
        self._news = asyncio.Event()
        self._lock = Lock()
        self._problem = ""
        self.process: GuardProcess | None = None

    def tell(self, models: Mapping[str, Model]) -> None:
        """Has the experiments of these models watched from now on."""
        self._models = models
        self._charges = charges_of(models)
        self._news.set()

    async def run(self) -> None:
        """Sees to it, until it is cancelled."""
        try:
            while True:
                if self._is_needed() or self.process is not None:
                    await asyncio.to_thread(self._tend)
                await is_set_within(self._news, LOOK_SECONDS)
                self._news.clear()
        finally:
            await asyncio.to_thread(self._end)

    def describe(self) -> list[dict[str, Any]]:
        """Says of each arm that may lose its share whether it has, ready for JSON."""
        return [
            {
                "model": model.name,
                "experiment": experiment.name,
                "arm": arm.name,
                "version": arm.version.number,
                "halted": arm.name in experiment.halts
                or Halted(model.name, experiment.name, arm.name, arm.version.number, experiment.revision)
                in self._verdicts.live,
            }
            for model in self._models.values()
            for experiment in model.experiments
            for arm in model.arms[1:]
            if arm.name in experiment.halts or (experiment.guardrails and arm.name in experiment.shares())
        ]

    def _is_needed(self) -> bool:
        """Says whether there is something to watch, or to tidy."""
        return self._charges.watched or bool(self._verdicts.live)

    def _tend(self) -> None:
        """Starts, tells or ends the guard, if it is this worker's turn."""
        with self._lock:
            if not self._is_needed():
                self._stop()
                return
            try:
                self._start()
            except OSError as error:
                problem = error.strerror or repr(error)
                if problem != self._problem:
                    log.error("experiments are not watched", folder=self._telemetry, reason=problem)
                self._problem = problem

    def _start(self) -> None:
        """Starts the guard if need be, and tells it of what is new.

        Raises:
            OSError: The folder cannot be locked, or no process be started.
        """
        if not self._turn.take():
            return
        if self.process is not None and self.process.status is not None:
            log.error("the guard has ended, and is started again", status=self.process.status)
            self._close()
        if self.process is None:
            order = Order(self._telemetry, self._folder, self._redis, self._key, level_of())
            self.process, self._told = GuardProcess(order), None
        charges = self._charges
        if charges != self._told:
            self.process.tell(charges)
            self._told = charges
        self._problem = ""

    def _end(self) -> None:
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        """Ends the guard; others may have the turn."""
        self._close()
        self._turn.give_back()

    def _close(self) -> None:
        if self.process is not None:
            self.process.close()
            self.process = None
