"""The KServe v2 protocol over gRPC, which several peers speak: the body of a call, and what its answer says."""

import numpy as np
from tritonclient.grpc import service_pb2

from benchmarks.gbm import Rows
from benchmarks.measuring.framing import frame
from benchmarks.measuring.questions import compose_request

MODEL = "trees"


def compose_body(rows: Rows) -> bytes:
    """Returns the body of a call, behind its prefix."""
    return frame(compose_request(MODEL, rows))


def probability_of(message: bytes) -> float:
    """Returns the probability of class 1 of the first row that an answer is about.

    Raises:
        ValueError: It has no probabilities.
    """
    response = service_pb2.ModelInferResponse.FromString(message)
    place = [output.name for output in response.outputs].index("probabilities")
    return float(np.frombuffer(response.raw_output_contents[place], np.float32)[1])
