"""Takes the share of an arm away on which a verdict was passed, in the registry: it stays so until a person acts."""

from collections.abc import Mapping
from datetime import UTC, datetime

from erpml.catalog.v1 import catalog_pb2

from hub.experiments.reading import Halt
from hub.experiments.tags import DEFAULT, guardrail_tag, read_weights, weight_tag
from hub.history import Change
from hub.history.change import EXPERIMENT
from hub.history.entry import LONGEST_REASON, cut
from hub.registry import ModelRegistry
from hub.registry.moves import Author
from hub.registry.records import CHAMPION

BY = "guardrails"


def halt_arm(registry: ModelRegistry, verdict: catalog_pb2.Verdict, tags: Mapping[str, str]) -> None:
    """Writes the weight first, and then why: a publisher that is killed in between does both again.

    Args:
        registry: Where it is written.
        verdict: What counts.
        tags: Of the registered model.

    Raises:
        HubError: The registry refused.
    """
    experiment, arm, reason = verdict.experiment, verdict.arm, cut(verdict.reason, LONGEST_REASON)
    at = verdict.at.ToDatetime(tzinfo=UTC) if verdict.HasField("at") else datetime.now(UTC)
    before = read_weights(tags, experiment)
    if experiment == DEFAULT:
        registry.weigh(verdict.model, CHAMPION, "", Author(BY, reason))  # it has what others leave
        registry.weigh(verdict.model, arm, "0", Author(BY, reason))
    halt = Halt(arm, reason, at, before.get(arm, "0"))
    key = guardrail_tag(experiment, arm)
    registry.write_model_tags(verdict.model, {weight_tag(experiment, arm): "0", key: halt.to_tag()})
    if experiment != DEFAULT:
        shares = {"before": f"{arm} {halt.weight} %", "after": f"{arm} 0 %"}
        details = {"experiment": experiment, "change": "halted", **shares}
        registry.history.append(Change(verdict.model, EXPERIMENT, arm, by=BY, reason=reason, details=details))
