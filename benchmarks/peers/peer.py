"""What a peer is: an environment of its own, a command that serves the model in it, and how it is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gbm import Rows

SERVERS = Path(__file__).parent.absolute() / "servers"
"""Programs that peers run, each with what its own environment has."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a peer runs.

    Attributes:
        bin: Folder of the commands of its own environment: `bin / "python"` and so on.
        graph: The model, ONNX: `input` float32 [rows, 30], `label` int64 [rows], `probabilities` float32 [rows, 2].
        mlflow_model: The same as a folder of MLflow's ONNX flavour.
        scratch: An empty folder of its own.
        port: Free, on loopback; the peer listens on 127.0.0.1 and this port only.
    """

    bin: Path
    graph: Path
    mlflow_model: Path
    scratch: Path
    port: int


@dataclass(frozen=True, slots=True)
class Peer:
    """What a user would pick instead, at one setting; names differ.

    Attributes:
        name: What tables call it.
        setting: Its best setting, in a few words.
        requirements: Of its environment, pinned with `==`.
        command: Starts it in the foreground, in the place's scratch folder; may write files there first.
        path: Of the call.
        body: Of a call with rows, float32 [rows, 30]; a gRPC message is framed.
        probability: Probability of class 1 out of an answer to one row; raises where there is none. The answer is the
            body over HTTP/1.1, the message without its prefix over gRPC.
        headers: Sent with a call; gRPC needs none beside its own.
        grpc: Whether it speaks gRPC over HTTP/2; otherwise HTTP/1.1.
        environment: Variables beside those of this process.
    """

    name: str
    setting: str
    requirements: tuple[str, ...]
    command: Callable[[Place], Sequence[str | Path]]
    path: str
    body: Callable[[Rows], bytes]
    probability: Callable[[bytes], float]
    headers: tuple[tuple[str, str], ...] = ()
    grpc: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
