"""Shadows on the embedded backend: real models beside each other, and a champion that does not notice."""

import asyncio
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from onnx import helper, numpy_helper

from gateway.backends.onnx.backend import OnnxBackend
from gateway.batching.admission import LaneLimits
from gateway.batching.lanes import Lanes
from gateway.interfaces import NOTHING_LEFT_OUT, Answered
from gateway.shadows.mirror import Mirror
from gateway.telemetry.families import SHADOW_DECISIONS, SHADOW_SHIFT
from gateway.types import ModelVersion, Shadow
from tests.gateway.onnx_models import row, work_of, write_echo, write_model, write_worker
from tests.gateway.shadows.offers import WAIT_SECONDS, Counted, champion, mirror_of, until_done

LIMITS = LaneLimits(None, 100_000, 1 << 30, 10.0)


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    """Counts."""
    return Counted(tmp_path / "telemetry")


async def call(lanes: Lanes, mirror: Mirror, served: ModelVersion, shadow: Shadow, value: float) -> None:
    """Asks the champion, and offers what it said."""
    inputs = row(value)
    outputs = await lanes.infer(served, inputs, None)
    mirror.offer(None, None, champion(shadow, served=served), Answered(inputs, NOTHING_LEFT_OUT, outputs, b""), ())  # type: ignore[arg-type] # tensors need no method


async def test_a_real_shadow_is_compared_with_its_champion(tmp_path: Path, counted: Counted) -> None:
    more = numpy_helper.from_array(np.array([0.25], np.float32), "more")
    served = write_echo(tmp_path)
    rival = write_model(tmp_path, "team9_rival", [helper.make_node("Add", ["x", "more"], ["y"])], constants=[more])
    backend = OnnxBackend(tmp_path, 1)
    lanes = Lanes(backend, LIMITS)
    for each in (served, rival):
        await lanes.load(each)
    async with mirror_of(backend, counted, lanes.utilisation) as mirror:
        for value in range(100):
            await call(lanes, mirror, served, Shadow("rival", rival), float(value))
        await until_done(mirror, 100)
        assert [told["compared"] for told in mirror.describe()] == [100]
    assert sum(counted.buckets(SHADOW_SHIFT, "team9_rival", "rival", "1").values()) == 100
    assert counted.numbers(SHADOW_SHIFT, "team9_rival", "rival", "1")[0] == 25.0
    assert counted.numbers(SHADOW_DECISIONS, "team9_rival", "rival", "1", "same") == [0.0]
    await lanes.close()


async def test_at_overload_shadows_go_first_and_come_back_after_it(tmp_path: Path, counted: Counted) -> None:
    served, rival = write_worker(tmp_path), write_worker(tmp_path, "team9_rival")
    backend = OnnxBackend(tmp_path, 1)
    lanes, shadow = Lanes(backend, LIMITS), Shadow("rival", rival)
    for each in (served, rival):
        await lanes.load(each)
    work = work_of(tmp_path, served, 0.005)
    async with mirror_of(backend, counted, lanes.utilisation, 1.0) as mirror:
        began = perf_counter()

        async def keep_asking() -> None:
            while perf_counter() - began < 2.0:
                await call(lanes, mirror, served, shadow, work)

        await asyncio.gather(*(keep_asking() for _ in range(8)))
        (told,) = mirror.describe()
        assert told["shed"] > 0
        assert told["compared"] <= 0.05 * (told["shed"] + told["queued"])
        compared = told["compared"]
        while mirror.describe()[0]["compared"] == compared:
            assert perf_counter() - began < WAIT_SECONDS
            await call(lanes, mirror, served, shadow, 1.0)
            await asyncio.sleep(0.02)
    await lanes.close()
