"""Compares what the registry wants with what is live and does what is missing, one model at a time.

Safe to kill and to run again.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2

from converters import Conversion, ConversionError, convert
from hub.artifact import Artifact, fetch, fetch_sample
from hub.catalog import MAX_BATCH_SIZE, compose_model, compose_signature, find_model, read_catalog
from hub.champion import Champion
from hub.errors import ModelRefusedError
from hub.nodes.fleet import Fleet
from hub.publishing.outcome import Outcome, Result
from hub.publishing.plan import Convert, Describe, Hold, Keep, Move, Refuse, Step, Withdraw, plan_steps
from hub.publishing.rollout import Files, Report, Rollout
from hub.publishing.roster import Roster
from hub.publishing.smoke import make_probe
from hub.registry import ModelRegistry
from hub.repository import Repository

_STATUS = "serving.status"
_REASON = "serving.reason"
_REASON_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Publisher:
    """Level-triggered: actual state is the catalog, the files, and what each node has loaded.

    Attributes:
        registry: Says what should be live.
        repository: Files of what is live.
        catalog: The catalog's file.
        fleet: Nodes; without any, gateways run the models themselves.
        handover_seconds: Time that gateways get to follow a new catalog before nodes drop what it no longer names.
        pause: Waits a number of seconds.
    """

    registry: ModelRegistry
    repository: Repository
    catalog: Path
    fleet: Fleet = field(default_factory=Fleet)
    handover_seconds: float = 0.0
    pause: Callable[[float], None] = time.sleep

    def publish(self, report: Callable[[Outcome], None]) -> list[Outcome]:
        """Reports every model when it is done; returns all outcomes.

        Raises:
            HubError: Another publisher is at work, or the registry or the catalog cannot be read.
        """
        with self.repository.lock():
            champions = self.registry.champions()
            rollout = Rollout(
                self.repository, self.catalog, Roster(self.fleet), champions, self.handover_seconds, self.pause
            )
            run = _Run(self.registry, rollout, rollout.settle())
            live = read_catalog(self.catalog)
            outcomes = []
            for step in plan_steps(champions, live, self.repository.holds, self.fleet.placements()):
                outcomes.append(run.act(step))
                report(outcomes[-1])
        return outcomes


@dataclass(frozen=True, slots=True)
class _Run:
    """One look at everything.

    Attributes:
        registry: Where outcomes are written back.
        rollout: Takes models live.
        settled: What nodes had to do to be in line with the catalog as it was found, by model.
    """

    registry: ModelRegistry
    rollout: Rollout
    settled: dict[str, Report]

    def act(self, step: Step) -> Outcome:
        """Carries out one step; a refused model leaves what is live of it alone."""
        match step:
            case Hold(name):
                return Outcome(name, 0, Result.HELD, "the registry does not know it; it stays live as it is")
            case Withdraw(name):
                report = self.rollout.commit(name, None)
                self._write_status(name, None)
                parts = ["no version has the alias champion", *report.refusals]
                return Outcome(name, 0, Result.WITHDRAWN, "; ".join(parts))
            case Refuse(champion, reason):
                return self._refuse(champion, reason)
        champion = step.champion
        try:
            report, proof = self._put_live(step)
        except (ConversionError, ModelRefusedError, OSError) as error:  # a full disk names the file
            return self._refuse(champion, str(error))
        self._write_status(champion.name, champion.version)
        unchanged = isinstance(step, Keep) and not report.loaded
        result = Result.INCOMPLETE if report.refusals else Result.UNCHANGED if unchanged else Result.LIVE
        return Outcome(champion.name, champion.version, result, "; ".join([*proof, *report.parts()]))

    def _put_live(self, step: Keep | Describe | Move | Convert) -> tuple[Report, list[str]]:
        """Returns what nodes made of it, and why it went live."""
        match step:
            case Keep(champion):
                return self._keep(champion), []
            case Describe(champion):
                return self.rollout.commit(champion.name, self._described(step)), ["policy, team or placement changed"]
            case Move():
                return self._move(step), ["its placement changed"]
            case Convert():
                return self._convert(step)

    def _keep(self, champion: Champion) -> Report:
        report = self.settled.get(champion.name, Report())
        live = find_model(read_catalog(self.rollout.catalog), champion.name)
        if live is not None:
            report.notes += self.rollout.roster.absences(live.placement)
        return report

    def _described(self, step: Describe | Move) -> catalog_pb2.Model:
        """The live version as the registry describes it now."""
        champion = step.champion
        live = find_model(read_catalog(self.rollout.catalog), champion.name)
        versions = live.versions if live else ()
        version = next(each for each in versions if each.number == champion.version)
        return compose_model(champion.name, champion.team, version, step.policy, step.placement)

    def _move(self, step: Move) -> Report:
        model = self._described(step)
        version = model.versions[0]
        graph, proof = self.rollout.repository.read(model.name, version.number)
        sample = fetch_sample(self.registry, step.champion, version.signature.inputs[0].columns)
        return self.rollout.put_live(model, make_probe(graph, proof, sample), None)

    def _convert(self, step: Convert) -> tuple[Report, list[str]]:
        """Converts, proves, writes and publishes."""
        champion = step.champion
        artifact = fetch(self.registry, champion)
        conversion = _convert(artifact)
        version = catalog_pb2.Version(
            number=champion.version,
            signature=compose_signature(conversion),
            max_batch_size=MAX_BATCH_SIZE,
            sha256=hashlib.sha256(conversion.onnx_bytes).hexdigest(),
            run_id=champion.run_id,
            source=f"{champion.source}@sha256:{artifact.digest}",
        )
        model = compose_model(champion.name, champion.team, version, step.policy, step.placement)
        files = Files(conversion.onnx_bytes, conversion.report.to_json().encode())
        probe = make_probe(files.graph, files.proof, artifact.sample)
        self.rollout.roster.pool(step.placement)  # nothing leaves the catalog that could not come back
        if step.displaces:
            self.rollout.commit(champion.name, None)
        proof = conversion.report
        words = f"{proof.rows:,} rows agree within {proof.max_abs_diff:.1e} (allowed {proof.tolerance:.0e})"
        return self.rollout.put_live(model, probe, files), [words]

    def _refuse(self, champion: Champion, reason: str) -> Outcome:
        tags = {_STATUS: Result.REFUSED.value, _REASON: reason[:_REASON_LENGTH]}
        self.registry.write_tags(champion.name, champion.version, tags)
        return Outcome(champion.name, champion.version, Result.REFUSED, reason)

    def _write_status(self, name: str, live: int | None) -> None:
        """Says on the model's versions which one is live, and on those that were that they are retired."""
        for version in self.registry.versions_with_tag(name, _STATUS, Result.LIVE.value):
            if version != live:
                self.registry.write_tags(name, version, {_STATUS: "retired", _REASON: "another version took over"})
        if live is not None:
            self.registry.write_tags(name, live, {_STATUS: Result.LIVE.value, _REASON: ""})


def _convert(artifact: Artifact) -> Conversion:
    """Converts and proves; whatever goes wrong with one model must not keep the others from going live."""
    try:
        return convert(artifact.model, artifact.flavor, artifact.inputs, artifact.sample)
    except ConversionError:
        raise
    except Exception as error:
        raise ModelRefusedError(f"its conversion fails ({type(error).__name__}: {error}): report this") from error
