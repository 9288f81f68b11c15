"""Feature views as the hub sees them: declared in YAML, put into the catalog, materialised, and joined for training."""
