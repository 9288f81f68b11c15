"""No telemetry: for measuring what it costs, and for tests of other things."""

from gateway.traces import CallTrace
from gateway.types import Arm, Tensors


class NoTelemetry:
    """Notes nothing."""

    def begin(self, path: str, received: float, parent: str | None = None, state: str | None = None) -> CallTrace:  # noqa: ARG002 - nothing is noted
        """Returns a trace for a call to write to; nobody reads it, but for its path."""
        return CallTrace(path)

    def end(self, trace: CallTrace, code: int = 0, error: BaseException | None = None) -> None:
        """Does nothing."""


class NoTrials:
    """Counts nothing of experiments."""

    def answered(self, arm: Arm, seconds: float, outputs: Tensors) -> None:
        """Does nothing."""

    def failed(self, arm: Arm, seconds: float, error: BaseException) -> None:
        """Does nothing."""

    def substituted(self, arm: Arm) -> None:
        """Does nothing."""
