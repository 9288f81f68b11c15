"""Builds the gateway from its settings, in the order of the request path, and runs it."""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from gateway.backends.onnx.backend import OnnxBackend
from gateway.backends.triton.backend import TritonBackend
from gateway.backends.triton.discovery import Discovery
from gateway.batching.admission import LaneLimits
from gateway.batching.lanes import Lanes
from gateway.catalog.sources import Catalogs
from gateway.drafts import health_name
from gateway.edge.calls import Traffic
from gateway.edge.endpoints import Table
from gateway.edge.grpcio import GrpcioListener
from gateway.edge.health import Health
from gateway.edge.kserve.service import SERVICE
from gateway.edge.native.listener import NativeListener
from gateway.edge.reflection import Reflection
from gateway.errors import ConfigurationError
from gateway.generations import Generations, tell
from gateway.interfaces import Backend, Listener
from gateway.settings import Settings
from gateway.tenancy.directory import open_directory
from gateway.tenancy.policies import read_tenants
from gateway.types import Placement
from gateway.watching import Fingerprint, changes, fingerprint

if TYPE_CHECKING:
    from gateway.catalog.redis import RedisCatalog

MIB = 1024 * 1024
COLLECT_AFTER = 50_000  # objects more than at the last look
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = structlog.get_logger(__name__)

Choice = TypeVar("Choice")

BACKENDS: Mapping[str, Callable[[Settings], Backend]] = {
    "onnx": lambda settings: OnnxBackend(settings.repository, settings.threads),
    "triton": lambda settings: TritonBackend(
        {Placement.CPU: Discovery(settings.nodes), Placement.GPU: Discovery(settings.gpu_nodes)}
    ),
}
Services = Callable[[grpc.aio.Server], None]
LISTENERS: Mapping[str, Callable[[Settings, Callable[[], Table], Services], Listener]] = {
    "grpcio": lambda settings, table, services: GrpcioListener(
        settings.listen,
        table,
        services,
        settings.max_message_mib * MIB,
        Traffic(settings.in_flight),
        settings.own_socket,
    ),
    "native": lambda settings, table, services: NativeListener(
        settings.listen,
        table,
        services,
        settings.max_message_mib * MIB,
        Traffic(settings.in_flight),
        trusted_network=settings.trusted_network,
    ),
}


class Gateway:
    """A running gateway.

    Args:
        settings: What the operator chose.

    Raises:
        ConfigurationError: A setting names something that does not exist.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        limits = LaneLimits(settings.slots, settings.queue_rows, settings.queue_mib * MIB, settings.queue_seconds)
        self.lanes = Lanes(chosen(BACKENDS, "backend", settings.backend)(settings), limits)
        self._store = open_store(settings)
        self._catalogs = Catalogs(settings.catalog, self._store)
        self._generations = Generations(self._catalogs, settings.contracts, self.lanes)
        self._tenants = open_directory(())
        self._table: Table = {}
        self._health = Health()
        self._reflection = Reflection()
        make_listener = chosen(LISTENERS, "listener", settings.listener)
        self._listener = make_listener(settings, lambda: self._table, self._add_services)
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
            self._tenants = open_directory(read_tenants(settings.tenants).tenants, behind_edge=settings.behind_edge)
        if self._store is not None:
            self._keep(self._store.follow())
            await self._store.looked.wait()
        if seen[1] is None and (self._store is None or self._store.edition is None):
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
                self._tenants = open_directory(read.tenants, behind_edge=self._settings.behind_edge)
            except ConfigurationError as error:
                log.error("tenants stay as they were", reason=error.message)
                continue
            except Exception:
                log.exception("tenants stay as they were")
                continue
            self._table = self._generations.table(self._tenants)
            log.info("tenants read again", tenants=len(read.tenants))

    async def _watch_catalog(self, seen: Fingerprint) -> None:
        news = self._store.news if self._store is not None else None
        pause_seconds, unsettled = self._settings.watch_seconds, self._generations.unsettled
        async for _ in changes(self._settings.catalog, seen, pause_seconds, unsettled, news):
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
        await self._catalogs.keep()

    async def _swap(self) -> None:
        live = self._generations.live
        self._table = self._generations.table(self._tenants)
        self._reflection.report(live.contracts.pool, live.services())
        await self._report_health()

    async def _report_health(self) -> None:
        live = self._generations.live
        names = {"": bool(live.snapshot.generation), SERVICE: bool(live.snapshot.generation)}
        models = {name: self.lanes.ready(model.champion.version) for name, model in live.snapshot.models.items()}
        versions = {health_name(version): self.lanes.ready(version) for version in live.snapshot.versions()}
        missing = dict.fromkeys(live.missing, False)
        await self._health.report(names | live.services() | models | versions | missing)


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
    calm_collector()
    await stopping.wait()
    log.info("draining", seconds=settings.drain_seconds)
    await gateway.stop()
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


def open_store(settings: Settings) -> "RedisCatalog | None":
    """Returns the catalog in Redis, if there is to be one.

    Raises:
        ConfigurationError: The URL is not valid.
    """
    if settings.redis_url is None or not settings.redis_url.get_secret_value():
        return None
    from gateway.catalog.redis import RedisCatalog  # noqa: PLC0415 - its import takes 0.3 s

    return RedisCatalog(settings.redis_url.get_secret_value(), settings.catalog_key, settings.watch_seconds)


def chosen(choices: Mapping[str, Choice], setting: str, name: str) -> Choice:
    """Returns what a setting names.

    Raises:
        ConfigurationError: There is nothing of that name.
    """
    if name not in choices:
        raise ConfigurationError(f"GAPURA_{setting.upper()}: there is no '{name}'; choose {', '.join(choices)}")
    return choices[name]
