"""Requests that differ in nothing but the contents of their tensors: read, checked and packed once for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tritonclient.grpc import service_pb2

from gateway.layouts import Layouts
from gateway.protowire import cut_field, encode_field
from gateway.tensors import BYTES
from gateway.types import Buffer, ModelVersion, Tensors, Terms

CONTENTS = "raw_input_contents"
INPUT_CONTENTS = service_pb2.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER
OUTPUT_CONTENTS = service_pb2.ModelInferResponse.RAW_OUTPUT_CONTENTS_FIELD_NUMBER

# Outputs whose number of elements depends on the inputs have a head for every shape.
MOST_HEADS = 64


@dataclass(slots=True, eq=False)
class Plan:
    """What a version makes of the requests of a frame.

    Attributes:
        rows: Rows of every input.
        shapes: Of a row of each input, in the signature's order.
        order: Which of the contents is which input; None where they come in the signature's order.
        terms: What the requests want of the model.
        heads: Answers without their contents, by the shapes of a row of each output.
    """

    rows: int
    shapes: tuple[tuple[int, ...], ...]
    order: tuple[int, ...] | None
    terms: Terms
    heads: dict[tuple[tuple[int, ...], ...], bytes] = field(default_factory=dict)

    def inputs(self, contents: Sequence[Buffer]) -> Tensors:
        """Returns the inputs of a request with these contents."""
        order = self.order
        data = tuple(contents) if order is None else tuple([contents[place] for place in order])
        return Tensors(self.rows, self.shapes, data, self.terms)

    def keep_head(self, outputs: Tensors, head: bytes) -> None:
        """Remembers how answers to the frame begin that have outputs of these shapes."""
        if self._is_plain(outputs) and len(self.heads) < MOST_HEADS:
            self.heads[outputs.shapes] = head

    def answer(self, outputs: Tensors) -> bytes | None:
        """Packs outputs, if others of their shapes were packed before."""
        head = self.heads.get(outputs.shapes)
        if head is None or not self._is_plain(outputs):
            return None
        return b"".join([head, *encode_field(OUTPUT_CONTENTS, outputs.data)])

    def _is_plain(self, outputs: Tensors) -> bool:
        return outputs.rows == self.rows and not outputs.terms.parameters


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """All of a request but the contents of its tensors.

    Attributes:
        request: `inference.ModelInferRequest` without contents; it is not to be changed.
        plans: By the version that answers.
    """

    request: Any
    plans: dict[ModelVersion, Plan] = field(default_factory=dict)


class Asked(NamedTuple):
    """One request.

    Attributes:
        message: `inference.ModelInferRequest`; with a frame, the frame's.
        raw: Its `raw_input_contents`; of a large request, views of the bytes that came.
        source: The bytes that came.
        frame: Its frame, if that is known.
    """

    message: Any
    raw: Sequence[Buffer]
    source: bytes = b""
    frame: Frame | None = None

    def plan(self, version: ModelVersion) -> Plan | None:
        """Returns what a version makes of the request, if that is known."""
        return None if self.frame is None else self.frame.plans.get(version)


class Frames:
    """The frames of the requests that were answered of late."""

    def __init__(self) -> None:
        self._layouts = Layouts[Frame](INPUT_CONTENTS)

    def find(self, message: bytes) -> Asked | None:
        """Reads a request whose frame is known."""
        layout = self._layouts.find(message)
        if layout is None:
            return None
        return Asked(layout.known.request, layout.values(message), message, layout.known)

    def keep(self, asked: Asked, version: ModelVersion, inputs: Tensors, order: Sequence[int]) -> None:
        """Remembers a request that a version can answer, unless it cannot come again or would have to be read again.

        Requests with an id are taken to be the only ones of their kind. Texts have to be looked at one by one.

        Args:
            asked: The request.
            version: Who answers.
            inputs: What the version makes of it.
            order: Which of its contents is which input.
        """
        frame = asked.frame or self._add(asked, version)
        if frame is not None:
            places = None if [*order] == [*range(len(asked.raw))] else tuple(order)
            frame.plans[version] = Plan(inputs.rows, inputs.shapes, places, inputs.terms)

    def _add(self, asked: Asked, version: ModelVersion) -> Frame | None:
        specs = version.signature.inputs
        if asked.message.id or len(asked.raw) != len(specs) or any(spec.datatype == BYTES for spec in specs):
            return None
        frame = Frame(service_pb2.ModelInferRequest.FromString(cut_field(asked.source, INPUT_CONTENTS)[0]))
        return frame if self._layouts.add(asked.source, frame) else None
