"""The feature store service over the network: read, written and listed by the stubs that callers have."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from erpml.hub.v1 import feature_store_service_pb2 as messages
from erpml.hub.v1 import feature_store_service_pb2_grpc
from google.rpc import error_details_pb2, status_pb2

from gateway.feature_views import FeatureStatus
from tests.edge.conftest import EDGES, listening
from tests.gateway.feature_store import ROW, Service, declared, fresh, row_of, values_of


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller of the service.

    Attributes:
        service: The service.
        stub: Its stub.
        metadata: What makes the caller known.
    """

    service: Service
    stub: Any
    metadata: tuple[tuple[str, str], ...]


@pytest.fixture(params=EDGES)
async def caller(request: pytest.FixtureRequest) -> AsyncIterator[Caller]:
    """A caller of each listener, and of one behind Envoy."""
    service = Service()
    async with listening(str(request.param), further=service.endpoints) as edge:
        stub = feature_store_service_pb2_grpc.FeatureStoreServiceStub(edge.channel)
        yield Caller(service, stub, (("x-api-key", service.keys["known"]),))


async def test_features_are_read(caller: Caller) -> None:
    caller.service.features.stored["customer", "c1"] = fresh(*ROW)
    request = messages.GetOnlineFeaturesRequest(view="customer", entity_ids=["c1"])
    for at_hand in (True, False):
        caller.service.features.at_hand = at_hand
        answer = await caller.stub.GetOnlineFeatures(request, metadata=caller.metadata)
        assert [values_of(column) for column in answer.columns] == [[value] for value in ROW]
        assert list(answer.statuses) == [FeatureStatus.FRESH]


async def test_rows_are_pushed(caller: Caller) -> None:
    request = messages.PushFeaturesRequest(view="customer", rows=[row_of("c1"), row_of("c2")])
    answer = await caller.stub.PushFeatures(request, metadata=caller.metadata)
    assert (answer.written, answer.outdated) == (2, 0)
    assert {entity for _, entity in caller.service.features.stored} == {"c1", "c2"}


async def test_views_are_listed(caller: Caller) -> None:
    answer = await caller.stub.ListViews(messages.ListViewsRequest(), metadata=caller.metadata)
    assert list(answer.views) == [declared()]


async def test_a_refusal_names_the_field(caller: Caller) -> None:
    request = messages.PushFeaturesRequest(view="customer", rows=[row_of("c1"), row_of("")])
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await caller.stub.PushFeatures(request, metadata=caller.metadata)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    trailing = dict(refused.value.trailing_metadata() or ())
    details = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    bad = error_details_pb2.BadRequest()
    assert details.details[1].Unpack(bad)
    assert [violation.field for violation in bad.field_violations] == ["rows[1].entity_id"]


async def test_nobody_is_answered_without_a_key(caller: Caller) -> None:
    for method, request in (
        (caller.stub.GetOnlineFeatures, messages.GetOnlineFeaturesRequest(view="customer", entity_ids=["c1"])),
        (caller.stub.PushFeatures, messages.PushFeaturesRequest(view="customer", rows=[row_of()])),
        (caller.stub.ListViews, messages.ListViewsRequest()),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await method(request)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert caller.service.features.wanted == []
