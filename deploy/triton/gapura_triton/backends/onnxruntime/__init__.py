"""The backend that configs call `onnxruntime`."""
