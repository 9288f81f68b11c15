"""The listeners: one suite over both, since a caller should see no difference."""
