"""A model behind the gateway, asked as if it were here."""

from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Any

import numpy as np
from grpc import StatusCode

from gapura_client.errors import DeadlineExceeded, InvalidArgument
from gapura_client.hub_client import kserve
from gapura_client.hub_client.arrays import Array, from_bytes, to_bytes
from gapura_client.hub_client.errors import InvalidFeatures, NoSuchAnswer
from gapura_client.hub_client.layouts import Layout, read_layout
from gapura_client.hub_client.tables import tensors_of

LABEL, PREDICTION, PROBABILITIES = "label", "prediction", "probabilities"
MOST_BYTES = 32 * 1024 * 1024  # of one call, half of what a channel takes
MOST_TRIES = 3  # while versions of different columns come and go
SERVICE = "inference.GRPCInferenceService"


class RemoteModel:
    """A model that the gateway serves. It can be shared between threads.

    What it takes is asked of the gateway when it is made, and again whenever another version answers: a version whose
    columns have another order never gets rows in the old one.

    Args:
        channel: To the gateway.
        name: Registered name.
        version: The version that is asked; empty for whichever the gateway chooses.
        timeout_seconds: How long a call may take unless it says otherwise.

    Attributes:
        name: Registered name.
        version: As above.
    """

    def __init__(self, channel: Any, name: str, version: str, timeout_seconds: float) -> None:
        self.name = name
        self.version = version
        self._timeout_seconds = timeout_seconds
        methods = {
            "ModelMetadata": (kserve.ModelRequest, kserve.ModelMetadataResponse),
            "ModelConfig": (kserve.ModelRequest, kserve.ModelConfigResponse),
            "ModelInfer": (kserve.ModelInferRequest, kserve.ModelInferResponse),
        }
        self._call: dict[str, Callable[..., Any]] = {
            method: channel.unary_unary(f"/{SERVICE}/{method}", request.SerializeToString, response.FromString)
            for method, (request, response) in methods.items()
        }
        self._known: dict[str, Layout] = {}
        self._layout = self._describe(version, timeout_seconds)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that the model takes, in its order; empty where it takes no table."""
        return self._layout.columns

    def predict(self, features: Any, *, timeout: float | None = None) -> Any:
        """Returns the model's predictions.

        Args:
            features: A DataFrame, a dict of columns, a list of dicts with a row each, or rows of values in the order of
                `columns`. There may be more rows than the model takes at once.
            timeout: Seconds that the whole may take.

        Returns:
            `[rows]` of labels or numbers, as `predict` of scikit-learn; a dict of arrays by name for a model with
            several outputs of which none is a label or a prediction.

        Raises:
            InvalidFeatures: The features do not fit the model; the message says what to change.
            GapuraError: The call failed.
        """
        answers = self.infer(features, timeout=timeout)
        for name in (LABEL, PREDICTION):
            if name in answers:
                return _flat(answers[name])
        return _flat(next(iter(answers.values()))) if len(answers) == 1 else answers

    def predict_proba(self, features: Any, *, timeout: float | None = None) -> Array:
        """Returns the probability of each class.

        Args:
            features: As of `predict`.
            timeout: Seconds that the whole may take.

        Returns:
            `[rows, classes]`, as `predict_proba` of scikit-learn.

        Raises:
            NoSuchAnswer: The model is no classifier.
            InvalidFeatures: The features do not fit the model; the message says what to change.
            GapuraError: The call failed.
        """
        outputs = self._layout.outputs
        if PROBABILITIES not in outputs:
            told = f"'{self.name}' has no probabilities, only {', '.join(outputs)}: ask for predict"
            raise NoSuchAnswer(told)
        return self.infer(features, timeout=timeout)[PROBABILITIES]

    def infer(self, features: Any, *, timeout: float | None = None) -> dict[str, Array]:
        """Returns all outputs of the model, by name, each with the rows of the features.

        Args:
            features: As of `predict`.
            timeout: Seconds that the whole may take.

        Raises:
            InvalidFeatures: The features do not fit the model; the message says what to change.
            GapuraError: The call failed.
        """
        until = monotonic() + (self._timeout_seconds if timeout is None else timeout)
        for _ in range(MOST_TRIES):
            layout = self._layout
            try:
                answers = [self._ask(layout, part, until) for part in _parts(tensors_of(features, layout), layout)]
            except InvalidArgument:
                self._layout = self._describe(self.version, _left(until))
                if self._layout == layout:
                    raise
                continue
            if all(self._is_of(version, layout, until) for version in {answer.model_version for answer in answers}):
                return _joined(answers)
        told = f"versions of '{self.name}' take different columns and take turns: pass version= to get_model"
        raise InvalidFeatures(told)

    def _describe(self, version: str, timeout: float) -> Layout:
        """Asks what a version takes, or whichever the gateway chooses."""
        request = kserve.ModelRequest(name=self.name, version=version)
        metadata = self._call["ModelMetadata"](request, timeout=timeout)
        config = self._call["ModelConfig"](request, timeout=timeout).config
        layout = read_layout(metadata, config)
        if len(metadata.versions) == 1:
            self._known[metadata.versions[0]] = layout
        return layout

    def _is_of(self, version: str, layout: Layout, until: float) -> bool:
        """Says whether the version that has answered takes what it was sent; the next try sends what it takes."""
        if version not in self._known:
            self._known[version] = self._describe(version, _left(until))
        if self._known[version] == layout:
            return True
        self._layout = self._known[version]
        return False

    def _ask(self, layout: Layout, arrays: Sequence[Array], until: float) -> Any:
        request = kserve.ModelInferRequest(model_name=self.name, model_version=self.version)
        for tensor, array in zip(layout.inputs, arrays, strict=True):
            request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=array.shape)
            request.raw_input_contents.append(to_bytes(array, tensor.datatype))
        return self._call["ModelInfer"](request, timeout=_left(until))


def _parts(arrays: Sequence[Array], layout: Layout) -> Iterator[Sequence[Array]]:
    """Yields arrays of as many rows as the model takes at once, and of as many bytes as a call."""
    if not layout.most_rows:
        yield arrays
        return
    rows = len(arrays[0])
    if not rows:
        raise InvalidFeatures("there are no rows: pass at least one")
    start = 0
    while start < rows:
        count = min(layout.most_rows, rows - start)
        while count > 1 and sum(_size(array[start : start + count]) for array in arrays) > MOST_BYTES:
            count = (count + 1) // 2
        yield [array[start : start + count] for array in arrays]
        start += count


def _size(array: Array) -> int:
    """Returns the bytes that an array takes in a call."""
    return sum(map(len, array.ravel())) if array.dtype == object else array.nbytes


def _joined(answers: Sequence[Any]) -> dict[str, Array]:
    """Returns the outputs of all answers by name."""
    parts: dict[str, list[Array]] = {}
    for answer in answers:
        for output, content in zip(answer.outputs, answer.raw_output_contents, strict=True):
            parts.setdefault(output.name, []).append(from_bytes(content, output.datatype, output.shape))
    return {name: arrays[0] if len(arrays) == 1 else np.concatenate(arrays) for name, arrays in parts.items()}


def _flat(array: Array) -> Array:
    """Returns `[rows, 1]` as `[rows]`."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array  # noqa: PLR2004 - rows of one value


def _left(until: float) -> float:
    """Returns the seconds until then.

    Raises:
        DeadlineExceeded: There are none.
    """
    left = until - monotonic()
    if left <= 0:
        raise DeadlineExceeded(StatusCode.DEADLINE_EXCEEDED, details="the time was up before all rows were asked")
    return left
