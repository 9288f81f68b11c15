"""One contestant under one load of `h2load`, with a caller beside it that looks at answers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time

from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from benchmarks.lanes.contestants import Contestant
from benchmarks.lanes.loads import SHED, ask_at_pace
from benchmarks.measuring import h2load
from benchmarks.measuring.cpu import tree_seconds
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.ratios import order_of_round, percentile_ms

LOOKS_PER_SECOND = 20.0
MOST_DEATHS, BACK_SECONDS = 3, 60.0
SLOW_START_SECONDS = 12.0  # of a node that is back, at the gateway


@dataclass(frozen=True, slots=True)
class Measurement:
    """Figures of one contestant in one round.

    Attributes:
        calls_per_second: Answered calls.
        p50_ms: Half of them took less.
        p99_ms: All but a hundredth took less.
        cpu_per_1000: CPU seconds per 1,000 calls, answered or not, of all processes that work for the contestant.
        batch: Rows of an average batch that the model computed.
        calls: That `h2load` made, in all.
        unanswered: Of them, those that got no answer.
        looked_at: Calls of the caller who looked at answers meanwhile.
        shed: Of them, those that were told that there are too many.
        wrong: Of them, those that got a wrong answer or another error.
    """

    calls_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_per_1000: float
    batch: float
    calls: int
    unanswered: int
    looked_at: int
    shed: int
    wrong: int


async def play(
    contestants: Sequence[Contestant], shape: Shape, pace: Pace, scratch: Path
) -> dict[str, list[Measurement]]:
    """Measures contestants in turns; returns the rounds of each."""
    by_name = {contestant.name: contestant for contestant in contestants}
    rounds: dict[str, list[Measurement]] = {name: [] for name in by_name}
    for number in range(pace.rounds):
        for name in order_of_round(list(by_name), number):
            rounds[name].append(await measure_alive(by_name[name], shape, pace, scratch))
    return rounds


async def measure_alive(contestant: Contestant, shape: Shape, pace: Pace, scratch: Path) -> Measurement:
    """Measures a contestant, anew if its server dies meanwhile: tritonserver 2.51 does so now and then under `h2load`.

    Raises:
        InferenceServerException: It has died too often, or does not come back.
    """
    for _ in range(MOST_DEATHS):
        try:
            return await measure(contestant, shape, pace, scratch)
        except InferenceServerException as error:
            print(f"{contestant.name} has lost its server, the round is repeated: {error.message()}", flush=True)
            await until_back(contestant)
    return await measure(contestant, shape, pace, scratch)


async def until_back(contestant: Contestant) -> None:
    """Waits for a server that is being started again.

    Raises:
        InferenceServerException: It does not come back.
    """
    end = monotonic() + BACK_SECONDS
    while True:
        await asyncio.sleep(1.0)
        try:
            await count_batches(contestant)
        except InferenceServerException:
            if monotonic() > end:
                raise
        else:
            await asyncio.sleep(SLOW_START_SECONDS)
            return


async def measure(contestant: Contestant, shape: Shape, pace: Pace, scratch: Path) -> Measurement:
    """Measures a contestant once; its questions have to be verified before."""
    body, log = scratch / "body", scratch / "log"
    body.write_bytes(contestant.questions[0].body)
    log.unlink(missing_ok=True)
    whole = pace.warm_up_seconds + pace.seconds
    command = h2load.compose_command(contestant.url, contestant.headers, body, shape, whole + 0.2, log=log)
    load = await h2load.start(command)
    looks = asyncio.create_task(ask_at_pace(contestant, LOOKS_PER_SECOND, whole, connections=1))
    try:
        await asyncio.sleep(pace.warm_up_seconds)
        before = time(), tree_seconds(contestant.roots), await count_batches(contestant)
        await asyncio.sleep(pace.seconds)
        after = time(), tree_seconds(contestant.roots), await count_batches(contestant)
    except InferenceServerException:
        looks.cancel()
        await asyncio.gather(looks, load.communicate(), return_exceptions=True)
        raise
    report, looked = await h2load.finish(load), await looks
    latencies = h2load.parse_log(log).within(before[0], after[0])
    answered = min(report.answered(contestant.questions[0].answer_bytes), report.done)
    answered_per_second = len(latencies) / (after[0] - before[0]) * answered / max(report.done, 1)
    rows, batches = (now - then for now, then in zip(after[2], before[2], strict=True))
    return Measurement(
        calls_per_second=answered_per_second,
        p50_ms=percentile_ms(latencies, 0.5),
        p99_ms=percentile_ms(latencies, 0.99),
        cpu_per_1000=(after[1] - before[1]) / max(len(latencies), 1) * 1000,
        batch=rows / max(batches, 1),
        calls=report.done,
        unanswered=report.done - answered,
        looked_at=looked.calls,
        shed=looked.failed() - looked.failed(*SHED),
        wrong=looked.wrong + looked.failed(*SHED),
    )


async def count_batches(contestant: Contestant) -> tuple[int, int]:
    """Returns the rows and batches that the contestant's model has computed so far."""
    async with InferenceServerClient(contestant.counter) as client:
        statistics = await client.get_inference_statistics(contestant.model, headers=dict(contestant.headers))
    counted = statistics.model_stats[0]
    return counted.inference_count, counted.execution_count
