"""Fills the feature views that the tour's models look up."""

from collections.abc import Iterable
from dataclasses import replace

from hub.features.materializing import Materialization
from hub.features.workbench import declared, open_store
from hub.quickstart.models import TourModel, history_of
from hub.quickstart.steps import Say
from hub.settings import HubSettings


class _Silence:
    """Shows nothing of how far a materialisation is."""

    def stage(self, words: str) -> None:
        """Says nothing."""

    def rows(self, done: int, total: int) -> None:
        """Says nothing."""


def fill_views(models: Iterable[TourModel], settings: HubSettings, say: Say) -> None:
    """Fills the views of models.

    Raises:
        HubError: Redis refuses, or does not answer.
    """
    for model in models:
        for view in model.views:
            fill(view, settings, say)


def fill(view: str, settings: HubSettings, say: Say) -> None:
    """Materialises what training left behind, unless that is live already.

    Raises:
        HubError: Redis refuses, or does not answer.
    """
    source, store = history_of(view, settings), open_store(settings, view)
    live = store.state().live
    if live is not None and live.finished_ms >= source.stat().st_mtime_ns // 1_000_000:
        say(f"{view}: nothing to do, {live.entities:,} entities are live")
        return
    work = Materialization(store, declared(settings, view), settings.features, _Silence(), override=str(source))
    if live is None:  # nobody has pushed or read anything yet
        work = replace(work, settle_seconds=0.0, grace_seconds=0.0)
    done = work.run()
    say(f"{view}: {done.entities:,} entities live in {done.seconds:.1f} s")
