"""Builds the gateway from its settings, in the order of the request path, and runs it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from gateway.backends.onnx import OnnxBackend
from gateway.backends.triton.backend import TritonBackend
from gateway.backends.triton.discovery import Discovery
from gateway.batching.lanes import Lanes
from gateway.batching.waiting import LaneLimits
from gateway.edge.endpoints import Table
from gateway.edge.grpcio import GrpcioListener
from gateway.edge.health import Health
from gateway.edge.kserve.service import SERVICE
from gateway.edge.reflection import Reflection
from gateway.errors import ConfigurationError
from gateway.generations import Generations, tell
from gateway.interfaces import Backend, Listener
from gateway.settings import Settings
from gateway.tenancy.directory import open_directory
from gateway.tenancy.policies import read_tenants
from gateway.types import Placement
from gateway.watching import Fingerprint, changes, fingerprint

MIB = 1024 * 1024
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = structlog.get_logger(__name__)

Choice = TypeVar("Choice")

# Each backend by name, and how many batches of a lane it takes at once unless a setting says otherwise.
BACKENDS: Mapping[str, tuple[Callable[[Settings], Backend], int]] = {
    "onnx": (lambda settings: OnnxBackend(settings.repository, settings.threads), 1),
    "triton": (
        lambda settings: TritonBackend(
            {Placement.CPU: Discovery(settings.nodes), Placement.GPU: Discovery(settings.gpu_nodes)}
        ),
        4,
    ),
}
LISTENERS: Mapping[str, Callable[..., Listener]] = {"grpcio": GrpcioListener}


class Gateway:
    """A running gateway.

    Args:
        settings: What the operator chose.

    Raises:
        ConfigurationError: A setting names something that does not exist.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        make_backend, slots = chosen(BACKENDS, "backend", settings.backend)
        limits = LaneLimits(settings.slots or slots, settings.queue_rows, settings.queue_mib * MIB)
        self.lanes = Lanes(make_backend(settings), limits)
        self._generations = Generations(settings.catalog, settings.contracts, self.lanes)
        self._tenants = open_directory(())
        self._table: Table = {}
        self._health = Health()
        self._reflection = Reflection()
        self._listener = chosen(LISTENERS, "listener", settings.listener)(
            settings.listen, lambda: self._table, self._add_services, settings.max_message_mib * MIB
        )
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Takes the catalog live and listens; returns the bound address.

        Raises:
            ConfigurationError: The tenants file, an existing catalog or the address cannot be used.
        """
        settings = self._settings
        seen = fingerprint(settings.tenants), fingerprint(settings.catalog)
        if seen[0] is None:
            log.warning("no tenants yet; `gapura tenants add` writes them", tenants=str(settings.tenants))
        else:
            self._tenants = open_directory(read_tenants(settings.tenants).tenants)
        if seen[1] is None:
            log.warning("no catalog yet; `gapura publish` writes it", catalog=str(settings.catalog))
            await self._swap()
        else:
            await self._advance()
        address = await self._listener.start()
        self._keep(self._watch_tenants(seen[0]))
        self._keep(self._watch_catalog(seen[1]))
        self._keep(self._watch_models())
        log.info("listening", address=address)
        return address

    async def stop(self) -> None:
        """Sends new calls elsewhere and lets those under way finish."""
        await self._health.drain()
        await self._listener.stop(self._settings.drain_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.lanes.close()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something beside the calls."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _add_services(self, server: grpc.aio.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, server)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(self._reflection, server)

    async def _watch_tenants(self, seen: Fingerprint) -> None:
        async for _ in changes(self._settings.tenants, seen, self._settings.watch_seconds):
            try:
                read = read_tenants(self._settings.tenants)
                self._tenants = open_directory(read.tenants)
            except ConfigurationError as error:
                log.error("tenants stay as they were", reason=error.message)
                continue
            except Exception:
                log.exception("tenants stay as they were")
                continue
            self._table = self._generations.table(self._tenants)
            log.info("tenants read again", tenants=len(read.tenants))

    async def _watch_catalog(self, seen: Fingerprint) -> None:
        looks = changes(self._settings.catalog, seen, self._settings.watch_seconds, self._generations.unsettled)
        async for _ in looks:
            try:
                await self._advance()
            except ConfigurationError as error:
                log.error("catalog stays as it was", reason=error.message)
            except Exception:
                log.exception("catalog stays as it was")

    async def _watch_models(self) -> None:
        while True:
            await asyncio.sleep(self._settings.watch_seconds)
            try:
                await self._report_health()
            except Exception:
                log.exception("health stays as it was")

    async def _advance(self) -> None:
        previous = self._generations.live
        if await self._generations.advance():
            tell(self._generations.live)
            await self._swap()
            self._keep(self._generations.release(previous))

    async def _swap(self) -> None:
        live = self._generations.live
        self._table = self._generations.table(self._tenants)
        self._reflection.report(live.contracts.pool, live.services())
        await self._report_health()

    async def _report_health(self) -> None:
        live = self._generations.live
        names = {"": bool(live.snapshot.generation), SERVICE: bool(live.snapshot.generation)}
        models = {
            name: any(self.lanes.ready(arm.version) for arm in model.arms)
            for name, model in live.snapshot.models.items()
        }
        await self._health.report(names | live.services() | models)


async def serve(settings: Settings) -> None:
    """Runs a gateway until SIGTERM, SIGINT or SIGHUP; a second signal ends it at once.

    Raises:
        ConfigurationError: It cannot start.
    """
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, take_signal, stopping, loop)
    gateway = Gateway(settings)
    await gateway.start()
    await stopping.wait()
    log.info("draining", seconds=settings.drain_seconds)
    await gateway.stop()
    log.info("stopped")


def take_signal(stopping: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    """Starts the drain, and gives the signals their usual effect from then on."""
    stopping.set()
    for number in STOP_SIGNALS:
        loop.remove_signal_handler(number)


def chosen(choices: Mapping[str, Choice], setting: str, name: str) -> Choice:
    """Returns what a setting names.

    Raises:
        ConfigurationError: There is nothing of that name.
    """
    if name not in choices:
        raise ConfigurationError(f"GAPURA_{setting.upper()}: there is no '{name}'; choose {', '.join(choices)}")
    return choices[name]
