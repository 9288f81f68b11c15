"""The embedded backend runs fast models on the event loop and slow ones in threads, by what they are seen to take."""

import asyncio
from collections.abc import AsyncIterator
from math import inf
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from gateway.backends.onnx.backend import OnnxBackend
from gateway.backends.onnx.loading import load_version
from gateway.backends.onnx.timing import LATEST_HOPS, STALE_SECONDS
from gateway.types import ModelVersion, Tensors
from tests.gateway.onnx_models import row, work_of, write_echo, write_model, write_worker

CALLS = 50


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[OnnxBackend]:
    """Has one thread."""
    backend = OnnxBackend(tmp_path, 1)
    yield backend
    await backend.close()


async def on_the_loop(backend: OnnxBackend, version: ModelVersion, inputs: Tensors) -> bool:
    """Sends a batch; says whether the event loop ran it: it has its answer by the time the loop turns."""
    batch = asyncio.create_task(backend.infer(version, inputs, None))
    await asyncio.sleep(0)
    at_once = batch.done()
    assert (await batch).data == inputs.data
    return at_once


async def calls_on_the_loop(backend: OnnxBackend, version: ModelVersion, value: float, calls: int) -> int:
    """Sends batches of one value, one after the other; returns how many the event loop ran."""
    return sum([await on_the_loop(backend, version, row(value)) for _ in range(calls)])


async def load_worker(backend: OnnxBackend, repository: Path, seconds: float) -> tuple[ModelVersion, float]:
    """Loads a worker; returns it, and the value for which it works so long."""
    version = write_worker(repository)
    await backend.load(version)
    return version, work_of(repository, version, seconds)


async def test_a_fast_model_runs_on_the_loop(backend: OnnxBackend, tmp_path: Path) -> None:
    version = write_echo(tmp_path)
    await backend.load(version)
    assert await calls_on_the_loop(backend, version, 1, LATEST_HOPS) == 0, "what a hop costs was not known yet"
    assert await calls_on_the_loop(backend, version, 1, CALLS) > CALLS / 2


async def test_now_and_then_a_fast_model_hops_so_that_the_cost_of_a_hop_stays_known(
    backend: OnnxBackend, tmp_path: Path
) -> None:
    version = write_echo(tmp_path)
    await backend.load(version)
    await calls_on_the_loop(backend, version, 1, CALLS)
    await asyncio.sleep(STALE_SECONDS)
    assert not await on_the_loop(backend, version, row(1))


async def test_a_slow_model_runs_in_a_thread_and_the_loop_goes_on(backend: OnnxBackend, tmp_path: Path) -> None:
    version, slow = await load_worker(backend, tmp_path, 0.3)
    await backend.infer(version, row(slow / 10), None)  # it is known to be slow now
    batch = asyncio.create_task(backend.infer(version, row(slow), None))
    turns = 0
    while not batch.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100


async def test_a_model_that_turns_slow_leaves_the_loop_at_the_next_call_and_comes_back_when_it_is_fast(
    backend: OnnxBackend, tmp_path: Path
) -> None:
    version, slow = await load_worker(backend, tmp_path, 0.05)
    assert await calls_on_the_loop(backend, version, 0, CALLS) > CALLS / 2
    await backend.infer(version, row(slow), None)
    assert await calls_on_the_loop(backend, version, slow, 5) == 0
    await calls_on_the_loop(backend, version, 0, CALLS)
    assert await calls_on_the_loop(backend, version, 0, CALLS) > CALLS / 2


async def test_a_model_that_is_slow_now_and_then_stays_off_the_loop(backend: OnnxBackend, tmp_path: Path) -> None:
    version, slow = await load_worker(backend, tmp_path, 0.05)
    await backend.infer(version, row(slow), None)
    values = [0, 0, slow] * 5
    assert not any([await on_the_loop(backend, version, row(value)) for value in values])


async def test_a_size_that_was_not_seen_yet_runs_in_a_thread(backend: OnnxBackend, tmp_path: Path) -> None:
    version = write_echo(tmp_path)
    await backend.load(version)
    await calls_on_the_loop(backend, version, 1, CALLS)
    rows = 64
    many = Tensors(rows, ((1,),), (np.ones(rows, np.float32).tobytes(),))
    assert not await on_the_loop(backend, version, many)
    assert sum([await on_the_loop(backend, version, many) for _ in range(CALLS)]) > CALLS / 2


async def test_the_first_call_of_a_version_finds_its_time_known(backend: OnnxBackend, tmp_path: Path) -> None:
    first, *others = (write_echo(tmp_path, f"team9_echo{number}") for number in range(6))
    for version in (first, *others):
        await backend.load(version)
    await calls_on_the_loop(backend, first, 1, CALLS)
    assert any([await on_the_loop(backend, version, row(1)) for version in others])


async def test_a_model_that_fails_on_made_up_inputs_starts_in_a_thread(backend: OnnxBackend, tmp_path: Path) -> None:
    table = numpy_helper.from_array(np.array([9], np.float32), "table")
    nodes = [
        helper.make_node("Sub", ["x", "table"], ["shifted"]),
        helper.make_node("Cast", ["shifted"], ["position"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "position"], ["y"]),
    ]
    echo = write_echo(tmp_path)
    picky = [write_model(tmp_path, f"team9_picky{number}", nodes, constants=[table]) for number in range(5)]
    for version in (echo, *picky):
        await backend.load(version)
    runner = load_version(tmp_path, picky[0]).runner
    assert runner is not None
    assert runner.times.expect(row(0)) == inf
    await calls_on_the_loop(backend, echo, 1, CALLS)
    assert not any([await on_the_loop(backend, version, row(9)) for version in picky])
    assert await calls_on_the_loop(backend, picky[0], 9, CALLS) > CALLS / 2


async def test_a_fast_model_does_not_queue_behind_a_slow_one(backend: OnnxBackend, tmp_path: Path) -> None:
    echo = write_echo(tmp_path)
    await backend.load(echo)
    worker, slow = await load_worker(backend, tmp_path, STALE_SECONDS * 2)
    await backend.infer(worker, row(slow / 100), None)  # it is known to be slow now
    await calls_on_the_loop(backend, echo, 1, CALLS)
    batch = asyncio.create_task(backend.infer(worker, row(slow), None))
    await asyncio.sleep(STALE_SECONDS * 1.2)
    assert not batch.done()
    assert await on_the_loop(backend, echo, row(1))
    await batch


@pytest.mark.parametrize("threads", [1, 3])
async def test_there_are_as_many_places_as_threads(tmp_path: Path, threads: int) -> None:
    backend, version = OnnxBackend(tmp_path, threads), write_echo(tmp_path)
    await backend.load(version)
    assert backend.places(version) == threads
    await backend.close()
