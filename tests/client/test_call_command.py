"""`gapura call` reads its commands from the contracts, calls, and prints the answer or why there is none."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import click
import grpc
import pytest
from click.testing import CliRunner, Result

from gateway.commands.call import call
from tests.client.credit_server import CreditServer, rich_status
from tests.client.statuses import invalid_fields, queue_full

ROOT = Path(__file__).parents[2]
APPLICANT = {
    "customer_id": "C-1",
    "revolving_utilization": 0.77,
    "age_years": 45,
    "times_past_due_30_59_days": 2,
    "debt_ratio": 0.8,
    "open_credit_lines": 13,
    "times_past_due_90_days": 0,
    "real_estate_loans": 6,
    "times_past_due_60_89_days": 0,
}
OPTIONS = [part for name, value in APPLICANT.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def run(*arguments: str, text: str | None = None) -> Result:
    """Runs `gapura call` in this process."""
    return CliRunner().invoke(call, arguments, input=text, env={"GAPURA_TARGET": None, "GAPURA_API_KEY": None})


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a stored key."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_importing_the_command_loads_no_grpc() -> None:
    """`gapura --help` stays quick."""
    source = "import sys, gateway.commands.call; sys.exit('grpc' in sys.modules or 'google.protobuf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", source], cwd=ROOT, check=False).returncode == 0


def test_group_lists_services_with_their_comments() -> None:
    lines = [" ".join(line.split()) for line in run("--help").output.splitlines()]
    assert "credit Scores credit applicants and recommends a limit." in lines
    assert "fraud Scores card transactions and recommends what to do." in lines


def test_help_shows_the_comments_of_the_contract() -> None:
    text = " ".join(run("credit", "--help").output.split())
    assert "Scores one applicant." in text
    assert "--customer-id TEXT Required. Identifies the applicant" in text
    assert "--age-years INTEGER Optional. Age of the applicant in completed years, from 0 to 150." in text
    assert "--monthly-income FLOAT Optional. Gross monthly income" in text


def test_answer_is_printed_in_full_as_proto_json(server: CreditServer) -> None:
    """Fields keep their contract's names, defaults are shown, enums have names."""
    result = run("credit", *OPTIONS, "--target", server.target)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "default_probability": 0.25,
        "risk_category": "RISK_CATEGORY_HIGH",
        "credit_limit_minor": "45",
        "currency_code": "",
    }
    assert server.requests[0].times_past_due_30_59_days == 2


def test_absent_option_leaves_its_field_absent(server: CreditServer) -> None:
    """An income of zero and an unknown income are different things."""
    run("credit", *OPTIONS, "--target", server.target)
    assert server.requests[0].HasField("real_estate_loans")
    assert not server.requests[0].HasField("monthly_income")


def test_missing_required_options_are_named_at_once(server: CreditServer) -> None:
    result = run("fraud", "--customer-id", "C-1", "--target", server.target)
    assert result.exit_code == 2
    assert "--merchant-id, --amount-minor, --hour-of-day" in result.stderr
    assert "--currency-code" not in result.stderr
    assert not server.requests


def test_an_id_is_enough_where_stored_features_stand_in(server: CreditServer) -> None:
    assert run("credit", "--customer-id", "C-1", "--target", server.target).exit_code == 0
    assert [field.name for field, _ in server.requests[0].ListFields()] == ["customer_id"]


def test_whole_request_comes_as_json(server: CreditServer) -> None:
    assert run("credit", "--json", json.dumps(APPLICANT), "--target", server.target).exit_code == 0
    assert server.requests[0].age_years == 45


@pytest.mark.parametrize(
    "named",
    [["CreditService", "ScoreCredit"], ["credit", "score-credit"], ["erpml.finance.v1.CreditService/ScoreCredit"]],
)
def test_a_method_may_be_named_with_its_service(server: CreditServer, named: list[str]) -> None:
    assert run(*named, "--json", json.dumps(APPLICANT), "--target", server.target).exit_code == 0
    assert server.requests[0].age_years == 45
    assert "Batch" in run(named[0].partition("/")[0], "BatchScoreCredit", "--help").output


