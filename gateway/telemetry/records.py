"""Kept traces as plain records: what lies in files, is shown on the page and becomes spans.

Times of day are nanoseconds since 1970, durations and offsets are seconds.
"""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from random import getrandbits
from typing import Any, NamedTuple

from gateway.telemetry.words import CODES
from gateway.traces import BatchTrace, CallTrace, Try, hex64, hex128, identify, identify_batch

Record = dict[str, Any]
Stage = tuple[str, float, float, str]

MOST_FEATURES = 16
MOST_MESSAGE = 2_000
NS = 1_000_000_000
INFERENCE, ANSWER = "inference", "answer"


class Kept(NamedTuple):
    """A call whose trace is kept.

    Attributes:
        trace: The call.
        why: Why it is: `error`, `slow`, `asked` by its caller, or `head`: chosen when it came.
    """

    trace: CallTrace
    why: str


def record_call(kept: Kept, worker: str, epoch_ns: int) -> Record:
    """Makes the record of a call.

    Args:
        kept: The call.
        worker: Name of the process.
        epoch_ns: What `perf_counter` called 0, in nanoseconds since 1970.
    """
    trace, version = kept.trace, kept.trace.version
    identify(trace)
    return {
        "kind": "call",
        "trace": hex128(trace.trace_id),
        "span": hex64(trace.span_id),
        "parent": hex64(trace.parent_id) if trace.parent_id else "",
        "state": trace.state,
        "worker": worker,
        "path": trace.path,
        "tenant": trace.tenant,
        "model": version.model if version else "",
        "version": version.number if version else 0,
        "arm": trace.arm,
        "code": trace.code,
        "code_name": CODES[trace.code],
        "reason": trace.reason,
        "message": trace.message[:MOST_MESSAGE],
        "why": kept.why,
        "rows": trace.rows,
        "start_ns": epoch_ns + round(trace.received * NS),
        "seconds": trace.ended - trace.received,
        "stages": list(stages_of(trace)),
        "features": [
            [lookup.view.name, found.status.name]
            for lookup, found in islice(zip(trace.wanted, trace.features, strict=False), MOST_FEATURES)
            if lookup is not None
        ],
        "from_memory": trace.from_memory,
        "batches": list(map(partial(told_of, trace), trace.batches)),
    }


def record_batch(batch: BatchTrace, worker: str, epoch_ns: int, now: float) -> Record:
    """Makes the record of a batch; `now` is its end if its answer has not come, which nobody awaits any more."""
    identify_batch(batch)
    ended = batch.ended or now
    return {
        "kind": "batch",
        "trace": hex128(batch.trace_id),
        "span": hex64(batch.span_id),
        "worker": worker,
        "model": batch.version.model,
        "version": batch.version.number,
        "rows": batch.rows,
        "calls": batch.calls,
        "start_ns": epoch_ns + round(batch.started * NS),
        "seconds": ended - batch.started,
        "failed": batch.failed or ("" if batch.ended else "abandoned"),
        "tries": [tell_try(each, batch.started, ended) for each in batch.tries],
        "links": [link_to(call) for call in batch.kept],
    }


def stages_of(trace: CallTrace) -> Iterator[Stage]:
    """Yields name, offset, duration and span of each stage that a call reached; together they are the whole call.

    Where a call failed, the last stage is the one that failed. Answers without a model are one stage, `answer`.
    """
    start, last = trace.received, trace.received
    for name, end in marks_of(trace):
        reached = end or trace.ended
        yield name if end or trace.code else ANSWER, last - start, reached - last, hex64(stage_id(trace, name))
        if not end:
            return
        last = reached


def marks_of(trace: CallTrace) -> Iterator[tuple[str, float]]:
    """Yields each stage with the time of its end; 0 for the one in which the call ended."""
    yield "receive", trace.begun
    yield "admission", trace.admitted
    yield "routing", trace.routed
    if trace.features or trace.fetched:
        yield "features", trace.fetched
    yield "encode", trace.encoded
    if trace.batches:
        yield "queue", trace.batches[0].started
        yield INFERENCE, trace.inferred and trace.batches[-1].ended
        yield "wake", trace.inferred
    else:
        yield "queue", trace.inferred
    yield "decision", trace.decided
    yield "respond", trace.ended


def stage_id(trace: CallTrace, name: str) -> int:
    """Returns the span of a stage; that of the inference is also what its batch links to."""
    return trace.span_id ^ (hash_of(name) or 1)


def hash_of(name: str) -> int:
    """Returns a number of 64 bits for the name of a stage, always the same in this process."""
    found = _STAGE_IDS.get(name)
    if found is None:
        found = _STAGE_IDS[name] = getrandbits(64) or 1
    return found


_STAGE_IDS: dict[str, int] = {}


def told_of(call: CallTrace, batch: BatchTrace) -> Record:
    """Says by which batch a call was carried."""
    identify_batch(batch)
    return {
        "trace": hex128(batch.trace_id),
        "span": hex64(batch.span_id),
        "rows": batch.rows,
        "calls": batch.calls,
        "position": call.position,
        "node": batch.tries[-1].node if batch.tries else "",
    }


def link_to(call: CallTrace) -> Record:
    """Says which call a batch carried."""
    identify(call)
    return {
        "trace": hex128(call.trace_id),
        "span": hex64(call.span_id),
        "inference": hex64(stage_id(call, INFERENCE)),
        "tenant": call.tenant,
    }


def tell_try(each: Try, started: float, ended: float) -> list[Any]:
    """Tells an attempt: node, offset, duration, fault."""
    return [each.node, each.started - started, (each.ended or ended) - each.started, each.fault]
