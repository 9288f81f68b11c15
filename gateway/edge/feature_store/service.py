"""Answers `erpml.hub.v1.FeatureStoreService`: what typed methods look up, for callers that look it up themselves."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from time import perf_counter, time_ns
from typing import Any

from erpml.hub.v1 import feature_store_service_pb2 as messages
from erpml.types.v1.feature_view_pb2 import FeatureView as Declaration
from gapura_features.keys import MOST_ENTITY_BYTES

from gateway.calls import Call
from gateway.edge.feature_store.rows import MOST_FAULTS, check_count, entity_need, read_rows
from gateway.edge.feature_store.vectors import Vectors
from gateway.edge.kserve.infer import parse_request
from gateway.errors import InvalidFields, NotFound, PermissionDenied
from gateway.feature_views import FeatureStatus, FeatureView, Lookup
from gateway.interfaces import Admission, Endpoint, FeatureReader, FeatureWriter, Tenant

SERVICE = "erpml.hub.v1.FeatureStoreService"
MOST_VIEWS = 100  # on a page
MOST_CHOICES = 256  # of columns of a view, whose vectors are prepared
SHORT_CHARACTERS = MOST_ENTITY_BYTES // 4  # of an id that is short enough, however wide they are

# Makes a named tuple at half the cost.
new_tuple = tuple.__new__


class OfferedView:
    """A view as callers get it.

    Args:
        view: The view.

    Attributes:
        view: As above.
        declaration: What was declared of it.
        charged: The name by which usage of it is charged, as a model's: its team comes first.
    """

    def __init__(self, view: FeatureView) -> None:
        self.view = view
        self.declaration = Declaration.FromString(view.declared)
        self.charged = f"{self.declaration.team}_features:{view.name}"
        self._indexes = {column.name: index for index, column in enumerate(view.schema.columns)}
        self._vectors: dict[tuple[str, ...], Vectors] = {}

    def vectors(self, columns: tuple[str, ...]) -> Vectors:
        """Returns what writes some columns, or all if there are none.

        Raises:
            InvalidFields: One is no column of the view, or stands twice.
        """
        vectors = self._vectors.get(columns)
        if vectors is None:
            self._check(columns)
            if len(self._vectors) >= MOST_CHOICES:  # callers choose them
                self._vectors.clear()
            indexes = [self._indexes[name] for name in columns or self._indexes]
            vectors = self._vectors[columns] = Vectors(self.view.schema.columns, indexes)
        return vectors

    def _check(self, columns: Sequence[str]) -> None:
        known = ", ".join(self._indexes)
        faults = [
            (f"columns[{position}]", f"view '{self.view.name}' has no column '{name}', only {known}")
            for position, name in enumerate(columns)
            if name not in self._indexes
        ]
        if not faults and len(set(columns)) < len(columns):
            faults = [("columns", "must name each column once")]
        if faults:
            raise InvalidFields(faults[:MOST_FAULTS])


class FeatureService:
    """Answers calls over the views of one generation of the catalog.

    Args:
        tenants: Know the callers.
        views: The views by name.
        reader: Reads stored features.
        writer: Writes them.
    """

    def __init__(
        self, tenants: Admission, views: Mapping[str, FeatureView], reader: FeatureReader, writer: FeatureWriter
    ) -> None:
        self._tenants = tenants
        self._views = {name: OfferedView(view) for name, view in sorted(views.items())}
        self._reader, self._writer = reader, writer

    async def get(self, call: Call) -> bytes:
        """Reads the features of some entities of a view.

        Raises:
            GatewayError: The call is refused.
        """
        with self._tenants.admit(call) as tenant:
            request = parse_request(messages.GetOnlineFeaturesRequest, call.message)
            offered = self._find(request.view, tenant, self._may_read(tenant), "read", "feature_views")
            vectors = offered.vectors(tuple(request.columns))
            wanted = wanted_of(offered.view, request.entity_ids)
            tenant.take_rows(len(wanted))
            call.trace.routed = perf_counter()
            at_hand = self._reader.peek(wanted)
            found = at_hand or await self._reader.fetch(wanted)
            call.trace.fetch(wanted, found, at_hand is not None)
            rows, _, statuses, event_times_ms, _ = zip(*found, strict=True)
            rest = messages.GetOnlineFeaturesResponse(statuses=statuses, event_times_ms=event_times_ms)
            answer = vectors.write(rows) + rest.SerializeToString()
            hits = statuses.count(FeatureStatus.FRESH) + statuses.count(FeatureStatus.STALE)
            tenant.charge(offered.charged, len(wanted), 0.0, hits)
            return answer

    async def push(self, call: Call) -> bytes:
        """Writes rows of a view.

        Raises:
            GatewayError: The call is refused; nothing was written, unless the store failed.
        """
        with self._tenants.admit(call) as tenant:
            request = parse_request(messages.PushFeaturesRequest, call.message)
            offered = self._find(request.view, tenant, tenant.may_push, "push to", "feature_pushes")
            rows = read_rows(offered.view, request.rows, time_ns() // 1_000_000)
            tenant.take_rows(len(rows))
            await asyncio.sleep(0)  # the store is asked with time limits, which need a task
            written = await self._writer.push(offered.view, rows)
            tenant.charge(offered.charged, len(rows), 0.0)
            answer = messages.PushFeaturesResponse(written=written, outdated=len(rows) - written)
            return answer.SerializeToString()

    async def list_views(self, call: Call) -> bytes:
        """Lists the views that the caller may read, by name; the token of a page is the last name before it.

        Raises:
            GatewayError: The call is refused.
        """
        with self._tenants.admit(call) as tenant:
            request = parse_request(messages.ListViewsRequest, call.message)
            if request.page_size < 0:
                raise InvalidFields([("page_size", f"must be 0 to {MOST_VIEWS}, got {request.page_size}")])
            most = min(request.page_size or MOST_VIEWS, MOST_VIEWS)
            may_read = self._may_read(tenant)
            names = [name for name in self._views if name > request.page_token and may_read(name)]
            page = messages.ListViewsResponse(
                views=[self._views[name].declaration for name in names[:most]],
                next_page_token=names[most - 1] if len(names) > most else "",
            )
            return page.SerializeToString()

    def _may_read(self, tenant: Tenant) -> Callable[[str], bool]:
        """Returns what says whether a tenant may read a view; one that there is not has no team."""

        def may_read(name: str) -> bool:
            offered = self._views.get(name)
            return tenant.may_read(name, offered.declaration.team if offered else "")

        return may_read

    def _find(self, name: str, tenant: Tenant, may: Callable[[str], bool], verb: str, policy: str) -> OfferedView:
        """Returns a view that a tenant may use.

        Raises:
            InvalidFields: No view is named.
            PermissionDenied: The tenant may not use a view of that name, whether or not there is one.
            NotFound: There is none.
        """
        if not name:
            raise InvalidFields([("view", "is required; ListViews lists those that there are")])
        if not may(name):
            told = f"tenant '{tenant.name}' may not {verb} feature view '{name}'"
            told = f"{told}; ask for it to be added to the tenant's {policy}"
            raise PermissionDenied("VIEW_NOT_ALLOWED", told, tenant=tenant.name, view=name)
        offered = self._views.get(name)
        if offered is None:
            told = f"no feature view '{name}' is declared; ListViews lists those that are"
            raise NotFound("VIEW_UNKNOWN", told, view=name)
        return offered


def feature_endpoints(
    tenants: Admission, views: Mapping[str, FeatureView], reader: FeatureReader, writer: FeatureWriter
) -> dict[str, Endpoint]:
    """Returns the endpoints of the service, by path.

    Args:
        tenants: Know the callers.
        views: The views of one generation of the catalog, by name.
        reader: Reads stored features.
        writer: Writes them.
    """
    service = FeatureService(tenants, views, reader, writer)
    answers: dict[str, Callable[[Call], Coroutine[Any, Any, bytes]]] = {
        "GetOnlineFeatures": service.get,
        "PushFeatures": service.push,
        "ListViews": service.list_views,
    }
    paths = {f"/{SERVICE}/{name}": answer for name, answer in answers.items()}
    return {path: Endpoint(path, answer) for path, answer in paths.items()}


def wanted_of(view: FeatureView, entities: Sequence[str]) -> list[Lookup]:
    """Returns what to look up.

    Raises:
        InvalidFields: There are no entities, or too many, or an id is not valid.
    """
    check_count("entity_ids", len(entities))
    lengths = set(map(len, entities))
    if 0 in lengths or max(lengths) > SHORT_CHARACTERS:
        check_entities(entities)
    return [new_tuple(Lookup, (view, entity)) for entity in entities]


def check_entities(entities: Sequence[str]) -> None:
    """Checks ids of entities.

    Raises:
        InvalidFields: Some are not valid; it names the first.
    """
    needs = [(f"entity_ids[{position}]", entity_need(entity)) for position, entity in enumerate(entities)]
    faults = [(field, need) for field, need in needs if need]
    if faults:
        raise InvalidFields(faults[:MOST_FAULTS])
