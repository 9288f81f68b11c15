"""Who is measured: an address, what is sent to it, and the processes that work for it."""

from dataclasses import dataclass

from benchmarks.measuring.framing import METHOD
from benchmarks.measuring.questions import Question


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way to get a call answered.

    Attributes:
        name: What tables call it.
        address: `host:port`.
        headers: Sent with every call.
        model: Who is asked.
        questions: With known answers, all of one size.
        roots: Processes that work for it, with all that descend from them.
        counter: Address whose `ModelStatistics` tell how large the batches were.
    """

    name: str
    address: str
    headers: tuple[tuple[str, str], ...]
    model: str
    questions: tuple[Question, ...]
    roots: tuple[int, ...]
    counter: str

    @property
    def url(self) -> str:
        """Where `h2load` sends calls."""
        return f"http://{self.address}{METHOD}"
