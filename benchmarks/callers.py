"""Many callers of one typed method at once: calls a second, average batch, and CPU for gateway and callers.

    python -m benchmarks.callers [--callers 64] [--seconds 5]

Needs a published credit model (`gapura publish`). The gateway runs in this process, the callers in another, so that
each has a core. Every caller sends applicants of its own and checks that each answer is the one that the same
applicant got alone, before the clock started.
"""

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import grpc
import uvloop
from erpml.finance.v1 import credit_service_pb2 as credit
from erpml.finance.v1 import credit_service_pb2_grpc
from tritonclient.grpc.aio import InferenceServerClient

from gateway.settings import Settings, read_settings
from gateway.tenancy.changing import write_tenants
from gateway.tenancy.keys import new_key
from gateway.tenancy.policies import KeyEntry, TenantPolicy, Tenants
from gateway.testing import running_gateway

APPLICANTS = 256
"""Distinct applicants, dealt out to the callers."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the callers measured.

    Attributes:
        calls: Calls answered.
        wrong: Answers that were another applicant's.
        seconds: Wall-clock time.
        cpu_seconds: CPU time of the callers.
    """

    calls: int
    wrong: int
    seconds: float
    cpu_seconds: float


def applicant(seed: int) -> credit.ScoreCreditRequest:
    """Returns a made-up applicant; the same seed is the same applicant."""
    draw = random.Random(seed)  # noqa: S311 - not a secret
    return credit.ScoreCreditRequest(
        customer_id=f"C-{seed}",
        revolving_utilization=draw.random() * 1.5,
        age_years=draw.randint(18, 90),
        times_past_due_30_59_days=draw.randint(0, 4),
        debt_ratio=draw.random() * 2,
        monthly_income=draw.randint(500, 20_000),
        open_credit_lines=draw.randint(0, 20),
        times_past_due_90_days=draw.randint(0, 3),
        real_estate_loans=draw.randint(0, 4),
        times_past_due_60_89_days=draw.randint(0, 3),
        dependents=draw.randint(0, 5),
    )


async def call_for_a_while(address: str, api_key: str, callers: int, seconds: float) -> Load:
    """Lets the callers call, one after the other each, and checks every answer."""
    metadata = (("x-api-key", api_key),)
    async with grpc.aio.insecure_channel(address) as channel:
        stub: credit_service_pb2_grpc.CreditServiceAsyncStub = credit_service_pb2_grpc.CreditServiceStub(channel)
        applicants = [applicant(seed) for seed in range(APPLICANTS)]
        alone = [(await stub.ScoreCredit(each, metadata=metadata)).default_probability for each in applicants]
        calls = wrong = 0
        start, cpu = monotonic(), resource.getrusage(resource.RUSAGE_SELF)

        async def caller(number: int) -> None:
            nonlocal calls, wrong
            position = number % APPLICANTS
            while monotonic() - start < seconds:
                answer = await stub.ScoreCredit(applicants[position], metadata=metadata)
                wrong += answer.default_probability != alone[position]
                calls += 1
                position = (position + callers) % APPLICANTS

        await asyncio.gather(*(caller(number) for number in range(callers)))
        return Load(calls, wrong, monotonic() - start, cpu_since(cpu))


def cpu_since(before: resource.struct_rusage) -> float:
    """Returns the CPU seconds of this process since `before`."""
    now = resource.getrusage(resource.RUSAGE_SELF)
    return now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime


async def measure(callers: int, seconds: float) -> None:
    """Measures with a tenant made for the purpose."""
    settings = read_settings(listen="127.0.0.1:0")
    key, hashed = new_key()
    policy = TenantPolicy(name="benchmark", models=("*",), keys=(KeyEntry.of(hashed),))
    with tempfile.TemporaryDirectory() as folder:
        tenants = Path(folder) / "tenants.yaml"
        write_tenants(tenants, Tenants(tenants=(policy,)))
        await load_gateway(settings.model_copy(update={"tenants": tenants}), key, callers, seconds)


async def load_gateway(settings: Settings, key: str, callers: int, seconds: float) -> None:
    """Runs a gateway and the callers' process, and prints what they did."""
    async with running_gateway(settings) as (_, address):
        before = resource.getrusage(resource.RUSAGE_SELF)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.callers", "--callers", str(callers), "--seconds", str(seconds),
            "--address", address, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        written, _ = await process.communicate(key.encode())
        load = Load(**json.loads(written))
        rows, batches = await count_batches(address, key)
        print(f"{load.calls} calls by {callers} callers, {load.calls / load.seconds:.0f} calls/s, {load.wrong} wrong")
        print(f"average batch {(rows - APPLICANTS) / (batches - APPLICANTS):.1f} rows")
        print(f"CPU per 1,000 calls: gateway {cpu_since(before) / load.calls * 1000:.3f} s, ", end="")
        print(f"callers {load.cpu_seconds / load.calls * 1000:.3f} s")
        assert load.wrong == 0, "a caller got another applicant's answer"


async def count_batches(address: str, key: str) -> tuple[int, int]:
    """Returns the rows and batches that models have answered, by Triton's own statistics."""
    async with InferenceServerClient(address) as client:
        statistics = await client.get_inference_statistics(headers={"x-api-key": key})
    models = statistics.model_stats
    return sum(model.inference_count for model in models), sum(model.execution_count for model in models)


def main() -> None:
    """Runs the command line; with an address it is the callers' process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.address is None:
        uvloop.run(measure(chosen.callers, chosen.seconds))
    else:
        key = sys.stdin.readline()
        load = asyncio.run(call_for_a_while(chosen.address, key, chosen.callers, chosen.seconds))
        print(json.dumps({name: getattr(load, name) for name in Load.__slots__}))


if __name__ == "__main__":
    main()
