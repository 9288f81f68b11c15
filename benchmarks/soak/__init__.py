"""Half an hour of mixed load on one gateway: memory and latency at its end."""
