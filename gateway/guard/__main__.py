"""`python -m gateway.guard`: watches experiments for all workers of a machine, until the one that began it ends."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import structlog

from gateway.guard.orders import Order, read_charges, read_order
from gateway.guard.watchman import MOMENT_SECONDS, Tell, Watchman
from gateway.logs import configure_logs
from gateway.telemetry.levels import Levels

NICENESS = 5  # calls go first
MOST_LINE_BYTES = 64 * 1024 * 1024

log = structlog.get_logger(__name__)


def main() -> None:
    """Watches."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends after its worker
    os.nice(NICENESS)
    asyncio.run(guard())


async def guard() -> None:
    """Watches what it is told to, until its input ends."""
    lines = lines_of_input()
    order = read_order(await anext(lines))
    configure_logs(order.level)
    passed, voided, copying = copies_of(order)
    watchman = Watchman(Path(order.telemetry), Path(order.verdicts), passed, voided)
    watching = asyncio.create_task(watch(watchman, Levels(Path(order.telemetry))))
    try:
        async for line in lines:
            watchman.take(read_charges(line))
    finally:
        for task in (watching, *copying):
            task.cancel()
        await asyncio.gather(watching, *copying, return_exceptions=True)
        watchman.close()


def copies_of(order: Order) -> tuple[Tell, Tell, list[asyncio.Task[None]]]:
    """Returns what is told of verdicts, and the task that tells Redis, if there is one."""
    if order.redis is None:
        return (lambda _: None), (lambda _: None), []
    from gateway.guard.copies import Copies  # noqa: PLC0415 - its import takes 0.3 s

    copies = Copies(order.redis, order.key)
    return copies.put, copies.remove, [asyncio.create_task(copies.run())]


async def watch(watchman: Watchman, levels: Levels) -> None:
    """Looks, for ever."""
    while True:
        await asyncio.sleep(MOMENT_SECONDS)
        try:
            levels.look()
            watchman.look(monotonic())
        except Exception:
            log.exception("experiments are not judged")


async def lines_of_input() -> AsyncIterator[bytes]:
    """Yields what comes, until nobody has the other end."""
    reader = asyncio.StreamReader(MOST_LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line


if __name__ == "__main__":
    main()
