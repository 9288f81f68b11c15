"""What every peer has to know: calls about single rows, and the answers of ONNX Runtime."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gbm import Rows
from benchmarks.measuring.contestants import Asked
from benchmarks.peers.peer import Peer

TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Exam:
    """What every peer is asked before it is timed.

    Attributes:
        graph: The model, ONNX.
        mlflow_model: The same as a folder of MLflow's ONNX flavour.
        rows: One for each question.
        wanted: Probability of class 1 of each.
    """

    graph: Path
    mlflow_model: Path
    rows: Rows
    wanted: tuple[float, ...]

    def questions_for(self, peer: Peer) -> tuple[Asked, ...]:
        """Returns the questions as a peer understands them."""
        each = zip(self.rows, self.wanted, strict=True)
        return tuple(Score(peer.body(row[None]), wanted, peer.probability) for row, wanted in each)


@dataclass(frozen=True, slots=True)
class Score:
    """A call about one row.

    Attributes:
        body: What is sent.
        wanted: Probability of class 1.
        read: Finds it in an answer.
    """

    body: bytes
    wanted: float
    read: Callable[[bytes], float]

    def problem(self, message: bytes) -> str:
        """Says what is wrong with an answer, if anything."""
        try:
            got = self.read(message)
        except Exception as error:  # noqa: BLE001 - whatever an answer of another shape makes of its reader
            return f"the answer cannot be read ({type(error).__name__}: {error})"
        return "" if abs(got - self.wanted) <= TOLERANCE else f"it answers {got:.6f} instead of {self.wanted:.6f}"
