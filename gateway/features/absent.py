"""Stands for stored features where there is no store: answers with what each view allows when nothing can be read."""

import asyncio
from collections.abc import Collection, Sequence

from gateway.errors import Unavailable
from gateway.feature_views import NO_FEATURES, Degrade, Features, FeatureView, FreshRow, Lookup, defaults_of, refused

SET = "set GAPURA_FEATURES_URL or GAPURA_REDIS_URL"


class NoFeatures:
    """Stored features of which there are none."""

    def peek(self, wanted: Sequence[Lookup | None]) -> list[Features] | None:  # noqa: ARG002 - the same for all
        """Returns that nothing fresh is at hand."""
        return None

    async def fetch(self, wanted: Sequence[Lookup | None]) -> list[Features]:
        """Returns defaults, or a refusal where a view allows none."""
        return [NO_FEATURES if lookup is None else instead(lookup.view) for lookup in wanted]

    async def push(self, view: FeatureView, rows: Sequence[FreshRow]) -> int:  # noqa: ARG002 - none can be written
        """Refuses rows.

        Raises:
            Unavailable: Always.
        """
        told = f"view '{view.name}' cannot be written: no store has its features; {SET}"
        raise Unavailable("FEATURES_UNAVAILABLE", told, view=view.name)

    def describe(self) -> None:
        """Says that there is no store."""

    def follow(self, views: Collection[FeatureView]) -> None:
        """Needs no views."""

    async def run(self) -> None:
        """Has nothing to stay in touch with."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Has nothing to close."""


def instead(view: FeatureView) -> Features:
    """Returns what is used in the place of features that cannot be read."""
    if view.degrade is not Degrade.REFUSE:
        return defaults_of(view)
    told = f"no store has the features of view '{view.name}': {SET}, or say all of them in the request"
    return refused(view, Unavailable("FEATURES_UNAVAILABLE", told, view=view.name))
