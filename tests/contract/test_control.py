"""Operators load, unload and set as they do at Triton; nobody else does."""

from collections.abc import Iterator
from typing import Any

import pytest
from tritonclient.grpc import service_pb2

from tests.contract.cases import ROW, Case, infer
from tests.contract.targets import Outcome, Target

OPERATIONS = ("RepositoryModelLoad", "RepositoryModelUnload", "TraceSetting", "LogSettings")
HALF = infer("versions", ("X", "FP32", [1, 2], ROW[:8]))
PINNED = infer("versions", ("X", "FP32", [1, 2], ROW[:8]), model_version="1")


def ask(target: Target, method: str, **fields: Any) -> Outcome:
    """Makes a call of a method other than ModelInfer."""
    return target.ask(Case("", method, getattr(service_pb2, f"{method}Request")(**fields)))


def control(target: Target, change: str, model: str, **parameters: Any) -> Outcome:
    """Loads or unloads a model, with parameters of the kind of their values."""
    kinds = {bool: "bool_param", str: "string_param", bytes: "bytes_param", int: "int64_param"}
    made = {
        name: service_pb2.ModelRepositoryParameter(**{kinds[type(value)]: value}) for name, value in parameters.items()
    }
    return ask(target, f"RepositoryModel{change}", model_name=model, parameters=made)


def log_settings(target: Target, **settings: Any) -> Outcome:
    """Changes settings of the log, with values of their kind."""
    kinds = {bool: "bool_param", str: "string_param", int: "uint32_param"}
    made = {
        name: service_pb2.LogSettingsRequest.SettingValue(**{kinds[type(value)]: value})
        for name, value in settings.items()
    }
    return ask(target, "LogSettings", settings=made)


@pytest.fixture
def loaded(direct: Target, served: Target) -> Iterator[None]:
    """Leaves everything loaded and the log as it was."""
    yield
    for each in (direct, served):
        assert control(each, "Load", "versions").code == "OK"
        assert log_settings(each, log_info=True, log_verbose_level=0, log_format="default").code == "OK"


@pytest.mark.usefixtures("loaded")
def test_an_unloaded_model_is_gone_until_it_is_loaded(direct: Target, served: Target) -> None:
    for each in (direct, served):
        assert control(each, "Unload", "versions").code == "OK"
    for case in after_unloading():
        expected, got = direct.ask(case), served.ask(case)
        assert (case.name, got.code, got.message, got.content) == (
            case.name,
            expected.code,
            expected.message,
            expected.content,
        )
    listed = {(each.name, each.state, each.reason) for each in ask(served, "RepositoryIndex").answer.models}
    assert ("versions", "UNAVAILABLE", "unloaded") in listed
    assert control(served, "Unload", "versions").code == "OK"
    assert control(served, "Load", "versions").code == "OK"
    assert served.ask(Case("", "ModelInfer", HALF)).code == "OK"
    assert ask(served, "ModelReady", name="versions").answer.ready


def after_unloading() -> Iterator[Case]:
    """What is asked of an unloaded model."""
    yield Case("infer", "ModelInfer", HALF)
    yield Case("infer of a version", "ModelInfer", PINNED)
    for method in ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"):
        for version in ("", "1"):
            request = getattr(service_pb2, f"{method}Request")(name="versions", version=version)
            yield Case(f"{method} {version}", method, request)
    yield Case("index of what is ready", "RepositoryIndex", service_pb2.RepositoryIndexRequest(ready=True))


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("change", "model", "parameters"),
    [
        ("Load", "nope", {}),
        ("Load", "", {}),
        ("Load", "versions", {"foo": "x"}),
        ("Load", "versions", {"config": True}),
        ("Unload", "nope", {}),
        ("Unload", "versions", {"unload_dependents": True}),
        ("Unload", "versions", {"unload_dependents": "x"}),
        ("Unload", "versions", {"foo": "x"}),
    ],
)
def test_loading_and_unloading_say_what_triton_says(
    direct: Target, served: Target, change: str, model: str, parameters: dict[str, Any]
) -> None:
    expected, got = control(direct, change, model, **parameters), control(served, change, model, **parameters)
    assert (got.code, got.message) == (expected.code, expected.message)


@pytest.mark.usefixtures("loaded")
def test_an_unload_that_is_refused_unloads_nothing(served: Target) -> None:
    assert control(served, "Unload", "versions", unload_dependents="x").code == "INVALID_ARGUMENT"
    assert ask(served, "RepositoryModelUnload", model_name="versions", repository_name="r").code == "UNIMPLEMENTED"
    assert ask(served, "ModelReady", name="versions").answer.ready
    assert served.ask(Case("", "ModelInfer", HALF)).code == "OK"


@pytest.mark.parametrize("parameters", [{"config": "{}"}, {"config": "{}", "file:1/model.onnx": b"x"}])
def test_a_model_is_served_as_it_was_published(embedded: Target, parameters: dict[str, Any]) -> None:
    got = control(embedded, "Load", "versions", **parameters)
    assert got.code == "UNIMPLEMENTED"
    assert "publish" in got.message


SETTINGS: list[dict[str, Any]] = [
    {},
    {"log_verbose_level": 1},
    {"log_info": False},
    {"log_format": "ISO8601"},
    {"log_format": "x"},
    {"log_format": 1},
    {"log_file": "/tmp/x"},  # noqa: S108 - refused
    {"log_file": ""},
    {"log_verbose_level": "x"},
    {"log_verbose_level": True},
    {"log_info": 1},
    {"log_warning": "x"},
    {"log_error": "x"},
    {"unheard_of": 1},
    {"log_info": False, "unheard_of": True},
]


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_log_is_set_as_tritons(direct: Target, served: Target, settings: dict[str, Any]) -> None:
    expected, got = log_settings(direct, **settings), log_settings(served, **settings)
    assert (got.code, got.message, got.answer) == (expected.code, expected.message, expected.answer)


@pytest.mark.parametrize("model", ["", "matrix", "nope"])
def test_traces_are_described_as_tritons(direct: Target, served: Target, model: str) -> None:
    expected, got = (ask(each, "TraceSetting", model_name=model) for each in (direct, served))
    assert (got.code, got.message) == (expected.code, expected.message)
    if expected.answer is not None:
        assert set(got.answer.settings) == set(expected.answer.settings)


def test_the_embedded_backend_refuses_to_trace(embedded: Target) -> None:
    rate = service_pb2.TraceSettingRequest.SettingValue(value=["5"])
    got = ask(embedded, "TraceSetting", settings={"trace_rate": rate})
    assert (got.code, "Triton nodes" in got.message) == ("UNIMPLEMENTED", True)
    assert ask(embedded, "TraceSetting").answer.settings["trace_rate"].value == ["1000"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_tenant_that_is_no_operator_changes_nothing(served: Target, operation: str) -> None:
    plain = Target("plain", served.address, served.channel, served.headers, served.headers)
    got = ask(plain, operation)
    assert got.code == "PERMISSION_DENIED"
    assert "--operator" in got.message


@pytest.mark.parametrize("method", [*OPERATIONS, "ModelStatistics", "RepositoryIndex", "CudaSharedMemoryUnregister"])
def test_a_caller_without_a_key_learns_nothing(served: Target, method: str) -> None:
    assert ask(Target("stranger", served.address, served.channel, {}, {}), method).code == "UNAUTHENTICATED"
