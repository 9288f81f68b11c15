"""Callers with generated stubs, in a process of their own: what they are to do comes as JSON, so does what they did."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic, perf_counter
from typing import Any

import grpc.aio
import numpy as np
from erpml.finance.v1 import credit_service_pb2, credit_service_pb2_grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

TOLERANCE, ANSWER_SECONDS, MILLISECONDS = 1e-6, 30.0, 1000.0

Ask = Callable[[int], Awaitable[float]]
"""Asks for the applicant of a number; returns the probability of default."""


def typed(channel: grpc.aio.Channel, order: dict[str, Any]) -> Ask:
    """Returns what makes typed calls."""
    stub: Any = credit_service_pb2_grpc.CreditServiceStub(channel)
    requests = [credit_service_pb2.ScoreCreditRequest(**each) for each in order["fields"]]

    async def ask(number: int) -> float:
        answer = await stub.ScoreCredit(requests[number], metadata=order["headers"], timeout=ANSWER_SECONDS)
        return float(answer.default_probability)

    return ask


def raw(channel: grpc.aio.Channel, order: dict[str, Any]) -> Ask:
    """Returns what makes raw calls, as Triton's client does: tensors beside the message."""
    stub: Any = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    requests = [infer_request(order["model"], each) for each in order["rows"]]

    async def ask(number: int) -> float:
        answer = await stub.ModelInfer(requests[number], metadata=order["headers"], timeout=ANSWER_SECONDS)
        names = [output.name for output in answer.outputs]
        scores = np.frombuffer(answer.raw_output_contents[names.index("probabilities")], np.float32)
        return float(scores[1])

    return ask


def infer_request(model: str, row: Sequence[float]) -> service_pb2.ModelInferRequest:
    """Returns a KServe request of one row."""
    request = service_pb2.ModelInferRequest(model_name=model, raw_input_contents=[np.array([row]).tobytes()])
    request.inputs.add(name="input", datatype="FP64", shape=[1, len(row)])
    return request


async def call_for_a_while(order: dict[str, Any]) -> dict[str, float]:
    """Lets callers call, one call after the other each; returns what they saw."""
    scores, took = order["scores"], list[float]()
    calls = wrong = unanswered = 0
    begin = monotonic() + order["warm_up_seconds"]
    end = begin + order["seconds"]
    async with grpc.aio.insecure_channel(order["address"]) as channel:
        ask = {"typed": typed, "raw": raw}[order["way"]](channel, order)

        async def caller(number: int) -> None:
            nonlocal calls, wrong, unanswered
            while monotonic() < end:
                number = (number + order["callers"]) % len(scores)
                started = perf_counter()
                try:
                    wrong += abs(await ask(number) - scores[number]) > TOLERANCE
                except grpc.aio.AioRpcError:
                    unanswered += 1
                calls += 1
                if begin <= monotonic() < end:
                    took.append(perf_counter() - started)

        await asyncio.gather(*map(caller, range(order["callers"])))
    p50, p99 = np.percentile(took, (50, 99)) * MILLISECONDS
    return {
        "calls": calls,
        "wrong": wrong,
        "unanswered": unanswered,
        "calls_per_second": len(took) / order["seconds"],
        "p50_ms": p50,
        "p99_ms": p99,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(call_for_a_while(json.load(sys.stdin)))))
