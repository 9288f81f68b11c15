"""The exporter as a process of its own: what it computes takes nothing from the worker that answers calls.

It follows the files that the worker writes, and ends when the worker does, however that ends: then it has all that was
written, and sends it.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import structlog

END_SECONDS = 3.0
MORE_SECONDS = 2.0  # for the interpreter to end

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """What the process is told.

    Attributes:
        sheet: File of the worker's series.
        traces: File of its traces.
        position: From where on they are exported, in bytes.
        dropped: Cell of the sheet in which traces that are not exported are counted.
        address: Where the worker listens.
        version: Of the gateway.
        level: Lowest level that is logged.
    """

    sheet: str
    traces: str
    position: int
    dropped: int
    address: str
    version: str
    level: str


class ExportProcess:
    """Starts the process, and another in its place if it ends.

    Args:
        order: What it is told.

    Attributes:
        child: The process.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self.child = start(order)

    def tend(self) -> None:
        """Starts another process where this one has ended, which goes on with what is written from then on."""
        if self.child.poll() is None:
            return
        log.error("the exporter has ended, and is started again", status=self.child.returncode)
        self._release()
        path = Path(self._order.traces)
        position = path.stat().st_size if path.exists() else 0
        self.child = start(replace(self._order, position=position))

    def close(self) -> None:
        """Lets it send what is left, within a few seconds."""
        self._release()
        try:
            self.child.wait(END_SECONDS + MORE_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def _release(self) -> None:
        """Says that the worker ends."""
        if self.child.stdin is not None:
            self.child.stdin.close()


def start(order: Order) -> subprocess.Popen[bytes]:
    """Starts the process; it notices the end of this one by the end of its input."""
    command = [sys.executable, "-m", "gateway.telemetry.export", json.dumps(asdict(order))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - our own command
