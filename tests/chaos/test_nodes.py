"""Nodes die, hang, lie and come back while 64 callers call; none of them notices more than it must."""

import asyncio
import os
import signal
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic

import grpc
import pytest
import tritonclient.grpc as triton
from gapura_triton.fleet import start_node, stop_node
from gapura_triton.node import read_state
from tritonclient.utils import InferenceServerException

from benchmarks.arena import echo_request, open_arena
from benchmarks.delaying_proxy import delaying_proxy
from benchmarks.steady_load import SteadyLoad, Summary
from tests.chaos.conftest import MODEL, Arena, answers_of
from tests.conftest import Published
from tests.e2e.serving import add_tenant, scratch_environment, serve
from tests.triton.nodes import RunningNode, wait_until

WARM_SECONDS = 3.0
LONG_SECONDS = 6.0  # so long that two in which the machine does something else are less than a tenth of the calls
TOLD_SECONDS = 8.0  # less than one on a quiet machine
NOISE_MS = 100.0  # what a busy two-core machine adds by itself
FEW = 0.15  # where callers wait for what is dead, it is half of their calls
HEALED_SECONDS = 30.0  # two on a quiet machine
MIB = 1024 * 1024


async def watch(load: SteadyLoad, seconds: float) -> tuple[Summary, float]:
    """Waits; sums up the calls of that time, and says within how many milliseconds nine in ten were answered."""
    start = monotonic()
    summary = await load.during(seconds)
    times = sorted(call.seconds for call in load.asked if call.started >= start)
    return summary, 1000 * times[len(times) * 9 // 10]


def within_five_times(normal: Summary, most_ms: float) -> bool:
    """Says whether callers noticed little."""
    return most_ms < max(5 * normal.p99_ms, NOISE_MS)


def answered_since(load: SteadyLoad, moment: float) -> bool:
    """Says whether a call that was made since then was answered as it should be."""
    return any(call.started > moment and not call.problem for call in load.asked)


def slow_share(load: SteadyLoad, start: float, end: float) -> float:
    """Returns the share of the calls of a while that took longer than a second."""
    calls = [call for call in load.asked if start <= call.started < end]
    return sum(call.seconds > 1.0 for call in calls) / len(calls)


def seconds_until_out(arena: Arena, victim: RunningNode, moment: datetime) -> float:
    """Returns how long after a moment the gateway took the model off a node, by its log."""
    for entry in list(arena.log):
        if entry["event"] in ("replica lost", "node ejected") and entry["node"] == victim.address:
            told = datetime.fromisoformat(entry["timestamp"])
            if told > moment:
                return (told - moment).total_seconds()
    raise AssertionError(f"the model never left {victim.address}: {arena.log}")


def answers(node: RunningNode, arena: Arena) -> bool:
    """Says whether a node itself answers."""
    try:
        return answers_of(node, arena.requests[:1]) == arena.expected[:1]
    except grpc.RpcError:
        return False


async def test_a_node_is_killed_and_no_call_fails_and_it_takes_load_again(arena: Arena) -> None:
    victim = arena.nodes[0]
    async with arena.load() as load:
        await load.during(1.0)
        normal = await load.during(WARM_SECONDS)
        os.kill(victim.pid, signal.SIGKILL)
        during, most_ms = await watch(load, LONG_SECONDS)
        await asyncio.to_thread(wait_until, lambda: arena.rows_answered_by(victim) > 0, 30)
        after = await load.during(WARM_SECONDS)
    assert normal.calls > 100
    assert (normal.problems, during.problems, after.problems) == ({}, {}, {})
    assert within_five_times(normal, most_ms)


async def test_without_nodes_calls_fail_in_time_with_a_reason_and_resume_by_themselves(arena: Arena) -> None:
    async with arena.load(timeout_seconds=10.0) as load:
        await load.during(1.0)
        for node in arena.nodes:
            await asyncio.to_thread(stop_node, node.node)
        await load.during(0.5)
        gone = await load.during(1.0)
        one, two = (node.node for node in arena.nodes)
        await asyncio.to_thread(start_node, one.folder, one.home, one.repository)
        back = monotonic()
        await asyncio.to_thread(wait_until, lambda: answered_since(load, back), 20)
        await load.during(1.0)
        after = await load.during(1.0)
    await asyncio.to_thread(start_node, two.folder, two.home, two.repository)
    assert gone.failed == gone.calls > 0
    assert all(problem.startswith("UNAVAILABLE: model 'team3_credit_scoring'") for problem in gone.problems)
    assert gone.most_ms < 5000
    assert after.problems == {}


async def test_a_models_process_is_killed_and_no_call_fails_and_it_is_healed(arena: Arena) -> None:
    victim = arena.nodes[0]
    async with arena.load() as load:
        await load.during(WARM_SECONDS)  # for as long as a node's pace is unknown, nobody can tell that it stalls
        (stub,) = victim.stubs
        os.kill(stub, signal.SIGKILL)
        killed, moment = monotonic(), datetime.now(UTC)
        during = await load.during(1.0)
        await asyncio.to_thread(wait_until, lambda: answers(victim, arena), HEALED_SECONDS)
        healed = monotonic()
        after = await load.during(2.0)
    assert (during.problems, after.problems) == ({}, {})
    assert slow_share(load, killed, healed) < FEW, "nobody waits for a process that is dead"
    assert seconds_until_out(arena, victim, moment) < TOLD_SECONDS


async def test_a_models_process_hangs_and_no_call_fails_and_its_node_is_ejected(arena: Arena) -> None:
    victim = arena.nodes[0]
    async with arena.load() as load:
        normal = await load.during(WARM_SECONDS)
        (stub,) = victim.stubs
        os.kill(stub, signal.SIGSTOP)
        moment = datetime.now(UTC)
        try:
            hanging = await load.during(1.0)
            ejected, most_ms = await watch(load, LONG_SECONDS)
        finally:
            with suppress(ProcessLookupError):  # it may have been replaced
                os.kill(stub, signal.SIGCONT)
        after = await load.during(2.0)
    assert (hanging.problems, ejected.problems, after.problems) == ({}, {}, {})
    assert seconds_until_out(arena, victim, moment) < TOLD_SECONDS
    assert within_five_times(normal, most_ms), "one call in ten at most still waits for it"


async def test_a_node_that_hangs_is_ejected(arena: Arena) -> None:
    victim = arena.nodes[0]
    async with arena.load() as load:
        normal = await load.during(WARM_SECONDS)
        os.kill(victim.pid, signal.SIGSTOP)
        try:
            hanging = await load.during(1.0)
            ejected, most_ms = await watch(load, LONG_SECONDS)
        finally:
            os.kill(victim.pid, signal.SIGCONT)
        after = await load.during(2.0)
    assert (hanging.problems, ejected.problems, after.problems) == ({}, {}, {})
    assert within_five_times(normal, most_ms), "one call in ten at most still waits for it"


async def test_a_node_that_answers_half_a_second_late_is_ejected(published: Published, arena: Arena) -> None:
    async with delaying_proxy(arena.nodes[0].address) as proxy:
        key = add_tenant(published.environment, f"late-{proxy.address.rpartition(':')[2]}", MODEL)
        nodes = f"{proxy.address},{arena.nodes[1].address}"
        environment = scratch_environment(published.environment, BACKEND="triton", NODES=nodes)
        gateway = serve(environment)
        _, address = await asyncio.to_thread(gateway.__enter__)
        try:
            late = Arena(arena.nodes, arena.repository, address, key, arena.requests, arena.expected)
            async with late.load() as load:
                normal = await load.during(WARM_SECONDS)
                proxy.delay_seconds = 0.5
                await load.during(2.0)
                ejected, most_ms = await watch(load, LONG_SECONDS)
        finally:
            await asyncio.to_thread(gateway.__exit__, None, None, None)
    assert ejected.problems == {}
    assert within_five_times(normal, most_ms), "one call in ten at most still waits for it"


async def test_a_broken_model_on_the_nodes_makes_nothing_else_unready(arena: Arena) -> None:
    broken = arena.repository / "broken"
    (broken / "1").mkdir(parents=True)
    (broken / "1/model.onnx").write_bytes(b"no graph")
    (broken / "config.pbtxt").write_text('name: "broken" backend: "onnxruntime" max_batch_size: 8')
    async with arena.load() as load:
        await load.during(1.0)
        for node in arena.nodes:
            refused = pytest.raises(InferenceServerException, match="load failed for model 'broken'")
            with triton.InferenceServerClient(node.address) as client, refused:
                await asyncio.to_thread(client.load_model, "broken")
        after = await load.during(3.0)
    with triton.InferenceServerClient(arena.address) as client:
        assert client.is_model_ready(MODEL, headers={"x-api-key": arena.api_key})
        assert client.is_server_ready(headers={"x-api-key": arena.api_key})
    assert after.problems == {}


async def test_a_node_is_killed_under_large_tensors_and_no_call_fails() -> None:
    contents = [bytes([number]) * (8 * MIB) for number in range(4)]
    opening = open_arena("triton")
    arena = await asyncio.to_thread(opening.__enter__)
    try:
        async with SteadyLoad(
            arena.address,
            [echo_request(content) for content in contents],
            lambda number, answer: "" if answer.endswith(contents[number]) else "another call's answer",
            api_key=arena.api_key,
            callers=4,
            pause_seconds=0.1,
            timeout_seconds=20.0,
        ) as load:
            await load.during(WARM_SECONDS)
            victim = read_state(arena.nodes[0]).pid
            assert victim is not None
            os.kill(victim, signal.SIGKILL)
            await load.during(WARM_SECONDS)
            await asyncio.sleep(1.0)  # for the last of them
    finally:
        await asyncio.to_thread(opening.__exit__, None, None, None)
    seen = load.since(0)
    assert seen.problems == {}
    assert seen.calls > 10
