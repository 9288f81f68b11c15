"""Spans of what is unusual: calls of methods that do not exist, contexts that are not valid, answers from memory."""

from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind

from gateway.telemetry.export.spans import Spans
from gateway.telemetry.export.words import address_of
from tests.gateway.telemetry.export.traces import METHOD, VERSION, batch_of, failed_call

SPANS = Spans(Resource({}), InstrumentationScope("gapura"))


@pytest.mark.parametrize("path", ["/made.up.Service/Method", "/", "", "/nonsense"])
def test_a_method_that_does_not_exist_names_nothing(path: str) -> None:
    root, *_ = SPANS.of(failed_call(12, path=path))
    assert root.name == "grpc"
    assert attributes(root)["rpc.method"] == "_OTHER"
    assert attributes(root)["rpc.method_original"] == path.removeprefix("/")
    assert attributes(root)["error.type"] == "UNIMPLEMENTED"


def test_a_method_that_a_model_does_not_implement_keeps_its_name() -> None:
    root, *_ = SPANS.of(failed_call(12, version=VERSION))
    assert root.name == METHOD


@pytest.mark.parametrize("code", [3, 5, 7, 8, 16])
def test_an_error_of_the_caller_is_no_error_of_the_server(code: int) -> None:
    spans = list(SPANS.of(failed_call(code)))
    assert not any("error.type" in attributes(span) for span in spans)
    assert all(span.status.is_unset for span in spans)


def test_a_tracestate_that_is_not_valid_is_none() -> None:
    (call,), _ = batch_of(1)
    for span in SPANS.of(call | {"state": "no state at all"}):
        assert span.context.trace_state == {}


def test_features_from_memory_ask_no_store() -> None:
    (call,), _ = batch_of(1)
    features = next(span for span in SPANS.of(call | {"from_memory": True}) if span.name == "features")
    assert features.kind is SpanKind.INTERNAL
    assert "db.system.name" not in attributes(features)
    assert attributes(features)["erp.features.from_memory"] is True


def test_a_batch_of_the_embedded_backend_is_no_remote_call() -> None:
    _, batch = batch_of(2, node="embedded")
    root, attempt = SPANS.of(batch)
    assert (root.name, root.kind, attempt.kind) == ("inference", SpanKind.INTERNAL, SpanKind.INTERNAL)
    assert attributes(root)["erp.node"] == "embedded"
    assert not any(name.startswith(("rpc.", "server.")) for name in attributes(root))


def test_a_batch_that_failed_says_with_what() -> None:
    _, batch = batch_of(2)
    root, _ = SPANS.of(batch | {"failed": "ModelFailed"})
    assert attributes(root)["error.type"] == root.status.description == "ModelFailed"
    assert not root.status.is_ok


@pytest.mark.parametrize(
    ("node", "address", "port"),
    [("10.0.0.7:8001", "10.0.0.7", 8001), ("[::1]:8001", "::1", 8001), ("/run/node.sock", "/run/node.sock", None)],
)
def test_an_address_is_taken_apart(node: str, address: str, port: int | None) -> None:
    assert address_of(node) == {"server.address": address} | ({} if port is None else {"server.port": port})


def attributes(span: Any) -> dict[str, Any]:
    """Returns the attributes of a span."""
    return dict(span.attributes)
