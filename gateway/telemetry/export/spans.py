"""Kept records become spans with the times that they had.

A call is a trace: its root, and a child for each stage. A batch is a trace of its own, since it belongs to many calls:
its root, a child for each attempt, and links to the `inference` stages of its calls, which link back.
"""

from collections.abc import Iterator, Mapping
from random import getrandbits

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from gateway.telemetry.export.words import (
    EMBEDDED,
    ERROR_TYPE,
    GRPC,
    INFER,
    METHOD_AS_ASKED,
    OTHER,
    RPC_CODE,
    RPC_METHOD,
    RPC_SYSTEM,
    Attributes,
    address_of,
)
from gateway.telemetry.records import INFERENCE, NS, Record
from gateway.telemetry.words import SERVER_ERROR_NAMES

SAMPLED = TraceFlags(TraceFlags.SAMPLED)
UNSET = Status(StatusCode.UNSET)


class Spans:
    """Makes spans of records.

    Args:
        resource: Who tells of them.
        scope: With which version of what.
        address: Where the process listens, `host:port`; empty if that is of no use to a reader.
    """

    def __init__(self, resource: Resource, scope: InstrumentationScope, address: str = "") -> None:
        self._resource = resource
        self._scope = scope
        self._server = address_of(address)

    def of(self, record: Record) -> Iterator[ReadableSpan]:
        """Yields the spans of a record, its root first."""
        return self._of_batch(record) if record["kind"] == "batch" else self._of_call(record)

    def _of_call(self, record: Record) -> Iterator[ReadableSpan]:
        state = state_of(record["state"])
        context = context_of(record["trace"], record["span"], state)
        parent = context_of(record["trace"], record["parent"], state, remote=True) if record["parent"] else None
        method = method_of(record)
        failed = record["code_name"] in SERVER_ERROR_NAMES
        status = Status(StatusCode.ERROR, record["message"] or None) if failed else UNSET
        yield self._make(
            record,
            GRPC if method == OTHER else method,
            SpanKind.SERVER,
            family=(context, parent),
            times=(0.0, record["seconds"]),
            attributes=self._server | attributes_of_call(record, method),
            status=status,
        )
        last = len(record["stages"])
        for number, (stage, offset, seconds, span) in enumerate(record["stages"], 1):
            kind, attributes = describe_stage(record, stage)
            yield self._make(
                record,
                stage,
                kind,
                family=(context_of(record["trace"], span, state), context),
                times=(offset, seconds),
                attributes=attributes,
                status=status if number == last else UNSET,
                links=links_to_batches(record) if stage == INFERENCE else (),
            )

    def _of_batch(self, record: Record) -> Iterator[ReadableSpan]:
        context = context_of(record["trace"], record["span"])
        remote = any(node != EMBEDDED for node, *_ in record["tries"])
        name, kind = (INFER, SpanKind.CLIENT) if remote else (INFERENCE, SpanKind.INTERNAL)
        yield self._make(
            record,
            name,
            kind,
            family=(context, None),
            times=(0.0, record["seconds"]),
            attributes=attributes_of_batch(record),
            status=status_of(record["failed"]),
            links=links_to_calls(record),
        )
        for number, (node, offset, seconds, fault) in enumerate(record["tries"], 1):
            # The text of a fault is no kind of error: it is the description of the status.
            error: Attributes = {ERROR_TYPE: OTHER} if fault else {}
            yield self._make(
                record,
                name,
                kind,
                family=(context_of(record["trace"], f"{getrandbits(64) or 1:016x}"), context),
                times=(offset, seconds),
                attributes={"erp.try": number} | told_of(node) | error,
                status=status_of(fault),
            )

    def _make(  # noqa: PLR0913 - what a span consists of
        self,
        record: Record,
        name: str,
        kind: SpanKind,
        *,
        family: tuple[SpanContext, SpanContext | None],
        times: tuple[float, float],
        attributes: Mapping[str, str | int | float | bool | list[str]],
        status: Status,
        links: list[Link] | tuple[Link, ...] = (),
    ) -> ReadableSpan:
        """Makes a span.

        Args:
            record: Of which it is part.
            name: Its name.
            kind: What it is.
            family: Itself and its parent.
            times: Offset in the record and duration, in seconds; they are rounded so that stages meet.
            attributes: What there is to say.
            status: How it ended.
            links: To spans of other traces.
        """
        context, parent = family
        offset, seconds = times
        return ReadableSpan(
            name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=attributes,
            links=links,
            kind=kind,
            status=status,
            start_time=record["start_ns"] + round(offset * NS),
            end_time=record["start_ns"] + round((offset + seconds) * NS),
            instrumentation_scope=self._scope,
        )


