"""Trains, publishes and verifies the models of all teams; prints a table."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

import gapura_client
from erpml.catalog.v1 import catalog_pb2
from rich.console import Console
from rich.table import Table

from benchmarks.teams.candidates import Candidates, measure
from benchmarks.teams.champions import Champion, read_champion
from benchmarks.teams.deployment import running
from benchmarks.teams.verification import Caller, Verified, verify
from gateway.contracts.descriptors import AnnotatedMethod, link
from hub.catalog import read_catalog
from hub.registry import ModelRegistry
from hub.settings import read_settings

RESULTS = Path(__file__).parents[1] / "results/teams.json"
MOST_DIFFERENCE = 1e-5
WIDTH = 220  # of the table where no terminal has one
HEADINGS = ("Method", "Model", "Held out", "Parity", "Typed = native", "REST = gRPC", "p50")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        fast: Whether to train the fast way.
        train: Whether to train at all, rather than verify the champions that there are.
        backend: `triton` or `onnx`.
        listen: Address of the gateway, `host:port`.
        rows: Held-out rows of each model that are asked.
        results: File of the results.
    """

    fast: bool
    train: bool
    backend: str
    listen: str
    rows: int
    results: Path


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table.

    Attributes:
        method: Name of the method.
        champion: The model.
        parity: How well the conversion agrees with it.
        verified: What was found out.
    """

    method: AnnotatedMethod
    champion: Champion
    parity: catalog_pb2.ModelProof
    verified: Verified

    @property
    def problems(self) -> list[str]:
        """What is not as it should be."""
        found = [f"{self.champion.name}: {score}" for score in self.champion.scores if not score.reached]
        if self.verified.difference > MOST_DIFFERENCE:
            found.append(f"{self.champion.name}: differs by {self.verified.difference:.1e}")
        return found

    def cells(self) -> tuple[str, ...]:
        """Returns the cells of the table."""
        told = f", {self.verified.refused} refused by bounds" if self.verified.refused else ""
        measure = "relative" if self.parity.relative else "absolute"
        return (
            f"{self.method.service.rpartition('.')[2]}.{self.method.name}",
            f"{self.champion.name} ({self.champion.kind})",
            ", ".join(map(str, self.champion.scores)),
            f"{self.parity.max_abs_diff:.1e} {measure} over {self.parity.rows:,} rows",
            f"{self.verified.difference:.1e} over {self.verified.rows}" + told,
            f"{self.verified.rest} of {self.verified.rows}",
            f"{self.verified.p50_ms:.1f} ms",
        )


def run(plan: Plan) -> list[str]:
    """Does it; prints the table, keeps it as JSON, and returns what is not as it should be."""
    started, settings = monotonic(), read_settings()
    if plan.train:
        train(fast=plan.fast)
    with running(plan.listen, plan.backend):
        key = (settings.var / "api-key").read_text().strip()
        catalog, registry = read_catalog(settings.catalog), ModelRegistry(settings.registry_uri)
        views, models = (
            {view.name: view for view in catalog.feature_views},
            {each.name: each for each in catalog.models},
        )
        lines = []
        with gapura_client.connect(plan.listen, api_key=key, timeout_seconds=60.0) as channel:
            caller = Caller(plan.listen, key, channel)
            for method in (each for each in link({}).methods if each.serving.model in models):
                champion = read_champion(registry, method.serving.model)
                found = verify(method, champion, views, caller, plan.rows)
                lines.append(Line(method, champion, models[champion.name].versions[-1].parity, found))
            candidates = measure(settings, caller)
    show(lines)
    print(candidates)
    keep(lines, candidates, plan.results)
    print(f"{len(lines)} methods in {monotonic() - started:.0f} s, backend {plan.backend}")
    return [problem for line in lines for problem in line.problems]


def train(*, fast: bool) -> None:
    """Trains all models by the real command.

    Raises:
        RuntimeError: One could not be trained.
    """
    command = [sys.executable, "-m", "gateway", "train", "all", *(["--fast"] if fast else [])]
    if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own command
        raise RuntimeError("not all models could be trained: the reasons stand above")


def show(lines: Sequence[Line]) -> None:
    """Prints the table."""
    table = Table(*HEADINGS)
    for line in lines:
        table.add_row(*line.cells())
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def keep(lines: Sequence[Line], candidates: Candidates, path: Path) -> None:
    """Writes what was found as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = [
        {
            "method": line.method.full_name,
            "model": line.champion.name,
            "kind": line.champion.kind,
            "scores": [asdict(score) for score in line.champion.scores],
            "parity": line.parity.max_abs_diff,
            "verified": asdict(line.verified),
        }
        for line in lines
    ]
    path.write_text(json.dumps({"methods": told, "candidates": asdict(candidates)}, indent=2) + "\n")
