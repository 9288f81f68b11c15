"""Nodes without a server: they load what the configuration says, compute in this process, and can be made to fail."""

from collections.abc import Callable, Mapping
from pathlib import Path

import onnxruntime
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from hub.errors import NodeDownError, NodeRefusedError
from hub.nodes.node import Arrays


class FakeNode:
    """A node over a model repository.

    Attributes:
        address: Its name.
        repository: Where models lie.
        down: Whether nothing listens.
        refuses: Models that it does not load.
        shift: What it adds to every score.
        asked: Loads and unloads so far, in words.
        changed: Called before each of them.
    """

    def __init__(self, address: str, repository: Path) -> None:
        self.address = address
        self.repository = repository
        self.down = False
        self.refuses: set[str] = set()
        self.shift = 0.0
        self.asked: list[str] = []
        self.changed: Callable[[], None] = lambda: None
        self.loaded: dict[str, dict[int, onnxruntime.InferenceSession]] = {}

    def serves(self) -> dict[str, list[int]]:
        """Returns what is ready, even if the node is down."""
        return {name: sorted(versions) for name, versions in self.loaded.items()}

    def ready(self) -> Mapping[str, frozenset[int]]:
        self._require_up()
        return {name: frozenset(versions) for name, versions in self.loaded.items()}

    def load(self, model: str) -> None:
        self._require_up()
        self.changed()
        self.asked.append(f"load {model}")
        if model in self.refuses:
            raise NodeRefusedError(f"node {self.address} says: load failed for model '{model}'")
        text = (self.repository / model / "config.pbtxt").read_text()
        config = text_format.Parse(text, model_config_pb2.ModelConfig())
        files = {
            number: self.repository / model / f"{number}/model.onnx"
            for number in config.version_policy.specific.versions
        }
        self.loaded[model] = {number: onnxruntime.InferenceSession(path) for number, path in files.items()}

    def unload(self, model: str) -> None:
        self._require_up()
        self.changed()
        self.asked.append(f"unload {model}")
        self.loaded.pop(model, None)

    def infer(self, model: str, version: int, inputs: Arrays) -> Arrays:
        self._require_up()
        session = self.loaded[model][version]
        answers = dict(zip((each.name for each in session.get_outputs()), session.run(None, dict(inputs)), strict=True))
        return {
            name: array + array.dtype.type(self.shift) if array.dtype.kind == "f" else array
            for name, array in answers.items()
        }

    def close(self) -> None:
        """Nothing is open."""

    def _require_up(self) -> None:
        if self.down:
            raise NodeDownError(f"node {self.address} is down")
