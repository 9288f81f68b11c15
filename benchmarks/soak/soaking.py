"""Lets a gateway soak: two loads at a steady pace, callers that look at answers, guests, and new catalogs."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time

import grpc
import numpy as np
from numpy.typing import NDArray

from benchmarks.gbm import draw_rows
from benchmarks.measuring import h2load
from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Pace, look, measure, stage_seconds
from benchmarks.measuring.questions import compose_request
from benchmarks.soak.ground import RAW, VISITOR, Ground
from benchmarks.soak.guests import Guests
from benchmarks.soak.windows import Window, held_by

SHAPE = Shape(4, 32)
SHARE = 0.5
"""Of the calls that the machine can answer, those that are made."""

WINDOW_SECONDS, LEAST_WINDOWS = 10.0, 12
CHANGE_SECONDS, LEAST_CHANGES = 180.0, 4
LOOK_SECONDS = 0.05
CALIBRATION_SECONDS = 3.0


@dataclass(slots=True)
class Soak:
    """A soak under way.

    Attributes:
        ground: What is soaked.
        sizes: Of answers, by load.
        scratch: Folder for files of the loads.
        guests: Those who do what a load does not.
        windows: What was seen so far.
        rates: Calls a second of each load.
        changes: Of the catalog.
    """

    ground: Ground
    sizes: Mapping[str, int]
    scratch: Path
    guests: Guests
    windows: list[Window] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)
    changes: int = 0

    async def calibrate(self, seconds: float) -> None:
        """Finds out how many calls of both loads are answered at once when nobody holds back, and takes a share."""
        pace = Pace(1, seconds, seconds / 3)
        folders = {name: self.scratch / f"calibration-{name}" for name in self.ground.loads}
        for folder in folders.values():
            folder.mkdir()
        found = await asyncio.gather(
            *(measure(load, self.sizes[name], SHAPE, pace, folders[name]) for name, load in self.ground.loads.items())
        )
        self.rates = {name: each.calls_per_second * SHARE for name, each in zip(self.ground.loads, found, strict=True)}

    async def last(self, seconds: float) -> None:
        """Goes on for a while."""
        window_seconds, start = min(WINDOW_SECONDS, seconds / LEAST_WINDOWS), monotonic()
        change_seconds = min(CHANGE_SECONDS, seconds / LEAST_CHANGES)
        while (passed := monotonic() - start) < seconds:
            due = passed >= (self.changes + 1) * change_seconds
            self.windows.append(await self._watch(window_seconds, start, [self._change()] if due else []))

    async def _change(self) -> None:
        """Changes the catalog, and waits until the gateway goes by it."""
        self.changes += 1
        live = self.ground.change_catalog()
        asked = compose_request(VISITOR, draw_rows()[0][:1])
        await self.guests.see(asked, grpc.StatusCode.OK if live else grpc.StatusCode.NOT_FOUND)

    async def _watch(self, seconds: float, start: float, more: Iterable[Awaitable[None]]) -> Window:
        """Goes through one window; more is done in it."""
        contestant = self.ground.loads[RAW]
        before, began = stage_seconds(contestant), time()
        started = {name: await self._start(name, load, seconds) for name, load in self.ground.loads.items()}
        loads = [self._finish(name, load, began) for name, load in started.items()]
        looks = [look(each, seconds, LOOK_SECONDS) for each in (*self.ground.loads.values(), *self.ground.looked_at)]
        beside = asyncio.gather(self.guests.stay(seconds), *more)
        reports, looked, _ = await asyncio.gather(asyncio.gather(*loads), asyncio.gather(*looks), beside)
        after = stage_seconds(contestant)
        taken = {name: each for name, (each, _) in zip(started, reports, strict=True)}
        return Window(
            ended=monotonic() - start,
            calls=(self.windows[-1].calls if self.windows else 0) + sum(map(len, taken.values())),
            seconds=taken,
            unanswered=sum(unanswered for _, unanswered in reports),
            looked_at=sum(calls for calls, _ in looked),
            wrong=sum(wrong for _, wrong in looked),
            cpu_seconds={stage: after[stage] - before[stage] for stage in after},
            held=held_by(self.ground.stages),
        )

    async def _start(self, name: str, load: Contestant, seconds: float) -> Process:
        """Starts a load, before channels of this process are open: to start one beside them makes gRPC complain."""
        body, log = self.scratch / f"{name}.body", self.scratch / f"{name}.log"
        body.write_bytes(load.questions[0].body)
        log.unlink(missing_ok=True)
        rate = self.rates[name]
        return await h2load.start(
            h2load.compose_command(load.url, load.headers, body, SHAPE, seconds, log=log, per_second=rate)
        )

    async def _finish(self, name: str, load: Process, began: float) -> tuple[NDArray[np.float64], int]:
        """Waits for a load's end; returns how long its calls took, and how many were not answered."""
        report = await h2load.finish(load)
        taken = h2load.parse_log(self.scratch / f"{name}.log").within(began, time())
        return taken, report.done - min(report.answered(self.sizes[name]), report.done)
