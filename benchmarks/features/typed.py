"""Typed credit and fraud calls by ids alone, against the same calls with all features in the request.

    python -m benchmarks.features.typed [--seconds 5] [--rounds 5]

Needs what `make run ARGS=--once` leaves: live models, and the sources of the views. A gateway in a process of its own,
with a Valkey of its own that `gapura features materialize` fills. The two kinds of calls take turns; before they are
timed, every one of the requests has got the same answer in both ways. It ends with status 1 when calls by ids alone
have less than 0.8 of the throughput of the others.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import pandas as pd
import uvloop
from erpml.finance.v1 import credit_service_pb2, fraud_service_pb2
from google.protobuf.message import Message

from benchmarks.arena import write_tenants_of
from benchmarks.gateway_process import running_gateway
from benchmarks.lanes.cpu import tree_seconds
from benchmarks.steady_load import SteadyLoad
from hub.quickstart.requests import fill
from tests.redis_servers import redis_server

ASKED = 512
LEAST_RATIO = 0.8
SOURCES = Path("var/features")


@dataclass(frozen=True, slots=True)
class Method:
    """A method that looks features up.

    Attributes:
        path: `/package.Service/Method`.
        request: Class of its requests.
        response: Class of its responses.
        score: Field of the response that is compared.
        views: View by the field of the request that has the entity.
    """

    path: str
    request: Any
    response: Any
    score: str
    views: Mapping[str, str]

    def requests(self) -> tuple[list[Message], list[Message]]:
        """Returns requests with ids alone, and the same with all features."""
        rows = {own: latest_rows(view) for own, view in self.views.items()}
        bare, full = [], []
        for number in range(ASKED):
            request = self.request(**own_fields(self.request, number))
            for own, table in rows.items():
                setattr(request, own, str(table.index[number % len(table)]))
            bare.append(request)
            whole = self.request()
            whole.CopyFrom(request)
            for table in rows.values():
                fill(whole, defaultdict(lambda: math.nan, table.iloc[number % len(table)].to_dict()))
            full.append(whole)
        return bare, full


@dataclass(frozen=True, slots=True)
class World:
    """What is measured.

    Attributes:
        address: Of the gateway.
        key: Of a tenant.
        pid: The gateway's process.
    """

    address: str
    key: str
    pid: int


@dataclass(slots=True)
class Figures:
    """What became of one kind of calls, round by round.

    Attributes:
        rates: Calls a second.
        cpu_ms: CPU of the gateway per 1,000 calls, in milliseconds.
    """

    rates: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{median(self.rates):7,.0f}/s at {median(self.cpu_ms):4.0f} ms of CPU per 1,000"


def latest_rows(view: str) -> pd.DataFrame:
    """Returns the latest row of some entities of a view, by id."""
    table = pd.read_parquet(SOURCES / f"{view}.parquet")
    entity = next(column for column in table.columns if column.endswith("_id"))
    return table.sort_values("event_time").groupby(entity, sort=False).last().drop(columns="event_time").tail(ASKED)


def own_fields(request: Any, number: int) -> dict[str, Any]:
    """Returns what a request says that is nowhere stored."""
    if request is credit_service_pb2.ScoreCreditRequest:
        return {}
    return {
        "amount_minor": 100 * (number + 1),
        "hour_of_day": number % 24,
        "card_present": number % 2 == 0,
    }


METHODS = {
    "credit": Method(
        "/erpml.finance.v1.CreditService/ScoreCredit",
        credit_service_pb2.ScoreCreditRequest,
        credit_service_pb2.ScoreCreditResponse,
        "default_probability",
        {"customer_id": "customer_credit"},
    ),
    "fraud": Method(
        "/erpml.finance.v1.FraudService/ScoreTransaction",
        fraud_service_pb2.ScoreTransactionRequest,
        fraud_service_pb2.ScoreTransactionResponse,
        "fraud_score",
        {"customer_id": "customer_fraud", "merchant_id": "merchant_fraud"},
    ),
}


@contextmanager
def world() -> Iterator[World]:
    """Runs a gateway whose features are stored."""
    with tempfile.TemporaryDirectory() as scratch, redis_server(Path(scratch)) as server:
        keys = write_tenants_of(Path(scratch) / "tenants.yaml", {"bench": {}})
        environment = {
            **os.environ,
            "GAPURA_TENANTS": f"{scratch}/tenants.yaml",
            "GAPURA_USAGE": f"{scratch}/usage",
            "GAPURA_FEATURES_URL": server.url,
        }
        for view in {view for method in METHODS.values() for view in method.views.values()}:
            command = [sys.executable, "-m", "gateway", "features", "materialize", view]
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
        with running_gateway(environment) as (pid, address):
            yield World(address, keys["bench"], pid)


async def answers(world_: World, method: Method, requests: Sequence[Message]) -> list[float]:
    """Returns the score of every request."""
    async with grpc.aio.insecure_channel(world_.address) as channel:
        call: Any = channel.unary_unary(method.path, response_deserializer=method.response.FromString)
        metadata = (("x-api-key", world_.key),)
        return [
            getattr(await call(request.SerializeToString(), metadata=metadata), method.score) for request in requests
        ]


async def ask(world_: World, method: Method, requests: Sequence[Message], seconds: float, figures: Figures) -> None:
    """Lets 64 callers ask for a while."""
    messages = [request.SerializeToString() for request in requests]
    async with SteadyLoad(world_.address, messages, lambda _, __: "", path=method.path, api_key=world_.key) as load:
        await load.during(0.5)
        cpu = tree_seconds([world_.pid])
        seen = await load.during(seconds)
        cpu = tree_seconds([world_.pid]) - cpu
    assert not seen.failed, seen.problems
    figures.rates.append(seen.calls / seconds)
    figures.cpu_ms.append(cpu / seen.calls * 1e6)


async def compare(world_: World, name: str, seconds: float, rounds: int) -> float:
    """Prints what both kinds of calls of a method do; returns the ratio of their throughput."""
    method, by_id, by_all = METHODS[name], Figures(), Figures()
    bare, full = method.requests()
    for round_ in range(2):  # the second time, rows are at hand
        scores = zip(await answers(world_, method, bare), await answers(world_, method, full), strict=True)
        differing = sum(one != other for one, other in scores)
        assert not differing, f"{name}: {differing} of {ASKED} answers differ in round {round_}"
    for _ in range(rounds):
        await ask(world_, method, bare, seconds, by_id)
        await ask(world_, method, full, seconds, by_all)
    ratio = median(by_id.rates) / median(by_all.rates)
    print(f"{name:8} by ids alone {by_id}   all in the request {by_all}   ratio {ratio:.2f}", flush=True)
    return ratio


async def compare_all(world_: World, seconds: float, rounds: int) -> list[float]:
    """Returns the ratio of every method."""
    return [await compare(world_, name, seconds, rounds) for name in METHODS]


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with world() as measured:
        ratios = uvloop.run(compare_all(measured, chosen.seconds, chosen.rounds))
    raise SystemExit(f"at least {LEAST_RATIO}" if min(ratios) < LEAST_RATIO else 0)


if __name__ == "__main__":
    main()
