"""A mirror over a fake backend, and calls that a champion has answered."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from gateway.interfaces import NOTHING_LEFT_OUT, Answered, Backend
from gateway.shadows.mirror import Mirror
from gateway.telemetry.families import Family
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.sheet import Sheet, open_sheet
from gateway.types import PLAIN, Arm, ModelVersion, Shadow, Tensors, Terms
from tests.gateway.models import version

CHAMPION, OTHER = version(), version(number=2)
# On a busy machine there is room for shadows now and then alone.
WAIT_SECONDS = PATIENCE_SECONDS = 30.0


class Counted:
    """What a sheet has counted.

    Args:
        folder: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.sheet: Sheet = open_sheet(folder, "gateway")

    def numbers(self, family: Family, *labels: str) -> list[float]:
        """Returns the numbers of a series; none if there is no such series."""
        at = self.sheet.places.get((family, labels))
        return [] if at is None else list(self.sheet.cells[at : at + family.cells])

    def buckets(self, family: Family, *labels: str) -> dict[float, int]:
        """Returns the buckets of a histogram that are not empty, by their upper bound."""
        counts = self.numbers(family, *labels)[1:]
        return {bound: int(count) for bound, count in zip(family.bounds, counts, strict=False) if count}


def answered(
    *values: float, scores: Sequence[float] | None = None, terms: Terms = PLAIN, answer: bytes = b"answer"
) -> Answered:
    """Returns a call of two floats a row, and what was said to it; the scores are the last of the two."""
    said = values if scores is None else scores
    inputs, outputs = (
        Tensors(len(of), ((2,),), (b"".join(struct.pack("<2f", 0.0, value) for value in of),), terms)
        for of in (values, said)
    )
    return Answered(inputs, NOTHING_LEFT_OUT, outputs, answer)


def champion(*shadows: Shadow, served: ModelVersion = CHAMPION) -> Arm:
    """Returns a champion with shadows; by default one that is asked everything."""
    return Arm("champion", served, shadows=shadows or (Shadow("rival", OTHER),))


@asynccontextmanager
async def mirror_of(
    backend: Backend,
    counted: Counted,
    utilisation: Callable[[], float] = lambda: 0.0,
    patience_seconds: float = PATIENCE_SECONDS,
) -> AsyncIterator[Mirror]:
    """Runs a mirror."""
    mirror = Mirror(backend, utilisation, Instruments(counted.sheet), patience_seconds)
    try:
        yield mirror
    finally:
        await mirror.close()


def offer(mirror: Mirror, arm: Arm, *calls: Answered, method: Any = None, request: Any = None) -> None:
    """Offers calls, by default ones in tensors."""
    for call in calls:
        mirror.offer(method, request, arm, call, ())


async def until(holds: Callable[[], object]) -> None:
    """Waits until something holds.

    Raises:
        AssertionError: It never does.
    """
    end = monotonic() + WAIT_SECONDS
    while not holds():
        assert monotonic() < end, "it never came to hold"
        await asyncio.sleep(0.002)


async def until_done(mirror: Mirror, calls: int) -> None:
    """Waits until so many calls were compared, shed or failed since the mirror began."""
    outcomes = ("compared", "shed", "failed")
    await until(lambda: sum(told[name] for told in mirror.describe() for name in outcomes) == calls)
