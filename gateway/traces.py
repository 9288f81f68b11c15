"""What is noted of a call, and of the batch that carries it, on their way through the stages.

Nothing here is computed: stages write down times by `perf_counter`, and telemetry makes of them what is told.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import getrandbits
from time import perf_counter
from typing import NamedTuple

from gateway.feature_views import Features, Lookup
from gateway.types import Arm, ModelVersion


class Try(NamedTuple):
    """One attempt to have a batch answered.

    Attributes:
        node: Address of the node, or `embedded`.
        started: When it was sent.
        ended: When its outcome was known; 0 while it is not.
        fault: Why it did not count; empty if it did, or might still.
    """

    node: str
    started: float
    ended: float = 0.0
    fault: str = ""


class BatchTrace:
    """One batch on its way to a backend and back.

    Args:
        version: Who answers.
        calls: Its calls; each ends it in its turn, when its caller has been answered.

    Attributes:
        rows: Its rows.
        started: When it left its lane.
        ended: When its answer came or it failed; 0 before.
        tries: Attempts to have it answered.
        failed: Name of the error that it ended with, or nothing.
        open: Calls of it that have not ended yet.
        kept: Those of its calls whose traces are kept.
        chosen: Whether a call of it was chosen to be traced when it came, so that the node is to trace it too.
        trace_id: 128 bits, 0 until it is identified.
        span_id: 64 bits, as above.
    """

    __slots__ = (
        *("calls", "chosen", "ended", "failed", "kept", "open", "rows", "span_id", "started", "trace_id", "tries"),
        "version",
    )

    def __init__(self, version: ModelVersion, calls: int) -> None:
        self.version = version
        self.calls = self.open = calls
        self.rows = self.trace_id = self.span_id = 0
        self.started, self.ended = perf_counter(), 0.0
        self.failed = ""
        self.chosen = False
        self.tries: list[Try] = []
        self.kept: list[CallTrace] = []

    def send(self, node: str) -> int:
        """Notes that an attempt begins; returns its number."""
        self.tries.append(Try(node, perf_counter()))
        return len(self.tries) - 1

    def settle(self, number: int, fault: str = "") -> None:
        """Notes what became of an attempt."""
        self.tries[number] = self.tries[number]._replace(ended=perf_counter(), fault=fault)

    @contextmanager
    def attempt(self, node: str) -> Iterator[None]:
        """Notes an attempt, which the context is."""
        number = self.send(node)
        try:
            yield
        except Exception as error:
            self.settle(number, str(error) or type(error).__name__)
            raise
        self.settle(number)

    def fail(self, error: Exception) -> None:
        """Notes that it ended with an error."""
        self.ended, self.failed = perf_counter(), type(error).__name__


class CallTrace:
    """One call, from its first byte here to the last of its answer.

    Args:
        path: `/package.Service/Method`.
        received: When it came.

    Each time but the first is that of the end of a stage, 0 if the call did not get that far.

    Attributes:
        path: `/package.Service/Method`.
        parent: The caller's `traceparent`, as it came.
        state: The caller's `tracestate`, as it came.
        chosen: Whether the call was chosen to be traced when it came.
        deadline: When its caller stops waiting, or None.
        received: When it came.
        begun: When its turn came.
        admitted: When its tenant was known and let in.
        routed: When its arm was chosen.
        fetched: When its stored features were there; 0 too if it needs none.
        encoded: When its inputs were ready for the lane.
        inferred: When it had its outputs.
        decided: When its answer was made.
        ended: When its answer was handed over.
        tenant: Name of its tenant.
        version: Who answers.
        arm: Name of the arm.
        experiment: Name of the experiment that took the call.
        rows: Rows of its inputs.
        wanted: The stored features that it needs.
        features: What there is of them.
        from_memory: Whether all of them were at hand.
        batches: What carried it: one batch, or several where a batch failed and was tried apart.
        position: Its first row in the last of them.
        code: Number of the gRPC code that it ended with.
        reason: Reason of its error.
        message: What its caller was told of it.
        trace_id: 128 bits, 0 until it is identified: the caller's, if it told a valid one.
        span_id: 64 bits, as above.
        parent_id: The caller's span, as above; 0 if there is none.
    """

    __slots__ = (
        *("admitted", "begun", "decided", "deadline", "encoded", "ended", "fetched", "inferred", "received", "routed"),
        *(
            "arm",
            "batches",
            "chosen",
            "code",
            "experiment",
            "features",
            "from_memory",
            "message",
            "parent",
            "parent_id",
            "path",
        ),
        *("position", "reason", "rows", "span_id", "state", "tenant", "trace_id", "version", "wanted"),
    )

    def __init__(self, path: str = "", received: float = 0.0) -> None:
        self.path = path
        self.received = received
        self.parent = self.state = self.tenant = self.arm = self.experiment = self.reason = self.message = ""
        self.chosen = self.from_memory = False
        self.begun = self.admitted = self.routed = self.fetched = 0.0
        self.encoded = self.inferred = self.decided = self.ended = 0.0
        self.deadline: float | None = None
        self.version: ModelVersion | None = None
        self.rows = self.position = self.code = self.trace_id = self.span_id = self.parent_id = 0
        self.wanted: Sequence[Lookup | None] = ()
        self.features: Sequence[Features] = ()
        self.batches: tuple[BatchTrace, ...] = ()

    def route(self, arm: Arm) -> None:
        """Notes who answers."""
        self.version = arm.version
        self.arm = arm.name
        self.experiment = arm.experiment
        self.routed = perf_counter()

    def fetch(self, wanted: Sequence[Lookup | None], features: Sequence[Features], from_memory: bool) -> None:  # noqa: FBT001 - in order, half the time
        """Notes its stored features."""
        self.wanted = wanted
        self.features = features
        self.from_memory = from_memory
        self.fetched = perf_counter()

    def encode(self, rows: int) -> None:
        """Notes that its inputs are ready."""
        self.rows = rows
        self.encoded = perf_counter()

    def part(self) -> "CallTrace":
        """Returns what a part of the call, which has an arm of its own, is noted in."""
        part = CallTrace(self.path, self.received)
        part.tenant, part.chosen, part.deadline = self.tenant, self.chosen, self.deadline
        return part

    def join(self, parts: Sequence["CallTrace"]) -> None:
        """Notes what became of the parts: the call is as slow as the slowest, and has the arm of the first."""
        first = parts[0]
        self.version, self.arm, self.experiment = first.version, first.arm, first.experiment
        self.wanted, self.features = first.wanted, first.features
        self.batches = tuple(batch for part in parts for batch in part.batches)
        self.rows = sum(part.rows for part in parts)
        for time in ("routed", "fetched", "encoded", "inferred", "decided"):
            setattr(self, time, max(getattr(part, time) for part in parts))


# Of calls that nobody watches: what is noted here is never read.
UNTRACED = CallTrace()

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


def identify(call: CallTrace) -> None:
    """Gives a call its identifiers, if it has none: those of its caller's trace, as W3C defines them, or new ones."""
    if call.trace_id:
        return
    call.span_id = getrandbits(64) or 1
    found = _PARENT.fullmatch(call.parent) if call.parent else None
    if found is None:
        call.trace_id, call.state = getrandbits(128) or 1, ""
    else:
        call.trace_id, call.parent_id = int(found[1], 16), int(found[2], 16)


def identify_batch(batch: BatchTrace) -> None:
    """Gives a batch its identifiers, if it has none: it is a trace of its own."""
    if not batch.trace_id:
        batch.trace_id, batch.span_id = getrandbits(128) or 1, getrandbits(64) or 1


def traceparent_of(batch: BatchTrace) -> str:
    """Returns what a node is told, so that its own spans belong to the batch; it is sampled."""
    identify_batch(batch)
    return f"00-{hex128(batch.trace_id)}-{hex64(batch.span_id)}-01"


def hex128(number: int) -> str:
    """Writes the identifier of a trace."""
    return f"{number:032x}"


def hex64(number: int) -> str:
    """Writes the identifier of a span."""
    return f"{number:016x}"
