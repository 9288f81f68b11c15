"""Command-line options for the fields of a request, and the request that their values make."""

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.commands.contract_methods import Field, Method

RESERVED = frozenset({"target", "api_key", "timeout_seconds", "allow_plaintext", "json", "help"})
TYPES: dict[int, Any] = {
    FieldDescriptor.CPPTYPE_INT32: click.INT,
    FieldDescriptor.CPPTYPE_INT64: click.INT,
    FieldDescriptor.CPPTYPE_UINT32: click.INT,
    FieldDescriptor.CPPTYPE_UINT64: click.INT,
    FieldDescriptor.CPPTYPE_DOUBLE: click.FLOAT,
    FieldDescriptor.CPPTYPE_FLOAT: click.FLOAT,
    FieldDescriptor.CPPTYPE_BOOL: click.BOOL,
    FieldDescriptor.CPPTYPE_STRING: click.STRING,
}


def json_value(text: str) -> Any:
    """Decodes a message or map in proto JSON; text that is no JSON counts as a JSON string, which timestamps are."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def option_for(field: Field) -> click.Option:
    """Returns the option of a request field: its name in kebab case, its type, its comment as the help."""
    name = _parameter(field.descriptor)
    return click.Option(
        [f"--{name.replace('_', '-')}", name],
        type=_type(field.descriptor),
        multiple=field.descriptor.is_repeated and not _is_map(field.descriptor),
        help=" ".join(field.comment.split()),
    )


def request_from(method: Method, values: Mapping[str, Any], whole: str | None) -> Message:
    """Builds the request from the option values, over the whole request in proto JSON where that is given.

    Raises:
        click.UsageError: A required field has no value, or a value does not fit its field.
    """
    request = method.request()
    if whole is None:
        _check_required(method, values)
    else:
        _parse(method, _read(whole), request)
    for field in method.fields:
        value = values.get(_parameter(field.descriptor))
        if value not in (None, ()):
            _set(method, field.descriptor, value, request)
    return request


def _check_required(method: Method, values: Mapping[str, Any]) -> None:
    missing = [
        option_for(field).opts[0]
        for field in method.fields
        if field.required and values.get(_parameter(field.descriptor)) in (None, ())
    ]
    if missing:
        raise click.UsageError(f"missing: {', '.join(missing)} (or give the whole request with --json)")


def _read(text: str) -> str:
    """Returns the text itself, that of the file named by `@file`, or for `-` that of standard input."""
    if text == "-":
        return sys.stdin.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"cannot read {text[1:]}: {error}", param_hint="--json") from error


def _parse(method: Method, text: str, request: Message) -> None:
    try:
        content = json.loads(text)
        if not isinstance(content, dict):
            raise click.BadParameter("the request must be a JSON object, such as {}", param_hint="--json")
        json_format.ParseDict(content, request, descriptor_pool=method.pool)
    except (json_format.ParseError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="--json") from error


def _set(method: Method, field: FieldDescriptor, value: Any, request: Message) -> None:
    plain = [_plain(item) for item in value] if isinstance(value, tuple) else _plain(value)
    request.ClearField(field.name)
    try:
        json_format.ParseDict({field.name: plain}, request, descriptor_pool=method.pool)
    except json_format.ParseError as error:
        hint = f"--{_parameter(field).replace('_', '-')}"
        raise click.BadParameter(str(error), param_hint=hint) from error


def _plain(value: Any) -> Any:
    """Writes NaN and the infinities as proto JSON does, so that they reach the gateway, which judges them."""
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"


def _parameter(field: FieldDescriptor) -> str:
    """Names the option of a field; the options that every command has come first."""
    return f"request_{field.name}" if field.name in RESERVED else field.name


def _type(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return click.Choice([value.name for value in field.enum_type.values], case_sensitive=False)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return click.STRING  # base64, as in proto JSON
    return TYPES.get(field.cpp_type, json_value)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
