"""Every metric that the gateway tells: names, units, labels and bounds, once for Prometheus and OTLP."""

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256


class Kind(Enum):
    """How values of a family behave."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


# Of times, in seconds: fine where a prediction usually is, so that percentiles are told apart.
SECONDS = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05),
    *(0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0),
)
# The same, a sixth of an octave apart, where two distributions are compared.
FINE_SECONDS = tuple(0.0005 * 2 ** (step / 6) for step in range(91))
# Of scores: digits of every decade, fiftieths of the unit interval, and fewer below zero than above.
_ABOVE = {digit * 10.0**power for power in range(-3, 6) for digit in range(1, 10)}
_SCORES = {round(score, 9) for score in (*_ABOVE, *(part / 50 for part in range(50)))}
_SCORES |= {-round(digit * 10.0**power, 9) for power in range(-2, 6) for digit in (1, 2, 3, 5, 7)}
SCORES_APART = tuple(sorted(_SCORES))
ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0)


@dataclass(frozen=True, slots=True)
class Family:
    """A metric.

    Attributes:
        name: As Prometheus knows it.
        otlp: As OpenTelemetry knows it.
        kind: How its values behave.
        unit: UCUM, such as `s`.
        help: What it says.
        labels: Names of the labels.
        bounds: Upper bounds of the buckets of a histogram, ascending; one more has the rest.
    """

    name: str
    otlp: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def cells(self) -> int:
        """Numbers that one series of it takes: of a histogram its sum, then each bucket's count."""
        return len(self.bounds) + 2 if self.kind is Kind.HISTOGRAM else 1


_ARM = ("tenant", "service", "method", "model", "version", "arm")
_VERSION = ("model", "version")

CALLS = Family(
    "gapura_call_duration_seconds",
    "rpc.server.call.duration",
    Kind.HISTOGRAM,
    "s",
    "Time from the first byte of a call to the last of its answer.",
    (*_ARM, "code"),
    SECONDS,
)
QUEUE = Family(
    "gapura_queue_duration_seconds",
    "erp.queue.duration",
    Kind.HISTOGRAM,
    "s",
    "Time that calls waited for their batch.",
    _ARM,
    SECONDS,
)
FEATURES = Family(
    "gapura_features_duration_seconds",
    "erp.features.duration",
    Kind.HISTOGRAM,
    "s",
    "Time that calls waited for their stored features.",
    _ARM,
    SECONDS,
)
BACKEND = Family(
    "gapura_backend_duration_seconds",
    "erp.backend.duration",
    Kind.HISTOGRAM,
    "s",
    "Time that the batches of calls took, at nodes and on the way.",
    _ARM,
    SECONDS,
)
CALL_ROWS = Family("gapura_rows_total", "erp.rows", Kind.COUNTER, "{row}", "Rows of calls that reached a lane.", _ARM)
ERRORS = Family(
    "gapura_errors_total",
    "erp.errors",
    Kind.COUNTER,
    "{call}",
    "Calls that ended with an error, by its reason: shed, expired, refused, failed.",
    ("tenant", "service", "model", "code", "reason"),
)
BATCH_ROWS = Family("gapura_batch_rows", "erp.batch.rows", Kind.HISTOGRAM, "{row}", "Rows of batches.", _VERSION, ROWS)
RETRIED = Family(
    "gapura_retried_batches_total",
    "erp.batch.retries",
    Kind.COUNTER,
    "{batch}",
    "Further attempts to have a batch answered, and batches of calls that were tried apart.",
    _VERSION,
)
TRIES = Family(
    "gapura_node_batches_total",
    "erp.node.batches",
    Kind.COUNTER,
    "{batch}",
    "Batches sent to a node, by what became of them.",
    ("node", *_VERSION, "outcome"),
)
FEATURE_STATUS = Family(
    "gapura_features_total",
    "erp.features",
    Kind.COUNTER,
    "{lookup}",
    "Lookups of stored features, by what they were answered with.",
    ("status",),
)
FEATURE_READS = Family(
    "gapura_feature_reads_total", "erp.features.reads", Kind.COUNTER, "{request}", "Requests to the feature store."
)
FEATURE_ROWS = Family(
    "gapura_feature_rows_total",
    "erp.features.rows",
    Kind.COUNTER,
    "{row}",
    "Rows asked of the feature store, by what came of them.",
    ("outcome",),
)
KEPT = Family("gapura_traces_total", "erp.traces", Kind.COUNTER, "{trace}", "Traces kept, by reason.", ("why",))
DROPPED = Family(
    "gapura_traces_dropped_total",
    "erp.traces.dropped",
    Kind.COUNTER,
    "{trace}",
    "Traces that were to be kept or exported, and were not.",
    ("where",),
)
LAG = Family(
    "gapura_event_loop_lag_seconds",
    "erp.event_loop.lag",
    Kind.HISTOGRAM,
    "s",
    "How much later than asked the event loop woke.",
    (),
    SECONDS,
)
IN_FLIGHT = Family("gapura_calls_in_flight", "erp.calls.in_flight", Kind.GAUGE, "{call}", "Calls under way.")
GENERATION = Family(
    "gapura_catalog_generation", "erp.catalog.generation", Kind.GAUGE, "1", "Generation of the catalog that is live."
)
CATALOG_AGE = Family(
    "gapura_catalog_age_seconds", "erp.catalog.age", Kind.GAUGE, "s", "Time since the live catalog was published."
)
WAITING = Family(
    "gapura_lane_waiting_rows", "erp.lane.waiting", Kind.GAUGE, "{row}", "Rows that wait in a lane.", _VERSION
)
UNDER_WAY = Family(
    "gapura_lane_batches", "erp.lane.batches", Kind.GAUGE, "{batch}", "Batches of a lane under way.", _VERSION
)
SLOTS = Family(
    "gapura_lane_slots", "erp.lane.slots", Kind.GAUGE, "{batch}", "Batches of a lane that may be under way.", _VERSION
)
NODE_READY = Family(
    "gapura_node_ready",
    "erp.node.ready",
    Kind.GAUGE,
    "1",
    "Whether a node answers for a model version: 1, 0.5 while it is ejected, or 0.",
    ("node", *_VERSION),
)
NODE_ROWS = Family(
    "gapura_node_outstanding_rows", "erp.node.outstanding", Kind.GAUGE, "{row}", "Rows at a node.", ("node",)
)
USAGE_HELD = Family(
    "gapura_usage_held_calls",
    "erp.usage.held",
    Kind.GAUGE,
    "{call}",
    "Charged calls that could not be written to disk yet.",
)

