"""The table of endpoints: a tenant learns nothing of models that it may not call, not even why they are silent."""

import pytest

from gateway.contracts.compilation import compile_methods
from gateway.contracts.descriptors import link
from gateway.edge.endpoints import build_table
from gateway.edge.status import status_of
from gateway.errors import PermissionDenied, Unauthenticated, Unavailable
from gateway.interfaces import Endpoint
from gateway.pipeline import Pipeline
from gateway.routing import Routes
from gateway.tenancy.directory import open_directory
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy
from gateway.testing import FakeBackend
from gateway.types import Call

KEYS = {name: new_key() for name in ("team3", "team4")}


def silent_endpoint(path: str) -> Endpoint:
    """Returns an endpoint of a catalog without models."""
    policies = [
        TenantPolicy(name=name, models=(f"{name}_*",), keys=(KeyEntry.of(hashed),))
        for name, (_, hashed) in KEYS.items()
    ]
    compiled = compile_methods(link({}).methods, {}, {}, status_of)
    pipeline = Pipeline(open_directory(policies), Routes({}), FakeBackend())
    return build_table(pipeline, compiled.methods, compiled.refused, ready=True)[path]


@pytest.mark.parametrize("method", ["ScoreCredit", "BatchScoreCredit"])
async def test_only_those_who_may_call_a_silent_method_are_told_why_it_is_silent(method: str) -> None:
    endpoint = silent_endpoint(f"/erpml.finance.v1.CreditService/{method}")
    with pytest.raises(Unavailable, match="publish it"):
        await endpoint.answer(Call(b"", KEYS["team3"][0], None))
    with pytest.raises(PermissionDenied):
        await endpoint.answer(Call(b"", KEYS["team4"][0], None))
    with pytest.raises(Unauthenticated):
        await endpoint.answer(Call(b"", None, None))
