"""Experiments: which arm of a model answers whom. Their truth are tags of the registered model."""
