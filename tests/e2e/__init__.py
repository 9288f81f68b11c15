"""Tests of the whole path: a trained model, a published repository, a gateway, and real clients."""
