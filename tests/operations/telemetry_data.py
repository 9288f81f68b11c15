"""Telemetry as processes write it, by hand: sheets, states and traces, of whatever a test wants to have happened."""

import json
from pathlib import Path
from time import time, time_ns
from typing import Any

from gateway.telemetry.families import CALL_ROWS, CALLS, ERRORS, HEARTBEAT, IN_FLIGHT
from gateway.telemetry.instruments import Instruments
from gateway.telemetry.sheet import open_sheet
from gateway.telemetry.words import CODES

MODEL = "team3_credit_scoring"
PATH = "/erpml.finance.v1.CreditService/ScoreApplicant"
NS = 1_000_000_000

STAGES = {
    "receive": 0.01,
    "admission": 0.01,
    "routing": 0.01,
    "features": 0.17,
    "encode": 0.03,
    "queue": 0.22,
    "inference": 0.5,
    "wake": 0.01,
    "decision": 0.02,
    "respond": 0.02,
}


class Worker:
    """A process that takes calls.

    Args:
        folder: Telemetry folder.

    Attributes:
        name: Of the process.
        instruments: Count.
    """

    def __init__(self, folder: Path) -> None:
        self.sheet = open_sheet(folder, "gateway")
        self.name = f"gateway-{self.sheet.identity.number}"
        self.instruments = Instruments(self.sheet)
        self._folder = folder

    def count(  # noqa: PLR0913 - what a call is
        self,
        seconds: float,
        *,
        tenant: str = "acme",
        model: str = MODEL,
        version: str = "2",
        arm: str = "champion",
        code: str = "OK",
        reason: str = "MODEL_FAILED",
        rows: int = 8,
    ) -> None:
        """Counts a call."""
        service, method = PATH.strip("/").split("/")
        labels = (tenant, service, method, model, version, arm)
        self.instruments.histogram(CALLS, *labels, code).observe(seconds)
        self.instruments.counter(CALL_ROWS, *labels).add(rows)
        if code != "OK":
            self.instruments.counter(ERRORS, tenant, service, model, code, reason).add()

    def beat(self, now: float | None = None, in_flight: int = 3) -> None:
        """Tells that it lives."""
        self.instruments.gauge(HEARTBEAT).set(time() if now is None else now)
        self.instruments.gauge(IN_FLIGHT).set(in_flight)

    def tell(self, **parts: Any) -> None:
        """Writes its state."""
        state = {"worker": self.name, "role": "gateway", "written_ns": time_ns(), "pid": 4711, **parts}
        (self._folder / f"{self.name}.state.json").write_text(json.dumps(state))

    def keep(self, *records: dict[str, Any]) -> None:
        """Writes traces."""
        with (self._folder / f"{self.name}.traces.jsonl").open("a") as file:
            file.writelines(f"{json.dumps({**record, 'worker': self.name})}\n" for record in records)


def call(number: int, seconds: float = 0.012, code: str = "OK", **parts: Any) -> dict[str, Any]:
    """Returns the record of a call; its trace is made of a number."""
    record = {
        "kind": "call",
        "trace": f"{number:032x}",
        "span": f"{number:032x}"[16:],
        "parent": "",
        "state": "",
        "path": PATH,
        "tenant": "acme",
        "model": MODEL,
        "version": 2,
        "arm": "champion",
        "code": CODES.index(code),
        "code_name": code,
        "reason": "" if code == "OK" else "MODEL_FAILED",
        "message": "" if code == "OK" else "the model failed on these inputs",
        "why": "head" if code == "OK" else "error",
        "rows": 8,
        "start_ns": time_ns() - round(seconds * NS),
        "seconds": seconds,
        "stages": stages(seconds, "inference" if code != "OK" else ""),
        "features": [],
        "from_memory": False,
        "batches": [],
    }
    return {**record, **parts}


def stages(seconds: float, last: str = "") -> list[list[Any]]:
    """Returns stages that add up to a time; up to the last one, if it is named."""
    names = list(STAGES)[: list(STAGES).index(last) + 1] if last else list(STAGES)
    whole, offset, found = sum(STAGES[name] for name in names), 0.0, []
    for number, name in enumerate(names):
        taken = STAGES[name] / whole * seconds
        found.append([name, offset, taken, f"{number + 1:016x}"])
        offset += taken
    return found


def batch(number: int, *calls: dict[str, Any], failed: str = "", tries: Any = None, **parts: Any) -> dict[str, Any]:
    """Returns the record of a batch that carried calls, to which it is added."""
    inference = {stage[0]: stage for stage in calls[0]["stages"]}["inference"]
    trace, span = f"{number:032x}", f"{number:032x}"[16:]
    rows = sum(each["rows"] for each in calls) + 16
    for position, each in enumerate(calls):
        carried = {"trace": trace, "span": span, "rows": rows, "calls": len(calls) + 2, "position": 8 * position}
        each["batches"] = [*each["batches"], {**carried, "node": tries[-1][0] if tries else "127.0.0.1:8001"}]
    links = [{name: each[name] for name in ("trace", "span", "tenant")} | {"inference": ""} for each in calls]
    record = {
        "kind": "batch",
        "trace": trace,
        "span": span,
        "model": calls[0]["model"],
        "version": calls[0]["version"],
        "rows": rows,
        "calls": len(calls) + 2,
        "start_ns": calls[0]["start_ns"] + round(inference[1] * NS),
        "seconds": inference[2],
        "failed": failed,
        "tries": tries or [["127.0.0.1:8001", 0.0, inference[2], ""]],
        "links": links,
    }
    return {**record, **parts}
