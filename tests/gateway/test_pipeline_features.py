"""Stored features on the request path: fetched once and only where needed, allowed by the policy, and charged."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.calls import Call
from gateway.edge.status import wire_status
from gateway.errors import InvalidFields, PermissionDenied, Unavailable
from gateway.feature_views import Degrade, FeatureStatus
from gateway.features.absent import NoFeatures
from gateway.interfaces import FeatureReader
from gateway.pipeline import Pipeline
from gateway.routing.routes import compile_routes
from gateway.telemetry.off import NoTelemetry
from gateway.tenancy.directory import open_directory
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants
from gateway.testing import FakeFeatures, FakeLanes
from gateway.types import TensorSpec
from tests.gateway.contract_source import SCORE, compiled, fed
from tests.gateway.feature_contract import BATCH, RISK, SINGLE, entity, features, lead, view
from tests.gateway.models import always, live, version

KEY, HASHED = new_key()
SERVED = version((TensorSpec("x", "FP32", (2,), ("from_risk", "to_risk")),))
FIELDS = f"""
string origin = 1 [{entity("shops", "from_")}]; string goal = 2 [{entity("shops", "to_")}];
optional float risk = 3 [{fed("from_risk")}];
"""
SHOPS, STRICT = view("shops", *RISK), view("shops", *RISK, degrade=Degrade.REFUSE)
A, B = features(SHOPS, 0.25, 0.0), features(SHOPS, 0.75, 0.0, status=FeatureStatus.STALE)


class Here:
    """A pipeline of one tenant and one model that answers with its inputs, and what was charged."""

    def __init__(self, folder: Path, reader: FeatureReader, strict: bool = False, **policy: Any) -> None:  # noqa: FBT001, FBT002 - a test's own
        self.hits: list[int] = []
        lanes = FakeLanes(loaded={SERVED})
        entry = TenantPolicy.model_validate({"name": "acme", "models": ["*"], "keys": [KeyEntry.of(HASHED)], **policy})
        tenants = open_directory(Tenants(tenants=(entry,)), book=self)
        found = compiled(folder, lead(FIELDS, SCORE), SERVED, STRICT if strict else SHOPS)
        self.methods: dict[str, Any] = {**found.methods}
        self.lanes = lanes
        self.pipeline = Pipeline(
            tenants, compile_routes({SERVED.model: live(SERVED)}, always), reader, lanes, NoTelemetry()
        )

    def charge(self, tenant: str, model: str, rows: int, backend_seconds: float, feature_hits: int = 0) -> None:
        """Remembers how many stored rows an answered call of the tenant used."""
        assert (tenant, model) == ("acme", SERVED.model)
        assert min(rows, backend_seconds) >= 0
        self.hits.append(feature_hits)

    async def call(self, method: Any, message: Any) -> bytes:
        """Makes a call."""
        return await self.pipeline.answer(method, Call(message.SerializeToString(), KEY, None))

    async def score(self, **fields: Any) -> Any:
        """Scores one item; returns the answer."""
        method = self.methods[SINGLE]
        result: Any = self.methods[BATCH].response().results.add().response
        result.ParseFromString(await self.call(method, method.request(**fields)))
        return result

    async def score_all(self, *items: dict[str, Any]) -> Any:
        """Scores several; returns the results."""
        single, batch = self.methods[SINGLE], self.methods[BATCH]
        answer = await self.call(batch, batch.request(items=[single.request(**item) for item in items]))
        return batch.response.FromString(answer).results


def reader(*, at_hand: bool = False) -> FakeFeatures:
    """Returns a reader that knows two shops."""
    return FakeFeatures({("shops", "a"): A, ("shops", "b"): B}, at_hand)


@pytest.mark.parametrize("at_hand", [True, False])
async def test_all_entities_of_a_request_are_read_together_and_charged(tmp_path: Path, at_hand: bool) -> None:  # noqa: FBT001 - a parameter
    stored = reader(at_hand=at_hand)
    here = Here(tmp_path, stored)
    answer = await here.score(origin="a", goal="b")
    assert (answer.score, answer.info.feature_status) == (0.75, FeatureStatus.STALE)
    assert [[lookup and lookup.entity for lookup in wanted] for wanted in stored.wanted] == [["a", "b"]]
    assert here.hits == [2]


async def test_defaults_are_no_hits_and_neither_is_what_the_request_says(tmp_path: Path) -> None:
    here = Here(tmp_path, reader())
    answer = await here.score(origin="a", goal="unknown")
    assert (answer.score, answer.info.feature_status) == (0.25, FeatureStatus.DEFAULT)
    await here.score(risk=0.5, origin="a", goal="b")
    assert here.hits == [1, 1]


async def test_what_is_at_hand_takes_no_turn_of_the_event_loop(tmp_path: Path) -> None:
    here = Here(tmp_path, reader(at_hand=True))
    here.lanes.open.clear()
    method = here.methods[SINGLE]
    message = method.request(origin="a", goal="b").SerializeToString()
    call = here.pipeline.answer(method, Call(message, KEY, None))
    assert asyncio.isfuture(call.send(None))  # it waits for the model, and for nothing before
    assert len(here.lanes.batches) == 1
    call.close()


async def test_a_view_that_the_policy_does_not_name_is_not_read(tmp_path: Path) -> None:
    stored = reader()
    here = Here(tmp_path, stored, feature_views=["customer_*"])
    with pytest.raises(PermissionDenied) as refused:
        await here.score(origin="a", goal="b")
    assert refused.value.reason == "VIEW_NOT_ALLOWED"
    assert refused.value.metadata == {"tenant": "acme", "view": "shops"}
    assert wire_status(refused.value)[0].name == "PERMISSION_DENIED"
    with pytest.raises(PermissionDenied):
        await here.score_all({"origin": "a", "goal": "b"})
    assert (stored.wanted, here.hits) == ([], [])


async def test_globs_name_views(tmp_path: Path) -> None:
    here = Here(tmp_path, reader(), feature_views=["sh*s"])
    assert (await here.score(origin="a", goal="b")).score == 0.75


async def test_a_batch_reads_all_of_its_entities_at_once(tmp_path: Path) -> None:
    stored = reader()
    here = Here(tmp_path, stored)
    results = await here.score_all({"origin": "a", "goal": "b"}, {"goal": "a", "risk": 0.5}, {})
    assert [round(result.response.score, 3) for result in results[:2]] == [0.75, 0.25]
    assert "origin: is required, or all of risk; goal: is required" in results[2].error.message
    assert [[lookup and lookup.entity for lookup in wanted] for wanted in stored.wanted] == [
        ["a", "b", None, "a", None, None]
    ]
    assert here.hits == [3]


async def test_a_call_that_lacks_its_ids_reads_nothing(tmp_path: Path) -> None:
    stored = reader()
    with pytest.raises(InvalidFields):
        await Here(tmp_path, stored).score()
    assert stored.wanted == []


async def test_without_a_store_there_are_defaults(tmp_path: Path) -> None:
    answer = await Here(tmp_path, NoFeatures()).score(origin="a", goal="b", risk=0.5)
    assert (answer.score, answer.info.feature_status, answer.info.feature_age_ms) == (0.25, FeatureStatus.DEFAULT, 0)


async def test_without_a_store_a_view_that_allows_nothing_else_refuses(tmp_path: Path) -> None:
    here = Here(tmp_path, NoFeatures(), strict=True)
    with pytest.raises(Unavailable) as refused:
        await here.score(origin="a", goal="b")
    assert (refused.value.reason, refused.value.metadata) == ("FEATURES_UNAVAILABLE", {"view": "shops"})
    results = await here.score_all({"origin": "a", "goal": "b"})
    assert (results[0].error.code, here.hits) == (14, [0])
