"""Checks the parameters of a KServe v2 request, in Triton's own words."""

from collections.abc import Mapping
from typing import Any

from gateway.backends.operations import ONE_OF
from gateway.errors import InvalidRequest

RESERVED = "triton_"
FINAL_RESPONSE = "triton_enable_empty_final_response"
ANY = ("int64_param", "bool_param", "string_param", "double_param")

# Parameter -> the fields that may hold it, and how Triton lists them.
KNOWN: Mapping[str, tuple[tuple[str, ...], str]] = {
    "sequence_id": (("int64_param", "string_param"), "int64_param or string_param."),
    "sequence_start": (("bool_param",), "bool_param."),
    "sequence_end": (("bool_param",), "bool_param."),
    "priority": (("int64_param", "uint64_param"), "int64_param or uint64_param."),
    "timeout": (("int64_param",), "int64_param."),
    FINAL_RESPONSE: (("bool_param",), "bool_param."),
}
TOLD_AS_TEXT = frozenset({"int64_param", "uint64_param", "string_param"})
CUSTOM = ANY, "int64_param, bool_param, or string_param."


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Checks that Triton would take the parameters.

    Raises:
        InvalidRequest: One has a value of the wrong kind, or a name that is reserved.
    """
    for name, value in parameters.items():
        if name.startswith(RESERVED) and name != FINAL_RESPONSE:
            raise refusal(
                f"parameter keys starting with '{RESERVED}' are reserved for Triton usage. Only the following keys "
                f"starting with '{RESERVED}' are allowed: {FINAL_RESPONSE}",
                name,
            )
        fields, listed = KNOWN.get(name, CUSTOM)
        if value.WhichOneof(ONE_OF) not in fields:
            raise refusal(f"invalid value type for '{name}' parameter, expected {listed}", name)
        if name == "priority" and value.int64_param < 0:
            raise refusal("invalid value for 'priority', expected value >= 0.", name)


def refusal(told: str, parameter: str) -> InvalidRequest:
    """Makes the error of a parameter."""
    return InvalidRequest("INVALID_FIELD", told, parameter=parameter)


def parameter_of(parameters: Mapping[str, Any], name: str) -> str | None:
    """Returns a parameter as a text; None if there is none, or one that is no text, whole number or truth."""
    if name not in parameters:
        return None
    parameter = parameters[name]
    kind = parameter.WhichOneof(ONE_OF)
    if kind == "bool_param":
        return "true" if parameter.bool_param else "false"
    return str(getattr(parameter, kind)) if kind in TOLD_AS_TEXT else None
