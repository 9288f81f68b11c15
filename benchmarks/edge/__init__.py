"""The protected edge: what it costs, stage by stage, and how it compares with the ways around it."""
