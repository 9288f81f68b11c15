"""Builds the gateway from its settings, in the order of the request path, and runs it."""

import asyncio
import gc
import signal
import sys
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
from gateway.edge.callers import Callers
from gateway.edge.calls import Sender, Traffic
from gateway.edge.endpoints import Table
from gateway.edge.grpcio import GrpcioListener
from gateway.edge.health import Health
from gateway.edge.kserve.service import SERVICE
from gateway.edge.native.listener import NativeListener
from gateway.edge.reflection import Reflection
from gateway.edge.tls import Tls
from gateway.errors import ConfigurationError
from gateway.generations import Generations, tell
from gateway.interfaces import Backend, Listener
from gateway.membership import Membership
from gateway.settings import Settings
from gateway.tenancy.quotas.accounts import Accounts
from gateway.types import Placement
from gateway.usage.book import UsageBook
from gateway.usage.metrics import MetricsServer
from gateway.watching import Fingerprint, changes, fingerprint

if TYPE_CHECKING:
    from gateway.catalog.redis import RedisCatalog

MIB = 1024 * 1024
COLLECT_AFTER = 50_000  # objects more than at the last look
SWITCH_SECONDS = 0.001  # for how long a thread that reads a catalog or tenants lets calls wait; 5 ms by default
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
CallerOf = Callable[[Sender], str]
LISTENERS: Mapping[str, Callable[[Settings, Callable[[], Table], Services, CallerOf], Listener]] = {
    "grpcio": lambda settings, table, services, _: GrpcioListener(
        settings.listen,
        table,
        services,
        settings.max_message_mib * MIB,
        Traffic(settings.in_flight),
        settings.own_socket,
        tls=tls_of(settings),
    ),
    "native": lambda settings, table, services, caller_of: NativeListener(
        settings.listen,
        table,
        services,
        settings.max_message_mib * MIB,
        Traffic(settings.in_flight),
        trusted_network=settings.trusted_network,
        caller_of=caller_of,
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
        certified = settings.behind_edge or settings.tls_client_ca is not None
        self._accounts = Accounts(settings.quota_shares)
        self._book = UsageBook(settings.usage)
        self._metrics = MetricsServer(settings.metrics_listen, settings.usage) if settings.metrics_listen else None
        self._members = Membership(settings.tenants, self._accounts, self._book, certified=certified)
        self._table: Table = {}
        callers = Callers(lambda: self._members.directory, certified=settings.tls_client_ca is not None)
        self._health = Health(callers)
        self._reflection = Reflection(callers)
        make_listener = chosen(LISTENERS, "listener", settings.listener)
        self._listener = make_listener(settings, lambda: self._table, self._add_services, self._caller_of)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Takes the catalog live and listens; returns the bound address.

        Raises:
            ConfigurationError: The tenants file, an existing catalog or the address cannot be used.
        """
        settings = self._settings
        seen = fingerprint(settings.catalog)
        await self._members.start()
        if self._store is not None:
            self._keep(self._store.follow())
            await self._store.looked.wait()
        if seen is None and (self._store is None or self._store.edition is None):
            log.warning("no catalog yet; `gapura publish` writes it", catalog=str(settings.catalog))
            await self._swap()
        else:
            await self._advance()
        if self._metrics is not None:
            self._metrics.start()
        address = await self._listener.start()
        self._keep(self._members.follow(settings.watch_seconds, self._renew_table))
        self._keep(self._members.follow_keys())
        self._keep(self._watch_catalog(seen))
        self._keep(self._watch_models())
        self._share()
        log.info("listening", address=address)
        return address

    async def stop(self) -> None:
        """Sends new calls elsewhere and lets those under way finish."""
        await self._health.drain()
        await self._listener.stop(self._settings.drain_seconds)
        self._book.close()  # before the last copy is made of it
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.lanes.close()
        if self._metrics is not None:
            self._metrics.stop()

    def _share(self) -> None:
        """Shares with other gateways what tenants use, if there is a Redis to do it by."""
        settings = self._settings
        url = settings.redis
        if url is not None:
            from gateway.tenancy.quotas.reconciliation import Reconciler  # noqa: PLC0415 - its import takes 0.3 s
            from gateway.usage.copying import UsageCopies  # noqa: PLC0415 - as above

            self._keep(Reconciler(url, self._accounts, settings.quota_key).run())
            self._keep(UsageCopies(url, settings.usage).run())

    def _renew_table(self) -> None:
        self._table = self._generations.table(self._members.directory)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something beside the calls."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _caller_of(self, sender: Sender) -> str:
        return self._members.directory.caller_of(sender.api_key, sender.certificate, sender.authorization)

    def _add_services(self, server: grpc.aio.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(self._reflection, server)

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
        self._renew_table()
        methods = ((method.path, method.serving.model) for method in live.contracts.methods)
        self._reflection.report(live.contracts.pool, methods)
        await self._report_health()

    async def _report_health(self) -> None:
        live = self._generations.live
        names = {"": bool(live.snapshot.generation), SERVICE: bool(live.snapshot.generation)}
        models = {name: self.lanes.ready(model.champion.version) for name, model in live.snapshot.models.items()}
        versions = {health_name(version): self.lanes.ready(version) for version in live.snapshot.versions()}
        missing = dict.fromkeys(live.missing, False)
        await self._health.report(names | live.services(), models | versions | missing)


async def serve(settings: Settings) -> None:
    """Runs a gateway until SIGTERM, SIGINT or SIGHUP; a second signal ends it at once.

    Raises:
        ConfigurationError: It cannot start.
    """
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, take_signal, stopping, loop)
    sys.setswitchinterval(SWITCH_SECONDS)
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
    if settings.redis is None:
        return None
    from gateway.catalog.redis import RedisCatalog  # noqa: PLC0415 - its import takes 0.3 s

    return RedisCatalog(settings.redis, settings.catalog_key, settings.watch_seconds)


def tls_of(settings: Settings) -> Tls | None:
    """Returns the files of TLS, if there are any."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    client_ca = settings.tls_client_ca
    return Tls(settings.tls_certificate, settings.tls_key, client_ca, require_client=client_ca is not None)


def chosen(choices: Mapping[str, Choice], setting: str, name: str) -> Choice:
    """Returns what a setting names.

    Raises:
        ConfigurationError: There is nothing of that name.
    """
    if name not in choices:
        raise ConfigurationError(f"GAPURA_{setting.upper()}: there is no '{name}'; choose {', '.join(choices)}")
    return choices[name]