_TRIAL = ("model", "experiment", "arm", "version")
_SHADOW = ("model", "arm", "version")

TRIALS = Family(
    "gapura_experiment_call_duration_seconds",
    "erp.experiment.call.duration",
    Kind.HISTOGRAM,
    "s",
    "Time that calls of an experiment took, by how they ended: answered, failed or refused.",
    (*_TRIAL, "outcome"),
    FINE_SECONDS,
)
SCORES = Family(
    "gapura_experiment_score",
    "erp.experiment.score",
    Kind.HISTOGRAM,
    "1",
    "Scores that an arm of an experiment gave.",
    _TRIAL,
    SCORES_APART,
)
SUBSTITUTED = Family(
    "gapura_experiment_substituted_total",
    "erp.experiment.substituted",
    Kind.COUNTER,
    "{call}",
    "Calls that the champion answered since no node was ready for the arm.",
    ("model", "experiment"),
)
HALTED = Family(
    "gapura_experiment_halted",
    "erp.experiment.halted",
    Kind.GAUGE,
    "1",
    "Whether guardrails have taken an arm's share: 1, or 0.",
    _TRIAL,
)
SHADOW_CALLS = Family(
    "gapura_shadow_calls_total",
    "erp.shadow.calls",
    Kind.COUNTER,
    "{call}",
    "Calls that a shadow was to be asked too, by what became of them: compared, shed or failed.",
    (*_SHADOW, "outcome"),
)
SHADOW_SHIFT = Family(
    "gapura_shadow_score_shift",
    "erp.shadow.score.shift",
    Kind.HISTOGRAM,
    "1",
    "By how much the score of a shadow is above the champion's for the same row.",
    _SHADOW,
    SCORES_APART,
)
SHADOW_DECISIONS = Family(
    "gapura_shadow_decisions_total",
    "erp.shadow.decisions",
    Kind.COUNTER,
    "{row}",
    "Rows for which the decision of a shadow was the champion's, or another: same or other.",
    (*_SHADOW, "decision"),
)

HEARTBEAT = Family(
    "gapura_heartbeat_timestamp_seconds",
    "erp.heartbeat",
    Kind.GAUGE,
    "s",
    "When the process last told of itself, in seconds since 1970; gauges of one that is silent are not told.",
)

FAMILIES = (
    *(CALLS, QUEUE, FEATURES, BACKEND, CALL_ROWS, ERRORS, BATCH_ROWS, RETRIED, TRIES, FEATURE_STATUS, FEATURE_READS),
    *(FEATURE_ROWS, KEPT, DROPPED, LAG, IN_FLIGHT, GENERATION, CATALOG_AGE, WAITING, UNDER_WAY, SLOTS, NODE_READY),
    *(NODE_ROWS, USAGE_HELD, TRIALS, SCORES, SUBSTITUTED, HALTED, SHADOW_CALLS, SHADOW_SHIFT, SHADOW_DECISIONS),
    HEARTBEAT,
)

# Where this differs, numbers mean something else.
FINGERPRINT = sha256(repr(FAMILIES).encode()).hexdigest()[:16]
