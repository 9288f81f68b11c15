"""What processes tell of themselves, as it is read back; whatever is missing or not understood is left out."""

import json
from collections.abc import Iterator
from pathlib import Path
from time import time_ns
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway.telemetry.exemplars import Exemplar
from gateway.telemetry.pulse import STATE_SUFFIX
from gateway.telemetry.reading import SILENT_SECONDS
from gateway.telemetry.records import NS

MOST_BYTES = 16 * 1024 * 1024

log = structlog.get_logger(__name__)


class Part(BaseModel):
    """Something that a state tells."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LiveArm(Part):
    """An arm of a model."""

    name: str = ""
    version: int = 0


class LiveShadow(LiveArm):
    """A shadow of a champion, and the share of calls that it is to be asked too, from 0 to 1."""

    share: float = 1.0


class LiveExperiment(Part):
    """What divides calls: shares of arms in hundredths of a percent, whom it takes, and why arms have lost theirs."""

    name: str = ""
    running: bool = False
    shares: dict[str, int] = Field(default_factory=dict)
    tenants: tuple[str, ...] = ()
    conditions: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    exclusion: str | None = None
    halts: dict[str, str] = Field(default_factory=dict)


class LiveModel(Part):
    """A model of the catalog."""

    name: str = ""
    policy: dict[str, Any] | None = None
    arms: tuple[LiveArm, ...] = ()
    shadows: tuple[LiveShadow, ...] = ()
    experiments: tuple[LiveExperiment, ...] = ()
    versions: tuple[int, ...] = ()


class Generation(Part):
    """A generation that was live, and how it differs from the one before."""

    generation: int = 0
    live_since_ns: int = 0
    changes: tuple[str, ...] = ()


class LiveCatalog(Part):
    """The catalog that a process has."""

    generation: int = 0
    published_ns: int = 0
    live_since_ns: int = 0
    models: tuple[LiveModel, ...] = ()
    history: tuple[Generation, ...] = ()


class LaneState(Part):
    """Rows that wait for a model version, batches under way, and what there was since the process began."""

    model: str = ""
    version: int = 0
    waiting_rows: int = 0
    under_way: int = 0
    slots: float = 0
    batches: int = 0
    rows: int = 0
    refused: int = 0
    expired: int = 0
    cancelled: int = 0
    retried: int = 0


class ShadowState(Part):
    """Calls that a shadow is to be asked and was not yet."""

    model: str = ""
    arm: str = ""
    version: int = 0
    queued: int = 0


class NodeState(Part):
    """A node as one process sees it, for one model version."""

    address: str = ""
    model: str = ""
    version: int = 0
    ready: bool = False
    health: str = ""
    ejected: bool = False
    outstanding_rows: int = 0
    latency_seconds: float | None = None
    problem: str = ""


class Quota(Part):
    """So much a second, so much at once, and what is left now."""

    rate: float | None = None
    burst: float | None = None
    left: float | None = None


class TenantState(Part):
    """A tenant as one process sees it."""

    name: str = ""
    priority: str = ""
    in_flight: int = 0
    calls: Quota = Quota()
    rows: Quota = Quota()
    concurrency: int | None = None

    @field_validator("priority", mode="before")
    @classmethod
    def _in_words(cls, told: object) -> str:
        return str(told).lower()


class Lag(Part):
    """How much later than asked the event loop woke, in seconds."""

    last: float = 0.0
    worst: float = 0.0


class FeatureState(Part):
    """What came of lookups in the feature store since the process began."""

    reads: int = 0
    rows: int = 0
    unread: int = 0
    corrupt: int = 0
    hits: int = 0
    misses: int = 0
    statuses: dict[str, int] = Field(default_factory=dict)


class State(Part):
    """What a process tells of itself."""

    worker: str = ""
    role: str = ""
    instance: str = ""
    pid: int = 0
    started_ns: int = 0
    written_ns: int = 0
    version: str = ""
    address: str = ""
    calls_in_flight: int = 0
    lag_seconds: Lag = Lag()
    catalog: LiveCatalog | None = None
    lanes: tuple[LaneState, ...] = ()
    shadows: tuple[ShadowState, ...] = ()
    nodes: tuple[NodeState, ...] = ()
    tenants: tuple[TenantState, ...] = ()
    features: FeatureState | None = None
    exemplars: tuple[Exemplar, ...] = ()
    log_level: str = ""

    def silent(self, now_ns: int) -> bool:
        """Says whether it has told nothing for too long: it has ended, or hangs."""
        return now_ns - self.written_ns > SILENT_SECONDS * NS


def read_states(folder: Path, now_ns: int | None = None) -> list[State]:
    """Returns the states of processes that are not silent, by name; `now_ns` is in nanoseconds since 1970."""
    now = time_ns() if now_ns is None else now_ns
    found = (read_state(path) for path in paths_in(folder))
    return sorted(
        (state for state in found if state and not state.silent(now)), key=lambda state: place_of(state.worker)
    )


def paths_in(folder: Path) -> Iterator[Path]:
    """Yields the files of a folder that hold states; none if it cannot be read."""
    try:
        yield from folder.glob(f"*{STATE_SUFFIX}")
    except OSError as error:
        log.warning("the telemetry folder cannot be read", folder=str(folder), reason=error.strerror or repr(error))


def read_state(path: Path) -> State | None:
    """Reads what a process tells; None if nothing of it can be understood."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    return parse_state(content, path.name.removesuffix(STATE_SUFFIX))


def parse_state(content: bytes, worker: str) -> State | None:
    """Understands what a process tells; a part that is not as expected counts as missing."""
    try:
        return State.model_validate_json(content)
    except ValidationError as error:
        wrong = {each["loc"][0] for each in error.errors(include_url=False) if each["loc"]}
    if not wrong:
        return None
    log.debug("parts of a state are not understood", worker=worker, parts=sorted(map(str, wrong)))
    return State.model_validate({name: value for name, value in json.loads(content).items() if name not in wrong})


def place_of(worker: str) -> tuple[str, int]:
    """Returns where a process stands among others: `gateway-2` before `gateway-10`."""
    role, _, number = worker.rpartition("-")
    return role, int(number) if number.isdecimal() else 0
