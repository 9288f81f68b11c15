"""Where calls enter: listeners, the services that they offer, and the one place that knows gRPC's codes."""
