"""Builds the table that listeners serve: path -> endpoint."""

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from gateway.calls import Call
from gateway.contracts.batches import BatchMethod
from gateway.edge.kserve.service import kserve_endpoints
from gateway.errors import ContractError, Unavailable
from gateway.interfaces import Endpoint, Method, StreamEndpoint
from gateway.pipeline import Pipeline

Table = Mapping[str, Endpoint | StreamEndpoint]


def build_table(
    pipeline: Pipeline, methods: Mapping[str, Method], refused: Mapping[str, ContractError], *, ready: bool
) -> Table:
    """Returns every endpoint of one generation of the catalog.

    Args:
        pipeline: The stages of the generation.
        methods: Typed methods that can be answered, by path.
        refused: Why other typed methods cannot, by path.
        ready: Whether a catalog is live.
    """
    typed = [Endpoint(path, answerer(pipeline, method), is_taskless=True) for path, method in methods.items()]
    silent = [Endpoint(path, partial(refuse, pipeline, reason)) for path, reason in refused.items()]
    return {endpoint.path: endpoint for endpoint in (*typed, *silent, *kserve_endpoints(pipeline, ready=ready))}


def answerer(pipeline: Pipeline, method: Method) -> Callable[[Call], Coroutine[Any, Any, bytes]]:
    """Returns what answers calls of a method."""
    if isinstance(method, BatchMethod):
        return partial(pipeline.answer_batch, method)
    return partial(pipeline.answer, method)


async def refuse(pipeline: Pipeline, reason: ContractError, call: Call) -> bytes:
    """Answers a method whose model is not live.

    Raises:
        Unauthenticated: The caller is not known.
        PermissionDenied: The caller may not call the method's model.
        Unavailable: Otherwise.
    """
    with pipeline.tenants.admit(call) as tenant:
        pipeline.tenants.authorise(tenant, reason.metadata["model"])
    raise Unavailable(reason.reason, reason.message, **reason.metadata)
