"""Telemetry: exact metrics in mapped files, traces of calls that deserve it, and what is told of the process."""
