"""What every call of the benchmark sends: its path, and its message behind gRPC's prefix."""

METHOD = "/inference.GRPCInferenceService/ModelInfer"
LIVE = "/inference.GRPCInferenceService/ServerLive"
PREFIX_BYTES = 5


def frame(message: bytes) -> bytes:
    """Returns a message behind its prefix: not compressed, its length."""
    return b"\0" + len(message).to_bytes(PREFIX_BYTES - 1, "big") + message
