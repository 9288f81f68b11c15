"""Calls that a champion has answered, and that one of its shadows is to be asked."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.feature_views import Features
from gateway.interfaces import Answered, Method
from gateway.shadows.counts import Counts
from gateway.shadows.portion import Portion
from gateway.types import Arm, Assignment, Buffer, Shadow


class Offer(NamedTuple):
    """A call that a champion has answered.

    Attributes:
        method: What was called.
        request: Its request.
        champion: Who answered.
        asked: What it was asked and what it said.
        features: Stored features that were used.
        size: Bytes that it keeps.
        offered: When it came, in seconds of `monotonic`.
    """

    method: Method
    request: Any
    champion: Arm
    asked: Answered
    features: Sequence[Features]
    size: int
    offered: float


class Backlog:
    """The calls that a shadow is to be asked, oldest first.

    Args:
        shadow: The shadow.
        counts: What becomes of its calls.

    Attributes:
        shadow: As above.
        counts: As above.
        arm: As which it answers.
        offers: The calls.
        size: Bytes that they keep.
        portion: How many rows it is asked at once.
        is_apt: Whether it can be a shadow at all; None while that is not known.
    """

    def __init__(self, shadow: Shadow, counts: Counts) -> None:
        self.shadow = shadow
        self.counts = counts
        self.arm = Arm(shadow.name, shadow.version, assignment=Assignment.CHAMPION)
        self.offers: deque[Offer] = deque()
        self.size = 0
        self.portion = Portion(shadow.version.max_batch_size)
        self.is_apt: bool | None = None

    def add(self, offer: Offer) -> None:
        """Takes a call."""
        self.offers.append(offer)
        self.size += offer.size

    def take(self) -> list[Offer]:
        """Takes the oldest call, and others that may share a batch with it: of the same shapes and terms."""
        first = self.offers[0].asked.inputs
        taken, left, rows = list[Offer](), list[Offer](), 0
        for offer in self.offers:
            inputs = offer.asked.inputs
            fits = not taken or rows + inputs.rows <= self.portion.rows
            if fits and inputs.shapes == first.shapes and inputs.terms == first.terms:
                taken.append(offer)
                rows += inputs.rows
            else:
                left.append(offer)
        self.offers = deque(left)
        self.size -= sum(offer.size for offer in taken)
        return taken

    def give_back(self, offers: Sequence[Offer]) -> None:
        """Takes calls again, before all others."""
        self.offers.extendleft(reversed(offers))
        self.size += sum(offer.size for offer in offers)

    def shed_older(self, than: float) -> int:
        """Lets go of calls that came before a time of `monotonic`; returns the bytes that they kept."""
        before = self.size
        while self.offers and self.offers[0].offered < than:
            self.size -= self.offers.popleft().size
            self.counts.shed()
        return before - self.size

    def describe(self) -> Mapping[str, Any]:
        """Says how it is now, ready for JSON."""
        version = self.shadow.version
        told = {"model": version.model, "arm": self.shadow.name, "version": version.number}
        return {**told, **self.counts.describe(), "queued": len(self.offers)}


def kept_bytes(asked: Answered) -> int:
    """Returns the bytes that a call keeps: its message, and of a view all that it is a part of."""
    size = asked.size + len(asked.answer)
    for tensor in asked.inputs.data:
        size += whole(tensor)
    for tensor in asked.outputs.data:
        size += whole(tensor)
    return size


def whole(tensor: Buffer) -> int:
    """Returns the bytes of a tensor, or of what it is a view of."""
    return len(tensor) if isinstance(tensor, bytes) else memoryview(tensor.obj).nbytes
