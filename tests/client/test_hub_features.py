"""`MLHubClient.get_features` over a real feature store service: rows, what stands in for them, and what is refused."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import gapura_client
import pytest
from erpml.hub.v1 import feature_store_service_pb2 as messages
from erpml.hub.v1.feature_store_service_pb2_grpc import FeatureStoreServiceStub
from gapura_client import MLHubClient
from gapura_features.schema import Value

from tests.client.hub_gateway import HubGateway, running_hub
from tests.gateway.feature_store import COLUMNS, NULLS, ROW, row_of, same


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubGateway]:
    with running_hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def client(hub: HubGateway) -> Iterator[MLHubClient]:
    with MLHubClient("team3", feature_store_target=hub.address, api_key=hub.api_key) as opened:
        yield opened


def push(hub: HubGateway, *rows: tuple[str, tuple[Value, ...]]) -> None:
    with gapura_client.connect(hub.address, api_key=hub.api_key) as channel:
        request = messages.PushFeaturesRequest(view="customer", rows=[row_of(entity, row) for entity, row in rows])
        FeatureStoreServiceStub(channel).PushFeatures(request)


def test_a_stored_row_comes_back_by_the_names_of_its_columns(hub: HubGateway, client: MLHubClient) -> None:
    push(hub, ("full", ROW), ("null", NULLS))
    full, null = client.get_features("customer", ["full", "null"])
    assert full is not None
    assert null is not None
    assert list(full) == list(COLUMNS)
    assert all(map(same, full.values(), ROW))
    assert set(null.values()) == {None}
    assert full.status == "FRESH"
    assert full.event_time is not None
    assert abs(datetime.now(UTC) - full.event_time) < timedelta(minutes=1)


def test_an_entity_that_is_not_stored_has_the_defaults_and_says_so(client: MLHubClient) -> None:
    (row,) = client.get_features("customer", ["unheard of"])
    assert row is not None
    assert (set(row.values()), row.status, row.event_time) == ({None}, "DEFAULT", None)


def test_an_entity_that_the_view_refuses_is_none(client: MLHubClient) -> None:
    assert client.get_features("merchant", ["unheard of"]) == [None]


def test_more_entities_than_a_call_takes_stay_in_order(hub: HubGateway, client: MLHubClient) -> None:
    push(hub, *((f"e{number}", (float(number), *ROW[1:])) for number in range(500)))
    names = [f"e{number % 500}" for number in range(1_200)]
    rows = client.get_features("customer", names, columns=["income"])
    assert rows == [{"income": float(number % 500)} for number in range(1_200)]
    assert client.get_features("customer", []) == []


def test_bad_input_is_told_what_to_change(client: MLHubClient) -> None:
    with pytest.raises(gapura_client.NotFound, match="no feature view 'nope' is declared"):
        client.get_features("nope", ["e1"])
    with pytest.raises(gapura_client.InvalidArgument, match="has no column 'colour'"):
        client.get_features("customer", ["e1"], columns=["colour"])
    with pytest.raises(TypeError, match=r"pass a list, such as \['e1'\]"):
        client.get_features("customer", "e1")
