"""Brings what is served in line with the registry, one model at a time; safe to kill and to run again."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2

from converters import Conversion, ConversionError, convert
from hub.artifact import Artifact, fetch
from hub.catalog import (
    MAX_BATCH_SIZE,
    compose_model,
    compose_signature,
    find_model,
    read_catalog,
    replace_model,
    write_catalog,
)
from hub.champion import Champion
from hub.errors import ModelRefusedError
from hub.plan import Convert, Describe, Hold, Keep, Refuse, Step, Withdraw, plan_steps
from hub.policy import Policy
from hub.registry import ModelRegistry
from hub.repository import Repository

_STATUS = "serving.status"
_REASON = "serving.reason"
_REASON_LENGTH = 1000


class Result(Enum):
    """What became of a model."""

    UNCHANGED = "unchanged"
    LIVE = "live"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What publishing did about one model, and why or how well."""

    name: str
    version: int
    result: Result
    detail: str


@dataclass(slots=True)
class Publisher:
    """Level-triggered: compares what should be live with what is, and does what is missing.

    Order for a new version: files, configuration of old and new, catalog, configuration of the new alone, removal.
    """

    registry: ModelRegistry
    repository: Repository
    catalog: Path

    def publish(self, report: Callable[[Outcome], None]) -> list[Outcome]:
        """Reports every model when it is done; returns all outcomes.

        Raises:
            HubError: Another publisher is at work, or the registry or the catalog cannot be read.
        """
        outcomes = []
        with self.repository.lock():
            live = read_catalog(self.catalog)
            self.repository.settle(live)
            for step in plan_steps(self.registry.champions(), live, self.repository.holds):
                outcome = self._act(step)
                report(outcome)
                outcomes.append(outcome)
        return outcomes

    def _act(self, step: Step) -> Outcome:
        """Carries out one step; a refused model leaves what is live of it alone."""
        match step:
            case Hold(name):
                return Outcome(name, 0, Result.HELD, "the registry does not know it; it stays live as it is")
            case Withdraw(name):
                self._commit(name, None)
                self._write_status(name, None)
                return Outcome(name, 0, Result.WITHDRAWN, "no version has the alias champion")
            case Refuse(champion, reason):
                return self._refuse(champion, reason)
        champion = step.champion
        try:
            result, detail = self._put_live(step)
        except (ConversionError, ModelRefusedError, OSError) as error:  # a full disk names the file
            return self._refuse(champion, str(error))
        self._write_status(champion.name, champion.version)
        return Outcome(champion.name, champion.version, result, detail)

    def _put_live(self, step: Keep | Describe | Convert) -> tuple[Result, str]:
        match step:
            case Keep():
                return Result.UNCHANGED, "live already"
            case Describe(champion, policy):
                self._describe(champion, policy)
                return Result.LIVE, "policy or team changed"
            case Convert():
                return Result.LIVE, self._convert(step)

    def _describe(self, champion: Champion, policy: Policy) -> None:
        live = find_model(read_catalog(self.catalog), champion.name)
        versions = live.versions if live else ()
        version = next(each for each in versions if each.number == champion.version)
        self._commit(champion.name, compose_model(champion.name, champion.team, version, policy))

    def _convert(self, step: Convert) -> str:
        """Converts, proves, writes and publishes; returns the proof in words."""
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
        model = compose_model(champion.name, champion.team, version, step.policy)
        if step.displaces:
            self._commit(champion.name, None)
        live = find_model(read_catalog(self.catalog), champion.name)
        self.repository.install(model, live, conversion.onnx_bytes, conversion.report.to_json())
        self._commit(champion.name, model)
        report = conversion.report
        return f"{report.rows:,} rows agree within {report.max_abs_diff:.1e} (allowed {report.tolerance:.0e})"

    def _commit(self, name: str, model: catalog_pb2.Model | None) -> None:
        """Publishes the next snapshot, then clears what it no longer names."""
        catalog = replace_model(read_catalog(self.catalog), name, model)
        write_catalog(self.catalog, catalog)
        self.repository.settle(catalog)

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
