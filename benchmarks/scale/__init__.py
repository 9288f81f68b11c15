"""What models, tenants, workers and the size of tensors change."""
