"""Callers that follow the catalog as a gateway does: late, but within the handover."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from hub.catalog import find_arm, find_model
from hub.errors import HubError
from hub.nodes.triton import TritonNode
from hub.registry.records import CHAMPION
from tests.hub.workplace import Workplace

LATE_SECONDS = 0.4


@dataclass(slots=True)
class Caller:
    """Calls what the catalog names, one call after the other.

    Attributes:
        workplace: Where the catalog lies.
        name: The model.
        nodes: Tried in order; a call fails when none answers.
        answered: Calls that got an answer, by version.
        failed: What the others got.
    """

    workplace: Workplace
    name: str
    nodes: tuple[TritonNode, ...]
    answered: dict[int, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Calls until the end, from a thread of its own."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            model = find_model(self.workplace.catalog(), self.name)
            until = time.monotonic() + LATE_SECONDS
            while model and time.monotonic() < until and not self._over.is_set():
                version = find_arm(model, CHAMPION)
                assert version is not None
                self._call(version.number, version.signature.inputs[0].dims[0])

    def _call(self, version: int, columns: int) -> None:
        reasons = []
        for node in self.nodes:
            try:
                node.infer(self.name, version, {"input": np.zeros((1, columns))})
            except HubError as error:
                reasons.append(str(error))
            else:
                self.answered[version] = self.answered.get(version, 0) + 1
                return
        self.failed.append("; ".join(reasons))
