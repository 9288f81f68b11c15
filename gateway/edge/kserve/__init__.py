"""The KServe v2 API of Triton, `inference.GRPCInferenceService`, so that tritonclient works unchanged."""
