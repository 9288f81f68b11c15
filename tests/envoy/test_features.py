"""Stored features over REST, by the real Envoy before a listener: read, pushed and listed as JSON."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from gapura_envoy.testing import running_edge
from gapura_features.schema import FeatureType

from tests.edge.conftest import listening
from tests.gateway.feature_store import Service, fresh, view

FLOAT32 = "FEATURE_TYPE_FLOAT32"

Ask = Callable[..., Any]


@pytest.fixture
async def service() -> Service:
    """The service with a view of three columns."""
    columns = {"income": FeatureType.FLOAT32, "city": FeatureType.STRING, "orders": FeatureType.INT64}
    return Service({"customer": view(columns=columns)})


@pytest.fixture
async def ask(service: Service, contracts: list[bytes]) -> AsyncIterator[Ask]:
    """Sends JSON to the edge and returns HTTP status and answer; without a body it is a GET."""
    with tempfile.TemporaryDirectory(prefix="edge-") as folder:
        async with listening("native", f"unix:{folder}/worker", further=service.endpoints) as listener:
            edge = running_edge([listener.address], contracts, message_mib=1, drain_seconds=0.1)
            running = await asyncio.to_thread(edge.__enter__)

            def send(path: str, body: object = None) -> tuple[int, Any]:
                content = None if body is None else json.dumps(body).encode()
                headers = {"content-type": "application/json", "x-api-key": service.keys["known"]}
                try:
                    with urlopen(Request(f"http://{running.address}{path}", content, headers), timeout=10) as answer:
                        return answer.status, json.load(answer)
                except HTTPError as error:
                    with error:
                        return error.code, json.load(error)

            yield lambda *told: asyncio.to_thread(send, *told)
            await asyncio.to_thread(edge.__exit__, None, None, None)


async def test_features_are_read(service: Service, ask: Ask) -> None:
    service.features.stored["customer", "c1"] = fresh(0.5, "Zürich", None)
    request = {"view": "customer", "entity_ids": ["c1"], "columns": ["city", "income"]}
    status, answer = await ask("/api/hub/features:get", request)
    assert (status, answer["statuses"], answer["event_times_ms"]) == (200, ["FEATURE_STATUS_FRESH"], ["1000"])
    city, income = answer["columns"]
    assert (city["name"], city["texts"]) == ("city", ["Zürich"])
    assert (income["name"], income["type"], income["floats"]) == ("income", FLOAT32, [0.5])


async def test_rows_are_pushed(service: Service, ask: Ask) -> None:
    values = {"income": {"number": 0.5}, "city": {"text": "Zürich"}, "orders": {}}
    status, answer = await ask(
        "/api/hub/features:push", {"view": "customer", "rows": [{"entity_id": "c1", "values": values}]}
    )
    assert (status, answer["written"]) == (200, 1)
    assert service.features.stored["customer", "c1"].values == (0.5, "Zürich", None)


async def test_views_are_listed(ask: Ask) -> None:
    status, answer = await ask("/api/hub/feature-views?page_size=1")
    assert (status, [each["name"] for each in answer["views"]]) == (200, ["customer"])


async def test_a_refusal_names_the_field(ask: Ask) -> None:
    status, answer = await ask("/api/hub/features:get", {"view": "customer"})
    assert (status, answer["code"]) == (400, 3)
    assert [each["field"] for each in answer["details"][1]["field_violations"]] == ["entity_ids"]