def attributes_of_call(record: Record, method: str) -> Attributes:
    """Describes a call; what it did not get to is left out."""
    told: Attributes = {RPC_SYSTEM: GRPC, RPC_METHOD: method, RPC_CODE: record["code_name"]}
    if method == OTHER:
        told[METHOD_AS_ASKED] = record["path"].removeprefix("/")
    if record["code_name"] in SERVER_ERROR_NAMES:
        told[ERROR_TYPE] = record["code_name"]
    for name in ("tenant", "model", "version", "arm", "rows", "reason", "worker"):
        if record[name]:
            told[f"erp.{name}"] = record[name]
    told["erp.kept"] = record["why"]
    if record["arm"]:
        told |= {"feature_flag.key": record["model"], "feature_flag.result.variant": record["arm"]}
    if record["batches"]:
        told |= place_in_batch(record)
    return told


def place_in_batch(record: Record) -> Attributes:
    """Says where in which batch a call was."""
    last = record["batches"][-1]
    told: Attributes = {"erp.batch.rows": last["rows"], "erp.batch.calls": last["calls"]}
    told["erp.batch.position"] = last["position"]
    if last["node"]:
        told["erp.node"] = last["node"]
    return told


def describe_stage(record: Record, stage: str) -> tuple[SpanKind, Attributes]:
    """Describes a stage of a call."""
    if stage == INFERENCE and record["batches"]:
        return SpanKind.INTERNAL, place_in_batch(record)
    if stage != "features":
        return SpanKind.INTERNAL, {}
    told: Attributes = {"erp.features.from_memory": record["from_memory"]}
    if record["features"]:
        told["erp.features.views"] = [view for view, _ in record["features"]]
        told["erp.features.statuses"] = [status for _, status in record["features"]]
    if record["from_memory"]:
        return SpanKind.INTERNAL, told
    return SpanKind.CLIENT, told | {"db.system.name": "redis"}


def attributes_of_batch(record: Record) -> Attributes:
    """Describes a batch, and the node that had it last."""
    told: Attributes = {"erp.model": record["model"], "erp.version": record["version"], "erp.worker": record["worker"]}
    told |= {"erp.batch.rows": record["rows"], "erp.batch.calls": record["calls"]}
    if record["failed"]:
        told[ERROR_TYPE] = record["failed"]
    return told | told_of(record["tries"][-1][0] if record["tries"] else "")


def told_of(node: str) -> Attributes:
    """Describes what is asked of a node; the embedded one is asked by no remote call."""
    if not node or node == EMBEDDED:
        return {"erp.node": node} if node else {}
    return {RPC_SYSTEM: GRPC, RPC_METHOD: INFER, "erp.node": node} | address_of(node)


def method_of(record: Record) -> str:
    """Returns `package.Service/Method`, or `_OTHER` for one that is not served, whatever a caller invented."""
    unknown = record["code_name"] == "UNIMPLEMENTED" and not record["model"]
    path: str = record["path"].removeprefix("/")
    return OTHER if unknown or not path else path


def status_of(fault: str) -> Status:
    """Returns the status of what may have ended with a fault."""
    return Status(StatusCode.ERROR, fault) if fault else UNSET


def links_to_calls(record: Record) -> list[Link]:
    """Links to the stages of the calls that a batch carried; `erp.tenant` tells whose they were."""
    return [
        Link(context_of(link["trace"], link["inference"]), {"erp.tenant": link["tenant"]}) for link in record["links"]
    ]


def links_to_batches(record: Record) -> list[Link]:
    """Links to what carried a call."""
    return [Link(context_of(batch["trace"], batch["span"])) for batch in record["batches"]]


def context_of(trace: str, span: str, state: TraceState | None = None, *, remote: bool = False) -> SpanContext:
    """Returns the context of a span, from its hexadecimal identifiers."""
    return SpanContext(int(trace, 16), int(span, 16), is_remote=remote, trace_flags=SAMPLED, trace_state=state)


def state_of(header: str) -> TraceState | None:
    """Reads a `tracestate`; one that is not valid is none, as W3C has it."""
    return TraceState.from_header([header]) if header else None
