"""Models of Triton's python backend, which keep state, send several responses, or tell what they were asked.

They are beyond the embedded backend: tritonserver serves them, by itself and behind a gateway.
"""

from dataclasses import dataclass
from pathlib import Path

from erpml.catalog.v1 import catalog_pb2

from tests.contract.repository import Tensor, describe

TELLING = '''
import json

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Answers every row with what its batch was asked by, and how many rows the batch has."""

    def execute(self, requests):
        return [tell(request) for request in requests]


def tell(request):
    rows = pb_utils.get_input_tensor_by_name(request, "X").as_numpy()
    told = {
        "id": request.request_id(),
        "sequence": request.correlation_id(),
        "flags": request.flags(),
        "timeout": request.timeout(),
        "parameters": json.loads(request.parameters() or "{}"),
        "outputs": sorted(request.requested_output_names()),
    }
    told = np.full(rows.shape[:-1] + (1,), json.dumps(told, sort_keys=True), dtype=object)
    outputs = {"Y": rows, "TOLD": told}
    wanted = request.requested_output_names()
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, outputs[name]) for name in outputs if name in wanted])
'''

ACCUMULATOR = '''
import os

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Answers the sum of a sequence so far, and the process that keeps it."""

    def initialize(self, args):
        self.sums = {}

    def execute(self, requests):
        return [self.add(request) for request in requests]

    def add(self, request):
        sequence = request.correlation_id()
        if request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START:
            self.sums[sequence] = 0
        self.sums[sequence] += int(pb_utils.get_input_tensor_by_name(request, "X").as_numpy().sum())
        values = {"Y": self.sums[sequence], "PROCESS": os.getpid()}
        if request.flags() & pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END:
            del self.sums[sequence]
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, np.array([[value]], np.int64)) for name, value in values.items()]
        )
'''

REPEATER = '''
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Sends as many responses as its input says: 0, 1, 2 and so on; one below zero is an error in their midst."""

    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            count = int(pb_utils.get_input_tensor_by_name(request, "X").as_numpy().ravel()[0])
            for number in range(abs(count)):
                sender.send(respond(number))
            if count < 0:
                sender.send(pb_utils.InferenceResponse(error=pb_utils.TritonError("that is below zero")))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def respond(number):
    return pb_utils.InferenceResponse([pb_utils.Tensor("Y", np.array([[number]], np.int64))])
'''


@dataclass(frozen=True, slots=True)
class PythonModel:
    """A model of the python backend.

    Attributes:
        name: Registered name.
        source: Its `model.py`.
        inputs: Its inputs.
        outputs: Its outputs.
        max_batch_size: 0 where the model takes no batch dimension.
        more: Text for its configuration.
    """

    name: str
    source: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    max_batch_size: int = 8
    more: str = ""


ROW, TOLD = Tensor("X", "FP32", (2,)), (Tensor("Y", "FP32", (2,)), Tensor("TOLD", "BYTES", (1,)))
NUMBER, SUM = Tensor("X", "INT64", (1,)), (Tensor("Y", "INT64", (1,)), Tensor("PROCESS", "INT64", (1,)))
SEQUENCE = "sequence_batching { max_sequence_idle_microseconds: 60000000 oldest { max_candidate_sequences: 16 } }"
PYTHON_MODELS = (
    PythonModel("telling", TELLING, (ROW,), TOLD),
    PythonModel("telling_alone", TELLING, (ROW,), TOLD, max_batch_size=0),
    PythonModel("accumulator", ACCUMULATOR, (NUMBER,), SUM, more=SEQUENCE),
    PythonModel("repeater", REPEATER, (NUMBER,), SUM[:1], more="model_transaction_policy { decoupled: true }"),
)


def write_python_models(folder: Path) -> catalog_pb2.Catalog:
    """Writes every model in Triton's layout; returns the catalog that names them."""
    models = sorted((write_model(folder, model) for model in PYTHON_MODELS), key=lambda model: model.name)
    return catalog_pb2.Catalog(generation=1, models=models)


def write_model(folder: Path, model: PythonModel) -> catalog_pb2.Model:
    """Writes one model; returns its entry of the catalog."""
    place = folder / model.name
    (place / "1").mkdir(parents=True)
    (place / "1/model.py").write_text(model.source)
    (place / "config.pbtxt").write_text(f"""
        name: "{model.name}"
        backend: "python"
        max_batch_size: {model.max_batch_size}
        input [{", ".join(map(port, model.inputs))}]
        output [{", ".join(map(port, model.outputs))}]
        instance_group [{{ kind: KIND_CPU count: 1 }}]
        {model.more}
    """)
    signature = catalog_pb2.Signature(inputs=map(describe, model.inputs), outputs=map(describe, model.outputs))
    entry = catalog_pb2.Model(name=model.name, team="contract")
    entry.arms.add(name="champion", version=1, weight_basis_points=10_000)
    entry.versions.add(number=1, signature=signature, max_batch_size=model.max_batch_size, sha256="0" * 64)
    return entry


def port(tensor: Tensor) -> str:
    """Returns a tensor's text in a configuration."""
    datatype = "STRING" if tensor.datatype == "BYTES" else tensor.datatype
    return f'{{ name: "{tensor.name}" data_type: TYPE_{datatype} dims: {list(tensor.dims)} }}'
