"""The same requests against a real Triton and against the gateway: the answers must be the same."""
