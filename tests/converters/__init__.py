"""Tests of the converters: real conversions, run in ONNX Runtime."""
