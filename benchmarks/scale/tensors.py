"""Tensors from a kilobyte to 64 megabytes, to a model that sends them back, one call after the other."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import uvloop

from benchmarks.arena import echo_request
from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.framing import METHOD, frame
from benchmarks.measuring.h2load import Shape
from benchmarks.measuring.measurement import Measurement, Pace, play
from benchmarks.measuring.results import Cell, Findings, Table
from benchmarks.measuring.verification import verify
from benchmarks.models import echo_model
from benchmarks.workplace import open_workplace

KIB, MIB = 1024, 1024 * 1024
SIZES: Mapping[str, int] = {"1 KiB": KIB, "64 KiB": 64 * KIB, "1 MiB": MIB, "16 MiB": 16 * MIB, "64 MiB": 64 * MIB}
ALONE, LARGE, LOOKS = Shape(1, 1), 16 * MIB, 5
LONGER, LOOK_SECONDS = 3, 600.0  # of large ones, few calls fit into a round, and one that is looked at would fill it
COLUMNS = ("", "tensor", "MiB/s, there and back", "p50 ms", "CPU ms per MiB", "RSS MiB", "calls")


@dataclass(frozen=True, slots=True)
class EchoQuestion:
    """A tensor that has to come back.

    Attributes:
        body: What is sent.
        content: Of the tensor.
    """

    body: bytes
    content: bytes

    def problem(self, message: bytes) -> str:
        """Says what is wrong with an answer, if anything."""
        return "" if message.endswith(self.content) else "the tensor came back changed"


def measure(pace: Pace, sizes: Mapping[str, int] = SIZES) -> Findings:
    """Sends tensors of all sizes through gateways, and to Triton directly."""
    findings, rows = Findings(), list[tuple[Cell, ...]]()
    with (
        open_workplace([echo_model()], triton=True) as place,
        ExitStack() as stack,
        tempfile.TemporaryDirectory(prefix="gapura-bench-") as scratch,
    ):
        ways = {
            "embedded": stack.enter_context(place.gateway("onnx")),
            "over Triton": stack.enter_context(place.gateway("triton")),
            "direct Triton": place.node,
        }
        for label, size in sizes.items():
            content = bytes(range(256)) * (size // 256)
            question = EchoQuestion(frame(echo_request(content)), content)
            contestants = [
                Contestant(name, way.address, METHOD, (question,), way.stages, place.headers)
                for name, way in ways.items()
                if way is not None
            ]
            answer_bytes = uvloop.run(verify(contestants, LOOKS))
            rounds = uvloop.run(play(contestants, answer_bytes, ALONE, pace_of(size, pace), Path(scratch)))
            findings.take(f"one caller, {label}", rounds)
            rows += [row_of(name, label, size / MIB, measured) for name, measured in rounds.items()]
    findings.tables = [Table("tensors there and back, one caller, medians", COLUMNS, tuple(rows))]
    return findings


def pace_of(size: int, pace: Pace) -> Pace:
    """Returns the pace for tensors of a size."""
    rounds = max(pace.rounds // 8, 1)
    if size < LARGE:
        return replace(pace, rounds=rounds)
    return Pace(rounds, pace.seconds * LONGER, pace.warm_up_seconds * LONGER, LOOK_SECONDS)


def row_of(name: str, label: str, mib: float, rounds: Sequence[Measurement]) -> tuple[Cell, ...]:
    """Returns a row of the table, for a tensor of so many MiB."""
    return (
        name,
        label,
        round(median(each.calls_per_second for each in rounds) * 2 * mib, 1),
        round(median(each.p50_ms for each in rounds), 2),
        round(median(each.cpu_per_1000 for each in rounds) / (2 * mib), 2),
        round(max(each.rss_mib for each in rounds)),
        sum(each.calls for each in rounds),
    )
