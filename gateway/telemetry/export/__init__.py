"""Tells a collector: kept traces and metrics over OTLP, through the OpenTelemetry SDK, in a thread of its own."""
