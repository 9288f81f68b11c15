"""What operators look at: metrics for Prometheus, the page, and the live view; all of it from the telemetry folder."""
