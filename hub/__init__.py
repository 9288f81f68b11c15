"""The control plane: trains models, keeps the registry, publishes what is served."""
