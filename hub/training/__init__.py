"""Training pipelines, one file per model; each ends in a registered version."""
