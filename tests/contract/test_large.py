"""Tensors that fill most of a message pass through the network, both ways."""

import os
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2

from gateway.edge.kserve.service import SERVICE
from tests.contract.cases import infer
from tests.contract.targets import Target

MIB = 1024 * 1024
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@pytest.mark.parametrize("mib", [8, 64])
def test_a_large_tensor_comes_back_as_it_went(served: Target, mib: int) -> None:
    content = os.urandom(MIB) * mib
    request = infer("unbatched", ("X", "FP32", [mib, MIB // 4], content), id="large")
    with grpc.insecure_channel(served.address, options=UNLIMITED) as channel:
        method: Any = channel.unary_unary(f"/{SERVICE}/ModelInfer")
        answer = method(request.SerializeToString(), metadata=tuple(served.headers.items()), timeout=60)
    response = service_pb2.ModelInferResponse.FromString(answer)
    assert (response.id, list(response.outputs[0].shape)) == ("large", [mib, MIB // 4])
    assert response.raw_output_contents[0] == content


def test_a_message_that_is_too_large_is_refused(served: Target) -> None:
    request = infer("unbatched", ("X", "FP32", [129, MIB // 4], bytes(129 * MIB)))
    with grpc.insecure_channel(served.address, options=UNLIMITED) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(f"/{SERVICE}/ModelInfer")(
            request.SerializeToString(), metadata=tuple(served.headers.items()), timeout=60
        )
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
