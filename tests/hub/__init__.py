"""Tests of the hub: a real MLflow registry on SQLite, real files, real conversions."""
