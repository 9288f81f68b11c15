"""Tests of the data plane, stage by stage, without a network."""
