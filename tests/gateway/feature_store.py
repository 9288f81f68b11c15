"""What tests of the feature store service share: a view of every type, tenants, and calls to the endpoints."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from time import time_ns
from typing import Any, NamedTuple, cast

from erpml.hub.v1 import feature_store_service_pb2 as messages
from erpml.types.v1 import feature_view_pb2
from gapura_features.schema import FeatureType, Value, message_of
from hypothesis import strategies as st

from gateway.calls import Call
from gateway.edge.feature_store.service import SERVICE, feature_endpoints
from gateway.feature_views import Degrade, Features, FeatureStatus, FeatureView
from gateway.tenancy.directory import Directory, open_directory
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants
from gateway.testing import FakeFeatures

HOUR_MS = 3_600_000
ALL = {"feature_views": ["*"], "feature_pushes": ["*"]}
COLUMNS: Mapping[str, FeatureType] = {
    "income": FeatureType.FLOAT32,
    "balance": FeatureType.FLOAT64,
    "late": FeatureType.INT32,
    "orders": FeatureType.INT64,
    "blocked": FeatureType.BOOL,
    "city": FeatureType.STRING,
    "digest": FeatureType.BYTES,
}
ROW: tuple[Value, ...] = (0.5, 0.1, -7, 2**53 + 1, True, "Zürich", b"\x00\xff")
NULLS: tuple[Value, ...] = (None,) * len(ROW)

# Any row of those columns.
ROWS = st.tuples(
    st.none() | st.floats(width=32),
    st.none() | st.floats(),
    st.none() | st.integers(-(2**31), 2**31 - 1),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.booleans(),
    st.none() | st.text(),
    st.none() | st.binary(),
)


def declared(name: str = "customer", columns: Mapping[str, FeatureType] = COLUMNS) -> Any:
    """Returns the declaration of a view whose rows are fresh for an hour; missing ones are null."""
    return feature_view_pb2.FeatureView(
        name=name,
        team="team3",
        entity="customer",
        columns=[
            feature_view_pb2.FeatureColumn(name=column, type=cast("Any", type_)) for column, type_ in columns.items()
        ],
        freshness_ms=HOUR_MS,
        degrade=cast("Any", Degrade.DEFAULT.value),
        description="Who buys.",
    )


def view(name: str = "customer", columns: Mapping[str, FeatureType] = COLUMNS) -> FeatureView:
    """Returns that view as a gateway has it."""
    return FeatureView.read(declared(name, columns))


def fresh(*values: Value, event_time_ms: int = 1_000) -> Features:
    """Returns a fresh row."""
    return Features(values, values, FeatureStatus.FRESH, event_time_ms)


def row_of(entity: str = "c1", values: tuple[Value, ...] = ROW, columns: Mapping[str, FeatureType] = COLUMNS) -> Any:
    """Returns a row to push."""
    told = {name: message_of(type_, value) for (name, type_), value in zip(columns.items(), values, strict=True)}
    return messages.FeatureRow(entity_id=entity, values=told)


def values_of(vector: Any) -> list[Value]:
    """Returns the values of a vector of an answer, nulls as None."""
    lists = (vector.floats, vector.doubles, vector.integers, vector.truths, vector.texts, vector.octets)
    (values,) = [list(each) for each in lists if each]
    return [None if null else value for null, value in zip(vector.nulls or [False] * len(values), values, strict=True)]


class Charged(NamedTuple):
    """One charge."""

    tenant: str
    model: str
    rows: int
    feature_hits: int


@dataclass
class Service:
    """The service with a tenant or two.

    Attributes:
        views: The views.
        features: What is stored.
        charged: What was charged.
        policies: Further fields of the policy of each tenant; `known` may do everything.
    """

    views: Mapping[str, FeatureView] = field(default_factory=lambda: {"customer": view()})
    features: FakeFeatures = field(default_factory=FakeFeatures)
    charged: list[Charged] = field(default_factory=list)
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys: dict[str, str] = {}
        entries = [self._entry(name, fields) for name, fields in {"known": ALL, **self.policies}.items()]
        self.tenants: Directory = open_directory(Tenants(tenants=tuple(entries)), book=self)
        self.endpoints = feature_endpoints(self.tenants, self.views, self.features, self.features)

    def charge(self, tenant: str, model: str, rows: int, backend_seconds: float, feature_hits: int = 0) -> None:
        """Remembers a charge."""
        assert backend_seconds == 0
        self.charged.append(Charged(tenant, model, rows, feature_hits))

    async def get(self, *entities: str, view: str = "customer", tenant: str = "known", columns: Any = ()) -> Any:
        """Reads features."""
        request = messages.GetOnlineFeaturesRequest(view=view, entity_ids=entities, columns=columns)
        return messages.GetOnlineFeaturesResponse.FromString(await self._call("GetOnlineFeatures", request, tenant))

    async def push(self, *rows: Any, view: str = "customer", tenant: str = "known") -> Any:
        """Pushes rows."""
        request = messages.PushFeaturesRequest(view=view, rows=rows)
        return messages.PushFeaturesResponse.FromString(await self._call("PushFeatures", request, tenant))

    async def list(self, tenant: str = "known", **fields: Any) -> Any:
        """Lists views."""
        request = messages.ListViewsRequest(**fields)
        return messages.ListViewsResponse.FromString(await self._call("ListViews", request, tenant))

    async def _call(self, method: str, request: Any, tenant: str) -> bytes:
        path = f"/{SERVICE}/{method}"
        return await self.endpoints[path].answer(Call(request.SerializeToString(), self.keys[tenant], None, path=path))

    def _entry(self, name: str, fields: Mapping[str, Any]) -> TenantPolicy:
        self.keys[name], hashed = new_key()
        return TenantPolicy.model_validate({"name": name, "models": [], "keys": [KeyEntry.of(hashed)], **fields})


def now_ms() -> int:
    """Returns the time."""
    return time_ns() // 1_000_000


def same(first: Value, second: Value) -> bool:
    """Says whether two values are the same: -0.0 is not 0.0, and NaN is itself."""
    if isinstance(first, float) and isinstance(second, float):
        return (isnan(first) and isnan(second)) or struct.pack("d", first) == struct.pack("d", second)
    return type(first) is type(second) and first == second
