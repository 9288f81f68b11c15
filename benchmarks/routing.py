"""What the choice of an arm costs: `python -m benchmarks.routing`.

In one process, in CPU time: without an experiment, with one, and with three, of which the last takes the call after the
others have found its unit not to be theirs; for one model, and for a thousand; for units that have not been seen, and
for those that have. Before it is timed, every contestant has
chosen what it should.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import thread_time
from types import SimpleNamespace
from typing import Any

from gateway.calls import Call
from gateway.experiments import Exclusion, Experiment, Slice
from gateway.routing.routes import Routes, compile_routes
from gateway.types import Arm, Model, ModelVersion, Signature

CALLS, ROUNDS, MODELS = 20_000, 15, 1_000
ANEW, AGAIN = "new units", "units that come again"
HALF = range(400, 600)  # of a thousand
NO_EXPERIMENT, THREE = "without experiment", "three experiments"
TENANT: Any = SimpleNamespace(name="acme")
CALL = Call(b"", None, None)
SLICES = (Slice("challenger", 0, 5_000), Slice("champion", 5_000, 5_000))


@dataclass(slots=True)
class Unit:
    """A method whose requests are their units.

    Attributes:
        model: That answers the next call.
    """

    model: str = ""

    def target(self, request: str) -> tuple[str, str]:  # noqa: ARG002 - its caller has said it
        """Names the model."""
        return self.model, ""

    def unit(self, item: str) -> str:
        """Returns the unit."""
        return item

    def value(self, item: str, path: str) -> str | None:  # noqa: ARG002 - nothing asks for it
        """Returns nothing."""
        return None


def model_of(name: str, experiments: int) -> Model:
    """Returns a model with two arms and experiments, of which the last alone takes calls."""
    champion, challenger = (ModelVersion(name, number, Signature((), ()), 64, "") for number in (1, 2))
    nothing = Exclusion("group", 9_999, 1)
    made = tuple(
        Experiment(f"e{number}", f"{name}.e{number}", is_running=True, slices=SLICES, exclusion=nothing)
        if number < experiments - 1
        else Experiment(f"e{number}", f"{name}.e{number}", is_running=True, slices=SLICES)
        for number in range(experiments)
    )
    arms = (Arm("champion", champion), Arm("challenger", challenger))
    return Model(name, {1: champion, 2: challenger}, arms, {}, experiments=made)


def contestant(models: int, experiments: int) -> Callable[[Sequence[str]], float]:
    """Returns what chooses for units, of one model after the other, and says what a choice took, in seconds of CPU."""
    names = [f"team1_model{number}" for number in range(models)]
    routes = compile_routes({name: model_of(name, experiments) for name in names}, lambda _: True)
    method = Unit()

    def run(units: Sequence[str]) -> float:
        choose, many = routes.choose, len(names)
        began = thread_time()
        for at, unit in enumerate(units):
            method.model = names[at % many]
            choose(method, unit, CALL, TENANT)  # type: ignore[arg-type] # what it needs of a method
        return (thread_time() - began) / len(units)

    check(routes, method, names, experiments)
    return run


def check(routes: Routes, method: Unit, names: Sequence[str], experiments: int) -> None:
    """Checks what is chosen.

    Raises:
        RuntimeError: It is not what it should be.
    """
    for name in names[:10]:
        method.model = name
        arms = [routes.choose(method, f"u{number}", CALL, TENANT) for number in range(1_000)]  # type: ignore[arg-type] # as above
        challenged = sum(arm.name == "challenger" for arm in arms)
        taken = {arm.experiment for arm in arms}
        wanted = {f"e{experiments - 1}", ""} if experiments else {""}
        if not taken <= wanted or (challenged in HALF) != bool(experiments):
            raise RuntimeError(f"{challenged} of 1000 calls were the challenger's, of experiments {taken}")


def main() -> None:
    """Prints the median of the rounds of every contestant, in microseconds; they alternate."""
    field = {
        f"{told}, {models} model{'s' if models > 1 else ''}": contestant(models, experiments)
        for models in (1, MODELS)
        for told, experiments in ((NO_EXPERIMENT, 0), ("one experiment", 1), (THREE, 3))
    }
    times = {(name, which): list[float]() for name in field for which in (ANEW, AGAIN)}
    for turn in range(ROUNDS):
        for name, run in field.items():
            units = [f"{name}-{turn}-{number}" for number in range(CALLS)]
            for which in (ANEW, AGAIN):
                times[name, which].append(run(units))
    for (name, which), found in times.items():
        print(f"{name + ', ' + which:52} {1e6 * median(found):6.2f} µs  (best {1e6 * min(found):.2f})")


if __name__ == "__main__":
    main()
