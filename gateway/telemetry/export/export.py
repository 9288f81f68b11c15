"""The export of one worker: by a process beside it, or by a thread where there are no files that one could follow."""

from collections.abc import Callable
from pathlib import Path

from gateway.logs import level_of
from gateway.telemetry.exemplars import Exemplars
from gateway.telemetry.export.exporter import Exporter, open_exporter
from gateway.telemetry.export.process import END_SECONDS, ExportProcess, Order
from gateway.telemetry.export.variables import read_variables
from gateway.telemetry.families import DROPPED
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.records import Record
from gateway.telemetry.sheet import SUFFIX, Sheet
from gateway.telemetry.spool import SUFFIX as TRACES

DROPPED_LABEL = "export"


class Export:
    """Exports what a variable of OpenTelemetry asks for, if one does.

    Args:
        folder: Where the worker writes; None if it cannot.
        sheet: Its series.
        instruments: Make the counter of traces that are not exported.
        exemplars: The latest exemplars.
        version: Of the gateway.
        address: Where the worker listens.

    Attributes:
        offer: Takes each record, if a thread exports.
        process: Exports, if one does and has begun.

    Raises:
        ConfigurationError: A variable is not valid.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what an exporter needs to know
        self,
        folder: Path | None,
        sheet: Sheet,
        instruments: Instruments,
        exemplars: Exemplars,
        version: str,
        address: str,
    ) -> None:
        self.offer: Callable[[Record], None] | None = None
        self._order: Order | None = None
        self.process: ExportProcess | None = None
        self._thread: Exporter | None = None
        dropped = instruments.counter(DROPPED, DROPPED_LABEL)
        if read_variables() is None:
            return
        if folder is None:
            identity = sheet.identity
            self._thread = open_exporter(identity, version, sheet.series, exemplars.all, dropped.add, address=address)
            self.offer = None if self._thread is None else self._thread.offer
            return
        worker = f"{sheet.identity.role}-{sheet.identity.number}"
        traces, cell = folder / f"{worker}{TRACES}", sheet.places[DROPPED, (DROPPED_LABEL,)]
        position = traces.stat().st_size if traces.exists() else 0
        self._order = Order(
            str(folder / f"{worker}{SUFFIX}"), str(traces), position, cell, address, version, level_of()
        )

    def start(self) -> None:
        """Exports from now on."""
        if self._order is not None:
            self.process = ExportProcess(self._order)

    def tend(self) -> None:
        """Sees to it that the process runs."""
        if self.process is not None:
            self.process.tend()

    def close(self) -> None:
        """Exports what is left; it blocks for a moment."""
        if self.process is not None:
            self.process.close()
        if self._thread is not None:
            self._thread.close(END_SECONDS)
