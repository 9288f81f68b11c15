"""What the page is made of: everything comes from files, so that it costs calls nothing and outlives processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from time import time

from gateway.operations.generations import Generations
from gateway.operations.history import History, Window
from gateway.operations.kept import Kept
from gateway.operations.states import LiveCatalog, State, read_states
from gateway.operations.trace_index import TraceIndex
from gateway.telemetry.families import Family
from gateway.telemetry.reading import Snapshot
from gateway.usage.layout import Counts
from gateway.usage.layout import Key as UsageKey
from gateway.usage.totals import Totals

MINUTE = 60.0
COURSE_SECONDS = 900.0


class Sources:
    """Where everything is read.

    Args:
        telemetry: Telemetry folder.
        usage: Folder of usage files.
        history: Remembers snapshots.

    Attributes:
        telemetry: As above.
        history: As above.
        traces: Kept traces.
        generations: Generations of the catalog.
    """

    def __init__(self, telemetry: Path, usage: Path, history: History) -> None:
        self.telemetry = telemetry
        self.history = history
        self.traces = TraceIndex(telemetry)
        self.generations = Generations(telemetry)
        self._totals = Totals(usage)
        self._lock = Lock()

    def usage(self) -> Mapping[UsageKey, Counts]:
        """Returns what was used, by tenant and model; nothing if it cannot be read."""
        with self._lock:
            try:
                return self._totals.take()
            except OSError:
                return {}

    def learn(self) -> None:
        """Remembers what would be forgotten with the processes that tell of it."""
        self.generations.learn(read_states(self.telemetry))


@dataclass(frozen=True)
class Look:
    """One look at everything.

    Attributes:
        sources: Where it is read.
        query: What is asked for.
        minutes: Length of the window.
        now: Seconds since 1970.
    """

    sources: Sources
    query: Mapping[str, str]
    minutes: int
    now: float = field(default_factory=time)

    @cached_property
    def snapshot(self) -> Snapshot | None:
        """The latest counts."""
        return self.sources.history.latest

    @cached_property
    def window(self) -> Window | None:
        """What was counted in the window."""
        return self.sources.history.window(self.minutes * MINUTE)

    @cached_property
    def steps(self) -> list[Window]:
        """What was counted in the last 15 minutes, step by step."""
        return self.sources.history.steps(COURSE_SECONDS)

    @cached_property
    def states(self) -> list[State]:
        """What living processes tell."""
        return read_states(self.sources.telemetry)

    @cached_property
    def records(self) -> list[Kept]:
        """Kept traces, newest first."""
        return self.sources.traces.latest()

    @cached_property
    def catalog(self) -> LiveCatalog | None:
        """The latest catalog that a process has."""
        found = [state.catalog for state in self.states if state.catalog]
        return max(found, key=lambda catalog: catalog.generation, default=None)

    def gauge(self, family: Family) -> float:
        """Returns the sum of a gauge over all series and processes."""
        return sum(self.snapshot.gauges.get(family.name, {}).values()) if self.snapshot else 0.0
