"""The ways to ask for one row: Triton directly, and gateways over it, without it, and behind the edge."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from benchmarks.gbm import draw_rows
from benchmarks.lanes.field import SMALL, compose_models
from benchmarks.measuring.contestants import Contestant
from benchmarks.measuring.framing import METHOD
from benchmarks.measuring.questions import ask
from benchmarks.workplace import Running, Workplace, open_workplace

DIRECT, NATIVE, GRPCIO = "direct Triton", "native over Triton", "grpcio over Triton"
EMBEDDED, EDGE = "native, embedded", "edge, 1 worker, over Triton"
ASKED = 40

Settings = Mapping[str, str]
Open = Callable[[Workplace, Settings], AbstractContextManager[Running]]
GATEWAYS: Mapping[str, Open] = {
    NATIVE: lambda place, settings: place.gateway("triton", settings=settings),
    GRPCIO: lambda place, settings: place.gateway("triton", "grpcio", settings=settings),
    EMBEDDED: lambda place, settings: place.gateway("onnx", settings=settings),
    EDGE: lambda place, settings: place.edge("triton", settings=settings),
}
"""How each is started."""


@contextmanager
def open_small(*, triton: bool) -> Iterator[Workplace]:
    """Makes a workplace with the small trees, with a node or without."""
    with open_workplace(compose_models(heavy=False)[:1], triton=triton) as place:
        yield place


@contextmanager
def open_ground(place: Workplace, folders: Mapping[str, Path]) -> Iterator[dict[str, Contestant]]:
    """Starts every gateway, each with a folder for its telemetry; yields the contestants by name."""
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(start(place, {"GAPURA_TELEMETRY": str(folders[name])}))
            for name, start in GATEWAYS.items()
        }
        yield {name: contestant(place, name, each) for name, each in ({DIRECT: place.node} | running).items() if each}


def contestant(place: Workplace, name: str, running: Running) -> Contestant:
    """Returns what is asked for one row of the small trees."""
    graph = compose_models(heavy=False)[0].graph
    questions = tuple(ask(SMALL, graph, draw_rows()[0][:ASKED]))
    return Contestant(name, running.address, METHOD, questions, running.stages, place.headers)
