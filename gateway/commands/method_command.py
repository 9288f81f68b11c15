"""The command that calls one method: reads the options, makes the call, prints the answer or why there is none."""

from pathlib import Path
from typing import Any

import click
import gapura_client
from google.protobuf import json_format
from google.protobuf.message import Message

from gateway.commands.contract_methods import Method
from gateway.commands.request_options import option_for, request_from

DEFAULT_TARGET = "127.0.0.1:9003"
KEY_FILE = Path("var/api-key")


def command_for(method: Method, name: str, comment: str) -> click.Command:
    """Returns the command of a method, with an option for each request field."""

    def run(**values: Any) -> None:
        request = request_from(method, values, values["json"])
        click.echo(_as_json(method, _call(method, request, values)))

    return click.Command(name, callback=run, help=comment, params=[*map(option_for, method.fields), *_common_options()])


def _common_options() -> list[click.Parameter]:
    return [
        click.Option(["--json", "json"], help="The whole request in proto JSON: text, @FILE, or - for standard input."),
        click.Option(
            ["--target"],
            default=DEFAULT_TARGET,
            show_default=True,
            envvar="GAPURA_TARGET",
            show_envvar=True,
            help="Address of the gateway.",
        ),
        click.Option(
            ["--api-key"],
            envvar="GAPURA_API_KEY",
            show_envvar=True,
            help=f"Key of the tenant. Default: the content of {KEY_FILE}, if there is one.",
        ),
        click.Option(
            ["--timeout-seconds"], type=float, default=5.0, show_default=True, help="How long to wait for the answer."
        ),
        click.Option(
            ["--allow-plaintext"],
            is_flag=True,
            help="Send the key unencrypted to another machine. For closed networks.",
        ),
    ]


def _call(method: Method, request: Message, values: dict[str, Any]) -> Message:
    try:
        channel = gapura_client.connect(
            values["target"],
            api_key=values["api_key"] or _stored_key(),
            timeout_seconds=values["timeout_seconds"],
            allow_plaintext=values["allow_plaintext"],
        )
    except gapura_client.PlaintextKeyError as error:
        raise click.UsageError(
            f"the API key would travel unencrypted to {values['target']}: "
            "add --allow-plaintext if that network is closed to others"
        ) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with channel:
        send = channel.unary_unary(method.path, type(request).SerializeToString, method.response.FromString)
        try:
            return send(request)
        except gapura_client.GapuraError as error:
            raise click.ClickException(_explain(error, values["target"])) from error


def _stored_key() -> str | None:
    return KEY_FILE.read_text(encoding="utf-8").strip() if KEY_FILE.is_file() else None


def _explain(error: gapura_client.GapuraError, target: str) -> str:
    if error.reason == "CONNECTION_FAILED":
        return (
            f"no gateway answers at {target}: start one with `gapura serve` or `make run`, or name another by --target"
        )
    return str(error)


def _as_json(method: Method, answer: Message) -> str:
    return json_format.MessageToJson(
        answer,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        descriptor_pool=method.pool,
    )
