"""The data plane: answers typed calls and raw tensors with the models that the catalog names."""
