"""`gapura bench`: runs the benchmarks of the repository that it is started in."""

from importlib.util import find_spec
from pathlib import Path

import click

SUITES = ("small", "sixteen", "curves", "overload", "flood", "priority", "quota", "malformed")


@click.group()
def bench() -> None:
    """Measure the gateway, from a checkout of the repository."""


@bench.command()
@click.option("--only", type=click.Choice(SUITES), multiple=True, help="Run this suite; repeatable.  [default: all]")
@click.option("--quick", is_flag=True, help="Few and short rounds: figures are rough.")
@click.option("--listener", help="Of the gateway.  [default: native where it is installed, or else grpcio]")
@click.option(
    "--backend", type=click.Choice(["triton", "onnx"]), default="triton", show_default=True, help="Of the gateway."
)
@click.option("--results", type=click.Path(path_type=Path), help="Folder.  [default: benchmarks/results]")
def lanes(only: tuple[str, ...], listener: str | None, backend: str, results: Path | None, *, quick: bool) -> None:
    """What merging calls gains and costs, against the same Triton asked directly.

    Answers are verified before anything is timed, and looked at meanwhile. What suites find is printed and kept as
    JSON, tables and pictures. The exit status is 1 when a call failed that should not, or an answer was wrong.
    """
    require_checkout()
    from benchmarks.lanes.h2load import NoLoadError
    from benchmarks.lanes.run import QUICK, RESULTS, THOROUGH, Plan, run
    from benchmarks.lanes.verification import WrongAnswersError

    plan = Plan(
        suites=only or SUITES,
        backend=backend,
        listener=listener or ("native" if find_spec("pygrpc_native") else "grpcio"),
        pace=QUICK if quick else THOROUGH,
        results=results or RESULTS,
    )
    try:
        problems = run(plan)
    except (NoLoadError, WrongAnswersError) as error:
        raise click.ClickException(str(error)) from error
    if problems:
        raise click.ClickException(f"{len(problems)} problems, see above")


@bench.command()
@click.option("--quick", is_flag=True, help="Few and short rounds: figures are rough.")
def edge(*, quick: bool) -> None:
    """What the protected edge costs, stage by stage, against Triton asked directly and behind the same Envoy.

    Answers are verified before anything is timed. The exit status is 1 when a call was not answered.
    """
    require_checkout()
    from benchmarks.edge.run import main

    main(*(["--quick"] if quick else []))


@bench.command()
@click.option("--seconds", type=click.FloatRange(1), default=10.0, show_default=True, help="Of each attack.")
def attacks(seconds: float) -> None:
    """Attack a protected edge of this machine: does it answer others, and how much memory does it take?

    The exit status is 1 when it did not answer, or took more than 400 MiB.
    """
    require_checkout()
    from benchmarks.attacks.run import main

    main(seconds)


@bench.command()
@click.option("--fast", is_flag=True, help="Train the fast way: baselines may be missed.")
@click.option("--train/--no-train", default=True, help="Verify the champions that there are.")
@click.option(
    "--backend", type=click.Choice(["triton", "onnx"]), default="triton", show_default=True, help="Of the gateway."
)
@click.option("--listen", default="127.0.0.1:9003", show_default=True, help="Address of the gateway, HOST:PORT.")
@click.option("--rows", type=click.IntRange(1), default=200, show_default=True, help="Held-out rows of each model.")
@click.option("--results", type=click.Path(path_type=Path), help="File.  [default: benchmarks/results/teams.json]")
def teams(  # noqa: PLR0913 - a parameter for each option
    backend: str, listen: str, rows: int, results: Path | None, *, fast: bool, train: bool
) -> None:
    """Train, convert, publish and verify the models of all teams.

    Every typed method is asked for held-out rows, over gRPC and REST, and compared with the trained model itself. The
    exit status is 1 when an answer differs or a model is worse than its baseline.
    """
    require_checkout()
    from benchmarks.teams.run import RESULTS, Plan, run

    plan = Plan(fast=fast, train=train, backend=backend, listen=listen, rows=rows, results=results or RESULTS)
    problems = run(plan)
    if problems:
        raise click.ClickException("; ".join(problems))


def require_checkout() -> None:
    """Makes sure that the benchmarks and what they need are there.

    Raises:
        click.ClickException: They are not.
    """
    if find_spec("benchmarks") is None:
        raise click.ClickException("benchmarks run from a checkout of the repository: `make bench ARGS=lanes` there")
    missing = [name for name in ("hpack", "matplotlib", "onnx", "sklearn") if find_spec(name) is None]
    if missing:
        raise click.ClickException(f"{missing[0]} is not installed: pip install -e '.[bench]' in the checkout")
