"""A quarter of an hour of a small company: what screenshots show, and what browsers click through."""

from math import pi, sin
from pathlib import Path
from random import Random
from time import time, time_ns
from typing import Any

from gateway.operations.history import History
from gateway.telemetry.families import (
    BACKEND,
    FEATURE_STATUS,
    QUEUE,
    SCORES,
    SHADOW_CALLS,
    SHADOW_DECISIONS,
    SHADOW_SHIFT,
    TRIALS,
    TRIES,
)
from gateway.telemetry.reading import SheetReader
from tests.operations.telemetry_data import MODEL, NS, Worker, batch, call

FORECAST, FRAUD = "team1_demand_forecast", "team3_fraud_detection"
STEP_SECONDS, STEPS = 15, 80

# tenant, model, version, arm: calls a second, median seconds, share that fails
ARMS: dict[tuple[str, str, str, str], tuple[float, float, float]] = {
    ("acme", MODEL, "2", "champion"): (22.0, 0.0042, 0.0),
    ("acme", MODEL, "3", "challenger"): (2.6, 0.0061, 0.021),
    ("globex", MODEL, "2", "champion"): (9.0, 0.0044, 0.0),
    ("globex", FRAUD, "5", "champion"): (14.0, 0.0029, 0.0),
    ("initech", FORECAST, "7", "champion"): (4.0, 0.031, 0.0004),
    ("initech", FORECAST, "8", "challenger"): (4.1, 0.019, 0.0),
}
CREDIT_ARMS = {"champion": 2, "challenger": 3, "bold": 3}
EXPERIMENT = {
    "name": "bolder_limits",
    "seed": "s1",
    "running": True,
    "revision": "r1",
    "shares": {"champion": 5_000, "bold": 3_000, "challenger": 2_000},
    "tenants": ["acme"],
    "conditions": {"applicant.region": ["north", "west"]},
    "exclusion": "limits",
    "halts": {"bold": "p99 is 3.1 times the champion's"},
}
# By arm: calls in a minute, seconds of each, how many of ten fail, score.
TRIED = {"champion": (40, 0.004, 0, 0.25), "bold": (20, 0.012, 1, 0.5), "challenger": (20, 0.004, 0, 0.25)}
# Shifts of a shadow's scores, and how often each is seen.
SHIFTS = {0.0: 450, -0.15: 225, 0.25: 225}
SLOW, FAILED, SLOW_BATCH, FAILED_BATCH = 0x51_0E, 0xFA_11, 0xBA_51, 0xBA_FA


