"""Snapshots of the last twenty minutes: close together for the last one, further apart before."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from threading import Event, Lock, Thread

import numpy as np
import structlog

from gateway.telemetry.reading import Numbers, Snapshot

LOOK_SECONDS = 2.0
NEAR_SECONDS = 75.0
STEP_SECONDS = 15.0
KEPT_SECONDS = 1200.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Window:
    """What was counted between two snapshots."""

    before: Snapshot
    after: Snapshot

    @property
    def seconds(self) -> float:
        """Its length."""
        return max(self.after.taken - self.before.taken, 0.0)

    @cached_property
    def values(self) -> Numbers:
        """By how much each number of the later snapshot grew; by nothing if its sheet was begun anew."""
        earlier = np.zeros(len(self.after.values))
        known = self.before.values[: len(earlier)]
        earlier[: len(known)] = known
        return np.maximum(self.after.values - earlier, 0.0)


class History:
    """Remembers snapshots; any thread may ask."""

    def __init__(self) -> None:
        self._near: deque[Snapshot] = deque()
        self._far: deque[Snapshot] = deque()
        self._lock = Lock()

    def add(self, snapshot: Snapshot) -> None:
        """Adds the latest one."""
        with self._lock:
            if not self._far or snapshot.taken - self._far[-1].taken >= STEP_SECONDS:
                self._far.append(snapshot)
            self._near.append(snapshot)
            for snapshots, seconds in ((self._near, NEAR_SECONDS), (self._far, KEPT_SECONDS)):
                while snapshots[0].taken < snapshot.taken - seconds:
                    snapshots.popleft()

    @property
    def latest(self) -> Snapshot | None:
        """The latest one; None before there is any."""
        with self._lock:
            return self._near[-1] if self._near else None

    def window(self, seconds: float, ago: float = 0.0) -> Window | None:
        """Returns what was counted in so many seconds, up to some time ago; less where there is no more."""
        with self._lock:
            snapshots = sorted({each.taken: each for each in (*self._far, *self._near)}.values(), key=taken)
        if not snapshots:
            return None
        end = snapshots[-1].taken - ago
        after = next((each for each in reversed(snapshots) if each.taken <= end), snapshots[0])
        before = next((each for each in reversed(snapshots) if each.taken <= end - seconds), snapshots[0])
        return Window(before, after)

    def steps(self, seconds: float) -> list[Window]:
        """Returns what was counted in each quarter of a minute of the last so many seconds, oldest first."""
        with self._lock:
            snapshots = [*self._far, *([self._near[-1]] if self._near else [])]
        since = snapshots[-1].taken - seconds if snapshots else 0.0
        found = [Window(*pair) for pair in pairwise(snapshots) if pair[1].taken > since]
        return [each for each in found if each.seconds >= STEP_SECONDS / 3]


class Recorder:
    """Adds a snapshot every two seconds.

    Args:
        history: Remembers them.
        take: Takes one.
        beside: Is called after each.
    """

    def __init__(self, history: History, take: Callable[[], Snapshot], beside: Callable[[], None]) -> None:
        self._history = history
        self._take = take
        self._beside = beside
        self._ending = Event()
        self._thread = Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        """Takes one at once, and others from now on."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """Takes no more."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        try:
            self._history.add(self._take())
            self._beside()
        except Exception:
            log.exception("what is counted could not be looked at")


def taken(snapshot: Snapshot) -> float:
    """Returns when a snapshot was taken."""
    return snapshot.taken
