"""Traces of calls and of the batch that carried them, as the stages note them, and their records."""

from time import perf_counter, time_ns

from gapura_features.schema import Schema

from gateway.feature_views import NO_FEATURES, Degrade, Features, FeatureStatus, FeatureView, Lookup
from gateway.telemetry.records import NS, Kept, Record, record_batch, record_call
from gateway.traces import BatchTrace, CallTrace, Try, identify
from gateway.types import ModelVersion, Signature

METHOD = "erpml.fraud.v1.FraudService/ScorePayment"
NODE = "127.0.0.1:8001"
STATE = "vendor=t61rcWkgMzE,other=1"
VIEW = FeatureView("customer_activity", "customer", Schema.of(()), 1000, 2000, Degrade.DEFAULT)
VERSION = ModelVersion("fraud", 3, Signature((), ()), 64, "")
STAGES = ("begun", "admitted", "routed", "fetched", "encoded")


def batch_of(calls: int, *, node: str = NODE, faults: tuple[str, ...] = ()) -> tuple[list[Record], Record]:
    """Makes the records of calls, and of the batch that carried them; it was tried once more after each fault."""
    now = perf_counter()
    batch = BatchTrace(VERSION, calls)
    batch.rows, batch.started, batch.ended = 8 * calls, now + 0.01, now + 0.02
    batch.tries = [
        Try(node, now + 0.011 + n / 1000, now + 0.012 + n / 1000, fault) for n, fault in enumerate((*faults, ""))
    ]
    traces = [call_of(now + position / 10_000, batch, position) for position in range(calls)]
    epoch_ns = time_ns() - round(perf_counter() * NS)
    records = [record_call(Kept(trace, "slow"), "gateway-0", epoch_ns) for trace in traces]
    batch.kept.extend(traces)
    return records, record_batch(batch, "gateway-0", epoch_ns, perf_counter())


def call_of(received: float, batch: BatchTrace, position: int) -> CallTrace:
    """Makes the trace of a call that a caller of a sampled trace made, and that was answered."""
    trace = CallTrace()
    trace.path, trace.tenant, trace.arm, trace.version = f"/{METHOD}", "acme", "champion", VERSION
    trace.parent, trace.state = f"00-{position + 1:032x}-{position + 7:016x}-01", STATE
    trace.received, trace.rows, trace.position, trace.batches = received, 8, 8 * position, (batch,)
    for number, stage in enumerate(STAGES, 1):
        setattr(trace, stage, received + number * 0.000_7)
    trace.wanted = (Lookup(VIEW, "c-1"), None)
    trace.features = (Features((), (), FeatureStatus.STALE), NO_FEATURES)
    trace.inferred, trace.decided, trace.ended = batch.ended + 0.000_2, batch.ended + 0.000_4, batch.ended + 0.000_6
    identify(trace)
    return trace


def failed_call(
    code: int, *, path: str = f"/{METHOD}", message: str = "", version: ModelVersion | None = None
) -> Record:
    """Makes the record of a call that failed when its arm was chosen."""
    trace = CallTrace()
    now = perf_counter()
    trace.path, trace.code, trace.reason, trace.message = path, code, "MODEL_FAILED", message
    trace.received, trace.begun, trace.admitted, trace.ended = now, now + 0.001, now + 0.002, now + 0.004
    trace.tenant, trace.version = "acme", version
    return record_call(Kept(trace, "error"), "gateway-0", time_ns() - round(perf_counter() * NS))