class Story:
    """Tells it.

    Args:
        folder: Telemetry folder.

    Attributes:
        folder: As above.
        history: What a page that ran all the time would remember.
        slow: Trace of a slow call.
        failed: Trace of a call that failed.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.history = History()
        self.slow, self.failed = f"{trace_of(SLOW):032x}", f"{trace_of(FAILED):032x}"
        self._random = Random(8)  # noqa: S311 - the same story each time
        self._workers = [Worker(folder), Worker(folder)]
        self._reader = SheetReader(folder)

    def tell(self) -> None:
        """Writes everything."""
        now = time()
        for step in range(STEPS, -1, -1):
            self._step(step)
            self.history.add(self._reader.take(now - step * STEP_SECONDS))
        self._try()
        self._keep()
        self.beat()
        self.history.add(self._reader.take())
        self._reader.close()

    def beat(self) -> None:
        """Lets the processes tell of themselves, now."""
        for number, worker in enumerate(self._workers):
            worker.beat(in_flight=4 + number)
            worker.tell(**state(number))

    def _step(self, step: int) -> None:
        """Counts a quarter of a minute."""
        tide = 1 + 0.25 * sin(2 * pi * step / 40)
        for (tenant, model, version, arm), (rate, median, failing) in ARMS.items():
            for _ in range(round(rate * STEP_SECONDS * tide * self._random.uniform(0.9, 1.1))):
                seconds = median * self._random.lognormvariate(0, 0.45)
                fails = self._random.random() < failing * (2.5 if step < 12 else 0.6)
                refused = tenant == "globex" and self._random.random() < 0.004
                code, reason = ("INTERNAL", "MODEL_FAILED") if fails else ("OK", "")
                if refused:
                    code, reason = "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"
                worker = self._random.choice(self._workers)
                worker.count(
                    seconds, tenant=tenant, model=model, version=version, arm=arm, code=code, reason=reason, rows=8
                )
        for worker in self._workers:
            for status, share in (("FRESH", 930), ("STALE", 40 + 3 * max(0, 20 - step)), ("DEFAULT", 12)):
                worker.instruments.counter(FEATURE_STATUS, status).add(share)
            for node in ("127.0.0.1:8001", "127.0.0.1:8002"):
                worker.instruments.counter(TRIES, node, MODEL, "2", "answered").add(90)
            worker.instruments.counter(TRIES, "127.0.0.1:8002", MODEL, "3", "fault").add(1)
            worker.instruments.histogram(QUEUE, "acme", "", "", MODEL, "2", "champion").observe(0.001)
            worker.instruments.histogram(BACKEND, "acme", "", "", MODEL, "2", "champion").observe(0.002)

    def _try(self) -> None:
        """Counts calls of an experiment, and comparisons of a shadow."""
        count = self._workers[0].instruments
        for arm, (calls, seconds, failing, score) in TRIED.items():
            labels = (MODEL, "bolder_limits", arm, str(CREDIT_ARMS[arm]))
            for number in range(calls):
                outcome = "failed" if number % 10 < failing else "answered"
                count.histogram(TRIALS, *labels, outcome).observe(seconds)
                count.histogram(SCORES, *labels).observe(score)
        shadow = (MODEL, "rival", "3")
        for outcome, calls in (("compared", 900), ("shed", 100), ("failed", 0)):
            count.counter(SHADOW_CALLS, *shadow, outcome).add(calls)
        for decision, rows in (("same", 720), ("other", 180)):
            count.counter(SHADOW_DECISIONS, *shadow, decision).add(rows)
        for shift, rows in SHIFTS.items():
            for _ in range(rows):
                count.histogram(SHADOW_SHIFT, *shadow).observe(shift)

    def _keep(self) -> None:
        """Writes traces: many usual ones, failed ones, a slow one."""
        first = self._workers[0]
        for number in range(60):
            (tenant, model, version, arm), (_, median, _) = self._random.choice(list(ARMS.items()))
            seconds = median * self._random.lognormvariate(0, 0.45)
            usual = call(trace_of(number), seconds, tenant=tenant, model=model, version=int(version), arm=arm)
            usual["start_ns"] = time_ns() - round((120 - 2 * number) * NS)
            first.keep(usual, batch(trace_of(5000 + number), usual))
        slow = call(trace_of(SLOW), 0.412, why="slow", features=[["applicants", "FRESH"]], stages=SLOW_STAGES)
        beside = call(trace_of(SLOW + 1), 0.398, why="slow", tenant="globex", stages=SLOW_STAGES)
        tries = [["127.0.0.1:8002", 0.0, 0.2, "no answer within 200 ms"], ["127.0.0.1:8001", 0.2, 0.103, ""]]
        first.keep(slow, beside, batch(trace_of(SLOW_BATCH), slow, beside, tries=tries))
        challenger: dict[str, Any] = {"arm": "challenger", "version": 3}
        failed = call(trace_of(FAILED), 0.0094, "INTERNAL", **challenger)
        failed["message"] = "'team3_credit_scoring' version 3 failed on these inputs: negative age in row 4"
        tries = [["127.0.0.1:8002", 0.0, 0.0041, "INTERNAL: negative age in row 4"]]
        first.keep(failed, batch(trace_of(FAILED_BATCH), failed, failed="ModelFailed", tries=tries))
        for number in range(3):
            other = call(trace_of(900 + number), 0.008 + number / 1000, "INTERNAL", **challenger)
            other["start_ns"] -= (20 + number * 7) * NS
            first.keep(other)


SLOW_STAGES = [
    *(["receive", 0.0, 0.0004, "1" * 16], ["admission", 0.0004, 0.0002, "2" * 16]),
    *(["routing", 0.0006, 0.0001, "3" * 16], ["features", 0.0007, 0.0243, "4" * 16]),
    *(["encode", 0.025, 0.002, "5" * 16], ["queue", 0.027, 0.076, "6" * 16]),
    *(["inference", 0.103, 0.303, "7" * 16], ["wake", 0.406, 0.001, "8" * 16]),
    *(["decision", 0.407, 0.003, "9" * 16], ["respond", 0.41, 0.002, "a" * 16]),
]


def trace_of(number: int) -> int:
    """Makes a trace that looks like one."""
    return Random(number).getrandbits(128) | 1 << 127  # noqa: S311 - the same each time


def state(number: int) -> dict[str, Any]:
    """Returns what a process tells."""
    now = time_ns()
    arms = [{"name": name, "version": version} for name, version in CREDIT_ARMS.items()]
    forecast = [{"name": "champion", "version": 7}, {"name": "challenger", "version": 8}]
    fraud = [{"name": "champion", "version": 5}]
    published = now - 5400 * NS
    history = [
        {"generation": 41, "live_since_ns": published + NS, "changes": [f"{MODEL} challenger 3 added, 10 % of calls"]},
        {"generation": 40, "live_since_ns": now - 93_000 * NS, "changes": [f"{FORECAST} champion 6 → 7"]},
        {"generation": 39, "live_since_ns": now - 180_000 * NS, "changes": [f"{FRAUD} champion 4 → 5"]},
    ]
    models = [
        {"name": FORECAST, "policy": {"split": [0.5]}, "arms": forecast, "versions": [7, 8]},
        {"name": MODEL, "policy": {"threshold": [0.62]}, "arms": arms, "versions": [2, 3]}
        | {"experiments": [EXPERIMENT], "shadows": [{"name": "rival", "version": 3, "share": 0.5}]},
        {"name": FRAUD, "policy": {}, "arms": fraud, "versions": [4, 5]},
    ]
    lane = {"slots": 6, "refused": 0, "expired": number, "cancelled": 2, "retried": 3 * number}
    node = {"model": MODEL, "ready": True, "health": "ready", "ejected": False, "problem": ""}
    quota = {"rate": 40.0, "burst": 80.0, "left": 61.0 - 20 * number}
    none = {"rate": None, "burst": None, "left": None}
    return {
        "instance": f"story-{number}",
        "started_ns": now - (7200 + 40 * number) * NS,
        "pid": 4711 + number,
        "version": "0.1.0",
        "address": "127.0.0.1:9003",
        "calls_in_flight": 4 + number,
        "lag_seconds": {"last": 0.0002, "worst": 0.0041},
        "catalog": {
            "generation": 41,
            "published_ns": published,
            "live_since_ns": published + NS,
            "models": models,
            "history": history,
        },
        "lanes": [
            {
                **lane,
                "model": MODEL,
                "version": 2,
                "waiting_rows": 24,
                "under_way": 2,
                "batches": 8123,
                "rows": 214_000,
            },
            {**lane, "model": MODEL, "version": 3, "waiting_rows": 0, "under_way": 1, "batches": 81, "rows": 902},
            {**lane, "model": FORECAST, "version": 7, "waiting_rows": 8, "under_way": 1, "batches": 171, "rows": 2280},
        ],
        "shadows": [{"model": MODEL, "arm": "rival", "version": 3, "queued": 12, "compared": 450}],
        "nodes": [
            {**node, "address": "127.0.0.1:8001", "version": 2, "outstanding_rows": 48, "latency_seconds": 0.0021},
            {**node, "address": "127.0.0.1:8002", "version": 2, "outstanding_rows": 16, "latency_seconds": 0.0034},
            {**node, "address": "127.0.0.1:8002", "version": 3, "ejected": number == 0, "problem": "3 faults in a row"},
        ],
        "tenants": [
            {"name": "acme", "priority": "high", "in_flight": 3, "calls": quota, "rows": none, "concurrency": 16},
            {"name": "globex", "priority": "normal", "in_flight": 1, "concurrency": None, "rows": none}
            | {"calls": {"rate": 25.0, "burst": 50.0, "left": 2.0}},
            {"name": "initech", "priority": "low", "in_flight": 0, "calls": none, "rows": none, "concurrency": None},
        ],
        "features": {"reads": 100, "rows": 900, "hits": 880, "misses": 20, "statuses": {"FRESH": 880}},
        "log_level": "info",
    }
