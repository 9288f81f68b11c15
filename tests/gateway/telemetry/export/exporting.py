"""Exporters for tests, opened as a process opens them: by environment variables."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import get_ident

import pytest

from gateway.telemetry.exemplars import Exemplar
from gateway.telemetry.export.exporter import Exporter, open_exporter
from gateway.telemetry.families import BATCH_ROWS, CALLS, ERRORS, TRIES, UNDER_WAY
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.layout import Identity
from gateway.telemetry.sheet import Sheet

IDENTITY = Identity("6f0c", "gateway", 0, 1_764_437_000_000_000_000)
LABELS = ("acme", "erpml.fraud.v1.FraudService", "ScorePayment", "fraud", "3", "champion")
EXEMPLAR = Exemplar(CALLS.name, (*LABELS, "OK"), 0.012, "a" * 32, "b" * 16, 1_764_437_001.5)


@dataclass
class Drops:
    """Counts what is dropped.

    Attributes:
        count: Records.
        threads: That told of them.
    """

    count: int = 0
    threads: set[int] = field(default_factory=set)

    def add(self, count: int) -> None:
        """Counts more."""
        self.count += count
        self.threads.add(get_ident())


@contextmanager
def exporting(
    monkeypatch: pytest.MonkeyPatch,
    variables: Mapping[str, str],
    sheet: Sheet | None = None,
    *,
    close_seconds: float = 10.0,
) -> Iterator[tuple[Exporter, Drops]]:
    """Opens an exporter; yields it and what it drops."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    drops = Drops()
    exporter = open_exporter(
        IDENTITY, "0.1.0", sheet.series if sheet else list, lambda: [EXEMPLAR], drops.add, address="127.0.0.1:9003"
    )
    assert exporter is not None
    try:
        yield exporter, drops
    finally:
        exporter.close(close_seconds)


def fill(sheet: Sheet, versions: int) -> None:
    """Counts things of every kind, for so many versions of a model."""
    instruments = Instruments(sheet)
    for number in range(versions):
        labels = (*LABELS[:4], str(number), LABELS[5])
        for times in range(number % 7 + 1):
            instruments.histogram(CALLS, *labels, "INTERNAL" if times == 3 else "OK").observe(0.0004 * (times + 1) ** 3)
            instruments.counter(TRIES, "127.0.0.1:8001", "fraud", str(number), "answered").add()
        instruments.gauge(UNDER_WAY, "fraud", str(number)).set(number / 4)
        instruments.histogram(BATCH_ROWS, "fraud", str(number)).observe(number)
    instruments.histogram(CALLS, *LABELS, "OK").observe(0.012)
    instruments.counter(ERRORS, "acme", LABELS[1], "fraud", "INTERNAL", "MODEL_FAILED").add(7)
