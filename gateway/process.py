"""Runs what serves as a process: until a signal, and with a calm collector."""

import asyncio
import gc
import signal
import sys
from typing import Protocol

import structlog

COLLECT_AFTER = 50_000  # objects more than at the last look
SWITCH_SECONDS = 0.001  # for how long a thread that reads a catalog or tenants lets calls wait; 5 ms by default
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = structlog.get_logger(__name__)


class Server(Protocol):
    """What takes calls."""

    async def start(self) -> str:
        """Starts to take them; returns its address.

        Raises:
            ConfigurationError: It cannot.
        """

    async def stop(self) -> None:
        """Sends new calls elsewhere and lets those under way finish."""


async def run(server: Server, drain_seconds: float) -> None:
    """Runs a server until SIGTERM, SIGINT or SIGHUP; a second signal ends it at once.

    Args:
        server: The server.
        drain_seconds: What the log says of how long it may take to stop.

    Raises:
        ConfigurationError: It cannot start.
    """
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, take_signal, stopping, loop)
    sys.setswitchinterval(SWITCH_SECONDS)
    await server.start()
    calm_collector()
    await stopping.wait()
    log.info("draining", seconds=drain_seconds)
    await server.stop()
    log.info("stopped")


def calm_collector() -> None:
    """Lets Python look for unreachable cycles when there can be some, rather than all the time.

    Calls make none. With 256 of them under way the usual threshold, of 700 objects, made it look at all of their
    objects so often that it took a third of the time of the gateway.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


def take_signal(stopping: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    """Starts the drain, and gives the signals their usual effect from then on."""
    stopping.set()
    for number in STOP_SIGNALS:
        loop.remove_signal_handler(number)
