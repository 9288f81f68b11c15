"""The collector's configuration holds together: every name in a pipeline is a component, and listens on loopback."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PATH = Path(__file__).parents[4] / "deploy/otel/collector.yaml"
KINDS = ("receivers", "processors", "exporters")


@pytest.fixture(scope="module")
def configuration() -> Any:
    """What is written."""
    return yaml.safe_load(PATH.read_text())


def test_pipelines_name_components_that_there_are(configuration: Any) -> None:
    pipelines = configuration["service"]["pipelines"]
    assert set(pipelines) == {"traces", "metrics"}
    for pipeline in pipelines.values():
        for kind in KINDS:
            assert pipeline[kind]
            assert set(pipeline[kind]) <= set(configuration[kind])
    assert set(configuration["service"]["extensions"]) == set(configuration["extensions"])


def test_every_component_is_used_but_for_the_alternative_that_the_file_explains(configuration: Any) -> None:
    pipelines = configuration["service"]["pipelines"].values()
    used = {name for pipeline in pipelines for kind in KINDS for name in pipeline[kind]}
    assert {name for kind in KINDS for name in configuration[kind]} - used == {"prometheusremotewrite"}


def test_memory_is_limited_first_and_batches_are_made_last(configuration: Any) -> None:
    for pipeline in configuration["service"]["pipelines"].values():
        assert pipeline["processors"][0] == "memory_limiter"
        assert pipeline["processors"][-1] == "batch"
    limiter = configuration["processors"]["memory_limiter"]
    assert 0 < limiter["spike_limit_mib"] < limiter["limit_mib"]


def test_traces_are_not_sampled_again(configuration: Any) -> None:
    assert not any("sampl" in name for name in configuration["processors"])


def test_nothing_but_loopback_is_listened_on_or_talked_to_by_default() -> None:
    addresses = re.findall(r"(?:endpoint: |:-)(?:http://)?([\w.]+):\d+", PATH.read_text())
    assert len(addresses) == 6
    assert set(addresses) == {"127.0.0.1"}
