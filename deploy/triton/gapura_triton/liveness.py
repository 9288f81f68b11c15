"""Asks a node whether it is live."""

import grpc

_SERVER_LIVE = "/inference.GRPCInferenceService/ServerLive"
_LIVE = b"\x08\x01"  # ServerLiveResponse(live=True)
_TIMEOUT_SECONDS = 1.0


def is_live(address: str) -> bool:
    """Says whether a server answers that it is live; Triton listens once it has tried to load its models."""
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            answer = channel.unary_unary(_SERVER_LIVE, bytes, bytes)(b"", timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError:
            return False
    return answer == _LIVE
