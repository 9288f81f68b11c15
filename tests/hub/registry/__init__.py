"""Tests of the registry on every store that it may stand on: SQLite, an MLflow server, PostgreSQL and S3."""
