"""`python -m gateway.telemetry.export ORDER`: exports for one worker, until that ends."""

import json
import mmap
import os
import signal
import sys
from pathlib import Path
from threading import Event, Thread

from gateway.logs import configure_logs
from gateway.telemetry.exemplars import Exemplars
from gateway.telemetry.export.exporter import Exporter, open_exporter
from gateway.telemetry.export.following import Follower
from gateway.telemetry.export.process import END_SECONDS, Order
from gateway.telemetry.instruments import Counter
from gateway.telemetry.layout import CELLS_START, FILE_BYTES, read_identity, read_series

LOOK_SECONDS = 0.25
NICENESS = 5  # calls go first


def main() -> None:
    """Exports what the worker writes."""
    order = Order(**json.loads(sys.argv[1]))
    configure_logs(order.level)
    os.nice(NICENESS)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends after its worker, which has something to say until then
    sheet, exemplars = Path(order.sheet), Exemplars()
    with sheet.open("r+b") as file:
        memory = memoryview(mmap.mmap(file.fileno(), FILE_BYTES))
    identity = read_identity(bytes(memory[:CELLS_START]))
    if identity is None:
        raise SystemExit(f"{sheet} is no sheet")
    dropped = Counter(memory[CELLS_START:].cast("d"), order.dropped).add
    exporter = open_exporter(
        identity,
        order.version,
        lambda: read_series(sheet.read_bytes()),
        exemplars.all,
        dropped,
        address=order.address,
        paced=False,
    )
    if exporter is not None:
        follow(Follower(Path(order.traces), order.position), exporter, exemplars)


def follow(follower: Follower, exporter: Exporter, exemplars: Exemplars) -> None:
    """Offers every record, until the worker has ended."""
    ended = Event()
    Thread(target=wait_for_end, args=(ended,), daemon=True).start()
    last = False
    while not last:
        last = ended.wait(LOOK_SECONDS)
        for record in follower.new():
            if record.get("kind") == "call":
                exemplars.take(record)
            exporter.offer(record)
    follower.close()
    exporter.close(END_SECONDS)


def wait_for_end(ended: Event) -> None:
    """Waits until nobody has the other end of the input."""
    sys.stdin.buffer.read()
    ended.set()


if __name__ == "__main__":
    main()
