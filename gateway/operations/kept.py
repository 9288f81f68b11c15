"""Kept traces as they are read back from files: calls, and the batches that carried them."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gateway.telemetry.records import NS
from gateway.telemetry.words import SERVER_ERROR_NAMES, service_and_method

IDENTIFIER = re.compile(r"[0-9a-f]{32}")

Seconds = Annotated[float, Field(allow_inf_nan=False)]


class Stage(NamedTuple):
    """A stage of a call: when it began after the call, how long it took, and its span."""

    name: str
    offset: Seconds
    seconds: Seconds
    span: str = ""


class Try(NamedTuple):
    """An attempt to have a batch answered: by whom, when after the batch left, how long, and why it did not count."""

    node: str
    offset: Seconds
    seconds: Seconds
    fault: str = ""


class Record(BaseModel):
    """What calls and batches have in common."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    trace: str = Field(pattern=IDENTIFIER.pattern)
    span: str
    worker: str = ""
    model: str = ""
    version: int = 0
    rows: int = 0
    start_ns: int
    seconds: Seconds

    @property
    def started(self) -> float:
        """When it began, in seconds since 1970."""
        return self.start_ns / NS


class Carriage(BaseModel):
    """The batch that carried a call, and at which row of it the call's own begin."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    trace: str
    span: str = ""
    rows: int = 0
    calls: int = 0
    position: int = 0
    node: str = ""


class Link(BaseModel):
    """A kept call that a batch carried, and its span while it did."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    trace: str
    span: str = ""
    inference: str = ""
    tenant: str = ""


class KeptCall(Record):
    """A call; `gateway.telemetry.records` says what is what."""

    kind: Literal["call"]
    parent: str = ""
    state: str = ""
    path: str = ""
    tenant: str = ""
    arm: str = ""
    code: int = 0
    code_name: str = "OK"
    reason: str = ""
    message: str = ""
    why: str = ""
    stages: tuple[Stage, ...] = ()
    features: tuple[tuple[str, str], ...] = ()
    from_memory: bool = False
    batches: tuple[Carriage, ...] = ()

    @property
    def service(self) -> str:
        """Name of its service, with the package."""
        return service_and_method(self.path)[0]

    @property
    def method(self) -> str:
        """Name of its method alone."""
        return service_and_method(self.path)[1]

    @property
    def failed(self) -> bool:
        """Says whether the server failed, rather than its caller."""
        return self.code_name in SERVER_ERROR_NAMES


class KeptBatch(Record):
    """A batch; `gateway.telemetry.records` says what is what."""

    kind: Literal["batch"]
    calls: int = 0
    failed: str = ""
    tries: tuple[Try, ...] = ()
    links: tuple[Link, ...] = ()


Kept = KeptCall | KeptBatch

_RECORDS: TypeAdapter[Kept] = TypeAdapter(Annotated[Kept, Field(discriminator="kind")])


def parse_lines(lines: bytes) -> Iterator[Kept]:
    """Yields the records of some lines; one that is damaged is left out."""
    for line in lines.splitlines():
        try:
            yield _RECORDS.validate_json(line)
        except ValidationError:
            continue
