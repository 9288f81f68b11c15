"""Does first what cannot wait: takes shares away on which verdicts were passed, and divides calls as tags say now."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from erpml.catalog.v1 import catalog_pb2

from hub.errors import HubError, NotRegisteredError
from hub.experiments.halting import halt_arm
from hub.experiments.verdicts import Found, Source, counts
from hub.publishing.outcome import Outcome, Result
from hub.publishing.routing import Routing
from hub.registry import ModelRegistry

_NO_VERDICT = "it is no verdict: remove it"


@dataclass(frozen=True, slots=True)
class Urgency:
    """Needs nothing loaded, so that it does not wait for what does.

    Attributes:
        registry: Where verdicts become tags.
        routing: Divides calls.
        sources: Where verdicts come from.
        only: The one model whose calls are divided; all where it is not said. Verdicts count for all.
        tell: Takes outcomes.
    """

    registry: ModelRegistry
    routing: Routing
    sources: Sequence[Source]
    only: str | None
    tell: Callable[[Outcome], None]

    def act(self) -> None:
        """Makes live what verdicts and tags say; a verdict goes away when that is done.

        Raises:
            HubError: The registry refused; the verdict is there the next time.
        """
        verdicts = list(self._collect())
        judged = self._judge([verdict for _, _, verdict in verdicts])
        live = [model.name for model in self.routing.catalog.read().models]
        for name in live:
            if self.only in {None, name} or name in judged:
                self.routing.advance(name)
        for source, found, _ in verdicts:
            source.remove(found)

    def look_again(self) -> None:
        """Does so with the registry as it is now; what is down is asked another time."""
        try:
            models = self.registry.models()
            self.routing.models.clear()
            self.routing.models.update(models)
            self.act()
        except (HubError, OSError):
            return

    def _collect(self) -> Iterator[tuple[Source, Found, catalog_pb2.Verdict]]:
        for source in self.sources:
            for found in source.collect():
                verdict = found.read()
                if verdict is None:
                    self.tell(Outcome(found.place, 0, Result.IGNORED, _NO_VERDICT))
                else:
                    yield source, found, verdict

    def _judge(self, verdicts: Sequence[catalog_pb2.Verdict]) -> set[str]:
        """Writes those that count into the registry, each arm once; returns their models."""
        catalog, models = self.routing.catalog.read(), self.routing.models
        counting = {(each.model, each.experiment, each.arm): each for each in verdicts if counts(each, catalog)}
        judged = set[str]()
        for verdict in counting.values():
            try:
                halt_arm(self.registry, verdict, self.registry.read_model_tags(verdict.model))
                tags = self.registry.read_model_tags(verdict.model)
            except NotRegisteredError:  # it stays live as it is, and nobody can say otherwise
                continue
            models[verdict.model] = replace(models[verdict.model], tags=tags)
            judged.add(verdict.model)
            words = f"{verdict.arm} has lost its share: {verdict.reason}"
            self.tell(Outcome(verdict.model, 0, Result.HALTED, words, verdict.experiment))
        return judged
