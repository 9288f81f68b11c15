"""A worker's sheet and state as they are under traffic of every kind: each family has series, and all of them grow."""

import json
from pathlib import Path
from threading import Event, Thread
from time import time, time_ns

from gateway.telemetry.families import (
    CALLS,
    ERRORS,
    FAMILIES,
    FEATURE_ROWS,
    FEATURE_STATUS,
    GENERATION,
    HALTED,
    HEARTBEAT,
    NODE_READY,
    SHADOW_CALLS,
    SHADOW_DECISIONS,
    TRIALS,
    TRIES,
    Family,
    Kind,
)
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.sheet import open_sheet

ARM = ("acme", "erpml.x.v1.FooService", "Bar", "team1_x", "1", "champion")
TRACE, SPAN = "0123456789abcdef0123456789abcdef", "0123456789abcdef"
SECONDS, TURN_SECONDS = 0.15, 0.25

LABELS: dict[Family, list[tuple[str, ...]]] = {
    CALLS: [(*ARM, "OK"), (*ARM, "INTERNAL"), (*ARM, "RESOURCE_EXHAUSTED")],
    ERRORS: [
        (ARM[0], ARM[1], ARM[3], code, reason)
        for code, reason in (
            ("INTERNAL", "MODEL_FAILED"),
            ("UNAVAILABLE", "FEATURES_UNAVAILABLE"),
            ("RESOURCE_EXHAUSTED", "QUEUE_FULL"),
            ("RESOURCE_EXHAUSTED", "RATE_LIMITED"),
        )
    ],
    TRIES: [("127.0.0.1:8001", "team1_x", "1", outcome) for outcome in ("answered", "fault")],
    FEATURE_STATUS: [("FRESH",), ("STALE",)],
    FEATURE_ROWS: [("rows",), ("unread",), ("corrupt",)],
    TRIALS: [("team1_x", "newer", "champion", "1", outcome) for outcome in ("answered", "failed", "refused")],
    SHADOW_CALLS: [("team1_x", "shadow", "2", outcome) for outcome in ("compared", "shed", "failed")],
    SHADOW_DECISIONS: [("team1_x", "shadow", "2", decision) for decision in ("same", "other")],
}
GAUGES = {GENERATION: 7.0, NODE_READY: 1.0, HALTED: 0.0}
NAMES = {"tenant": "acme", "service": ARM[1], "method": ARM[2], "model": "team1_x", "version": "1", "arm": "champion"}
NAMES |= {"node": "127.0.0.1:8001", "why": "error", "where": "budget", "experiment": "newer"}


class Traffic:
    """Counts in a thread.

    Args:
        folder: Telemetry folder.
    """

    def __init__(self, folder: Path) -> None:
        self._sheet = open_sheet(folder, "gateway")
        self._instruments = Instruments(self._sheet)
        self._state = folder / "gateway-0.state.json"
        self._ending = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self.turns = 0

    def start(self) -> None:
        """Counts from now on."""
        self.turn()
        self._thread.start()

    def stop(self) -> None:
        """Counts no more, and goes on to live."""
        self._ending.set()
        self._thread.join()

    def close(self) -> None:
        """Gives the sheet back."""
        self.stop()
        self._sheet.close()

    def turn(self) -> None:
        """Counts one of everything, and tells of the worker."""
        self.turns += 1
        for family in FAMILIES:
            for labels in LABELS.get(family) or [tuple(map(NAMES.__getitem__, family.labels))]:
                self._count(family, labels)
        self._instruments.gauge(HEARTBEAT).set(time())
        exemplar = [CALLS.name, (*ARM, "OK"), SECONDS, TRACE, SPAN, time()]
        self._state.write_text(json.dumps({"worker": "gateway-0", "written_ns": time_ns(), "exemplars": [exemplar]}))

    def _count(self, family: Family, labels: tuple[str, ...]) -> None:
        if family.kind is Kind.COUNTER:
            self._instruments.counter(family, *labels).add()
        elif family.kind is Kind.HISTOGRAM:
            self._instruments.histogram(family, *labels).observe(SECONDS)
        else:
            self._instruments.gauge(family, *labels).set(GAUGES.get(family, 1.0))

    def _run(self) -> None:
        while not self._ending.wait(TURN_SECONDS):
            self.turn()
