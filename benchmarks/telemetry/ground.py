"""Gateways that differ in their settings of telemetry alone, each in a process of its own, and calls to ask them."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.arena import TENANT, Arena, open_arena
from benchmarks.gbm import draw_rows, grow
from benchmarks.lanes.contestants import Contestant
from benchmarks.lanes.field import API_KEY, QUESTIONS, SMALL, SMALL_TREES
from benchmarks.measuring.cpu import processes, trees
from benchmarks.measuring.questions import Question, ask
from benchmarks.models import BenchModel
from gateway.telemetry.families import Family
from gateway.telemetry.layout import Series, read_series

# Whatever the environment says of a collector.
NO_EXPORT = {"OTEL_SDK_DISABLED": "true"}


def export_to(endpoint: str) -> dict[str, str]:
    """Returns the variables that make a gateway export to a collector, over gRPC and often."""
    return {
        "OTEL_SDK_DISABLED": "false",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_METRIC_EXPORT_INTERVAL": "5000",
    }


@contextmanager
def open_gateways(
    backend: str, settings: Mapping[str, Mapping[str, str]], rows_each: int = 1
) -> Iterator[list[Contestant]]:
    """Runs gateways over small trees.

    Args:
        backend: Name of the backend.
        settings: Of each gateway, by its name.
        rows_each: Rows of a call.
    """
    graph, signature = grow(SMALL_TREES)
    model = BenchModel(SMALL, graph, signature)
    questions = tuple(ask(SMALL, graph, draw_rows()[0][: QUESTIONS * rows_each], rows_each))
    with ExitStack() as stack:
        arenas = {
            name: stack.enter_context(open_arena(backend, 1, models=[model], settings=each))
            for name, each in settings.items()
        }
        yield [contestant(name, arena, questions) for name, arena in arenas.items()]


def contestant(name: str, arena: Arena, questions: tuple[Question, ...]) -> Contestant:
    """Returns one of the gateways as what loads ask."""
    supervisors = tuple(node.supervisor for node in arena.nodes if node.supervisor is not None)
    headers = ((API_KEY, arena.api_keys[TENANT]),)
    return Contestant(name, arena.address, headers, SMALL, questions, (arena.pid, *supervisors), arena.address)


def series_in(folder: Path) -> list[Series]:
    """Reads the series of every sheet of a telemetry folder; those of one name may be in several."""
    return list(chain.from_iterable(read_series(path.read_bytes()) for path in sorted(folder.glob("*.sheet"))))


def counted(folder: Path, family: Family, *labels: str) -> float:
    """Returns what all sheets have counted of a counter."""
    wanted = (each for each in series_in(folder) if each.family is family and each.labels == labels)
    return sum(each.values[0] for each in wanted)


def resident_mib(root: int) -> float:
    """Returns the memory of a process and of all that descend from it, in MiB; what they share counts for each."""
    page_mib = os.sysconf("SC_PAGE_SIZE") / 2**20
    pids = [process.pid for process in trees([root], list(processes()))]
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * page_mib


def records_in(folder: Path) -> list[dict[str, Any]]:
    """Reads every trace that the processes of a telemetry folder have kept."""
    files = sorted(folder.glob("*.traces*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]