def test_json_comes_from_a_file_or_standard_input(server: CreditServer, empty_folder: Path) -> None:
    (empty_folder / "applicant.json").write_text('{"customerId": "C-2"}')
    assert run("credit", "--json", "@applicant.json", "--target", server.target).exit_code == 0
    assert run("credit", "--json", "-", "--target", server.target, text='{"customer_id": "C-3"}').exit_code == 0
    assert [request.customer_id for request in server.requests] == ["C-2", "C-3"]


def test_options_override_the_json(server: CreditServer) -> None:
    run("credit", "--json", '{"ageYears": 45, "customerId": "C-1"}', "--age-years", "46", "--target", server.target)
    assert (server.requests[0].age_years, server.requests[0].customer_id) == (46, "C-1")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--json", "{"], "--json"),
        (["--json", '{"no_such_field": 1}'], "no_such_field"),
        (["--json", "@no-such-file"], "no-such-file"),
        (["--json", "{}", "--age-years", "99999999999"], "--age-years"),
        (["--json", "{}", "--timeout-seconds", "0"], "timeout_seconds"),
    ],
)
def test_unusable_value_is_a_usage_error(arguments: list[str], hint: str) -> None:
    result = run("credit", *arguments)
    assert result.exit_code == 2
    assert hint in result.stderr


def test_numbers_that_are_not_finite_reach_the_gateway(server: CreditServer) -> None:
    """The gateway is the judge of values."""
    run("credit", "--json", "{}", "--debt-ratio", "-inf", "--target", server.target)
    assert server.requests[0].debt_ratio == float("-inf")


def test_typed_error_is_printed_and_ends_with_1(server: CreditServer) -> None:
    server.fail(invalid_fields())
    result = run("credit", *OPTIONS, "--target", server.target)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "Error: INVALID_ARGUMENT INVALID_FIELD: 2 fields need a change",
        "  age_years: must be from 0 to 150",
        "  debt_ratio: must be finite",
    ]


def test_retry_delay_is_printed(server: CreditServer) -> None:
    server.fail(queue_full())
    assert "try again in 0.25 s" in run("credit", *OPTIONS, "--target", server.target).stderr


def test_absent_gateway_is_told_with_how_to_start_one() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{unused.getsockname()[1]}"
        result = run("credit", *OPTIONS, "--target", target)
    assert result.exit_code == 1
    assert f"no gateway answers at {target}" in result.stderr
    assert "gapura serve" in result.stderr
    assert "make run" in result.stderr


@pytest.mark.parametrize("arguments", [["--api-key", "secret-key"], []], ids=["option", "file"])
def test_key_is_sent_and_never_printed(server: CreditServer, empty_folder: Path, arguments: list[str]) -> None:
    (empty_folder / "var").mkdir()
    (empty_folder / "var/api-key").write_text("secret-key\n")
    server.fail(rich_status(grpc.StatusCode.UNAUTHENTICATED, "the key is not known"))
    result = run("credit", *OPTIONS, *arguments, "--target", server.target)
    assert server.metadata[0]["x-api-key"] == "secret-key"
    assert "secret-key" not in result.output + run("credit", *arguments, "--help").output


def test_target_and_key_come_from_the_environment(server: CreditServer) -> None:
    environment = {"GAPURA_TARGET": server.target, "GAPURA_API_KEY": "secret-key"}
    assert CliRunner().invoke(call, ["credit", *OPTIONS], env=environment).exit_code == 0
    assert server.metadata[0]["x-api-key"] == "secret-key"


def test_key_for_another_machine_needs_consent() -> None:
    result = run("credit", *OPTIONS, "--api-key", "secret-key", "--target", "gapura.invalid:9003")
    assert result.exit_code == 2
    assert "--allow-plaintext" in result.stderr
    assert "secret-key" not in result.output


def test_unknown_service_is_a_usage_error() -> None:
    result = CliRunner().invoke(call, ["no-such-service"])
    assert result.exit_code == click.UsageError.exit_code
