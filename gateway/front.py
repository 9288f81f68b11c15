"""What stands between the network and a table of endpoints: listener, tenants, quotas, usage, health and reflection."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import structlog
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from gateway.edge.callers import Callers
from gateway.edge.calls import Sender, Traffic
from gateway.edge.endpoints import Table
from gateway.edge.grpcio import GrpcioListener
from gateway.edge.health import Health
from gateway.edge.native.listener import NativeListener
from gateway.edge.reflection import Reflection
from gateway.edge.tls import Tls
from gateway.errors import ConfigurationError
from gateway.features.opening import open_features
from gateway.interfaces import Admission, FeatureStore, Listener, Telemetry
from gateway.membership import Membership
from gateway.operations.metrics import MetricsServer
from gateway.settings import Settings
from gateway.telemetry.opening import Bounds, NoWatch, Watch
from gateway.tenancy.quotas.accounts import Accounts
from gateway.usage.book import UsageBook

MIB = 1024 * 1024

log = structlog.get_logger(__name__)

Choice = TypeVar("Choice")


@dataclass(frozen=True, slots=True)
class Edge:
    """What a listener is given.

    Attributes:
        table: Returns the live table.
        services: Add further servicers to a grpcio server.
        traffic: Counts the calls under way.
        telemetry: Knows what becomes of calls.
        caller_of: Names the caller that somebody seems to be.
    """

    table: Callable[[], Table]
    services: Callable[[grpc.aio.Server], None]
    traffic: Traffic
    telemetry: Telemetry
    caller_of: Callable[[Sender], str]


LISTENERS: Mapping[str, Callable[[Settings, Edge], Listener]] = {
    "grpcio": lambda settings, edge: GrpcioListener(
        settings.listen,
        edge.table,
        edge.services,
        settings.max_message_mib * MIB,
        edge.telemetry,
        edge.traffic,
        settings.own_socket,
        tls=tls_of(settings),
    ),
    "native": lambda settings, edge: NativeListener(
        settings.listen,
        edge.table,
        edge.services,
        settings.max_message_mib * MIB,
        edge.telemetry,
        edge.traffic,
        trusted_network=settings.trusted_network,
        caller_of=edge.caller_of,
    ),
}


class Front:
    """The front of a process that takes calls.

    Args:
        settings: What the operator chose.
        make_table: Makes the table of endpoints for the tenants.
        files: Declare the services of the process that are there whatever the catalog says.
        watch: Watches the process.

    Attributes:
        health: Is told what answers.
        reflection: Is told what is served.

    Raises:
        ConfigurationError: A setting names something that does not exist.
    """

    def __init__(
        self,
        settings: Settings,
        make_table: Callable[[Admission], Table],
        files: Iterable[FileDescriptor],
        watch: Watch | NoWatch,
    ) -> None:
        self._settings = settings
        self._watch = watch
        self._make_table = make_table
        certified = settings.behind_edge or settings.tls_client_ca is not None
        self._accounts = Accounts(settings.quota_shares)
        self._book = UsageBook(settings.usage)
        listen = settings.metrics_listen
        self._metrics = MetricsServer(listen, settings.usage, settings.telemetry) if listen else None
        self._members = Membership(settings.tenants, self._accounts, self._book, certified=certified)
        self._table: Table = {}
        callers = Callers(lambda: self._members.directory, certified=settings.tls_client_ca is not None)
        self.health = Health(callers)
        self.reflection = Reflection(callers, files)
        make_listener = chosen(LISTENERS, "listener", settings.listener)
        traffic = Traffic(settings.in_flight)
        edge = Edge(lambda: self._table, self._add_services, traffic, watch.telemetry, self._caller_of)
        self._listener = make_listener(settings, edge)
        watch.parts["calls_in_flight"] = lambda: traffic.active
        watch.parts["tenants"] = lambda: self._members.directory.describe()  # noqa: PLW0108 - the directory is replaced
        watch.parts["usage_held_calls"] = self._book.held_calls
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Reads the tenants.

        Raises:
            ConfigurationError: Their file cannot be used.
        """
        await self._members.start()

    async def listen(self) -> str:
        """Takes calls from now on; returns the bound address.

        Raises:
            ConfigurationError: The address cannot be used.
        """
        if self._metrics is not None:
            self._metrics.start()
        address = await self._listener.start()
        self._watch.parts["address"] = lambda: address
        self._watch.start()
        self.keep(self._watch.run())
        self.keep(self._members.follow(self._settings.watch_seconds, self.renew))
        self.keep(self._members.follow_keys())
        self._share()
        log.info("listening", address=address)
        return address

    async def close(self) -> None:
        """Sends new calls elsewhere, lets those under way finish, and ends what is kept."""
        await self.health.drain()
        await self._listener.stop(self._settings.drain_seconds)
        self._book.close()  # before the last copy is made of it
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._metrics is not None:
            self._metrics.stop()
        await asyncio.to_thread(self._watch.close)

    def renew(self) -> None:
        """Replaces the table."""
        self._table = self._make_table(self._members.directory)

    def serves(self, path: str) -> bool:
        """Says whether a path is one of a method."""
        return path in self._table

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something beside the calls."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _share(self) -> None:
        """Shares with other gateways what tenants use, if there is a Redis to do it by."""
        settings = self._settings
        url = settings.redis
        if url is not None:
            from gateway.tenancy.quotas.reconciliation import Reconciler  # noqa: PLC0415 - its import takes 0.3 s
            from gateway.usage.copying import UsageCopies  # noqa: PLC0415 - as above

            self.keep(Reconciler(url, self._accounts, settings.quota_key).run())
            self.keep(UsageCopies(url, settings.usage).run())

    def _caller_of(self, sender: Sender) -> str:
        return self._members.directory.caller_of(sender.api_key, sender.certificate, sender.authorization)

    def _add_services(self, server: grpc.aio.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(self.reflection, server)


def features_of(settings: Settings) -> FeatureStore:
    """Returns the stored features, if there are to be any.

    Raises:
        ConfigurationError: The URL is not valid.
    """
    return open_features(
        settings.features_redis,
        settings.features_budget_ms / 1000,
        settings.features_copies,
        settings.features_copy_seconds,
    )


def watch_of(settings: Settings, role: str, is_served: Callable[[str], bool]) -> Watch | NoWatch:
    """Returns what watches the process.

    Args:
        settings: What the operator chose.
        role: What the process does.
        is_served: Says whether a path is one of a method.

    Raises:
        ConfigurationError: A variable of OpenTelemetry is not valid.
    """
    if not settings.telemetry_enabled:
        return NoWatch()
    slow = {method: milliseconds / 1000 for method, milliseconds in settings.slow_methods.items()}
    bounds = Bounds(settings.trace_ratio, settings.slow_ms / 1000, slow)
    return Watch(settings.telemetry, role, bounds, is_served, settings.listen)


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
