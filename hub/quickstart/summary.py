"""What a tour shows at its end: decisions beside the truth, and how to call the gateway."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from erpml.finance.v1 import credit_service_pb2
from rich.table import Table

from hub.quickstart.applicants import Applicant

_DEFAULT_TARGET = "127.0.0.1:9003"
_DEFAULT_KEY = Path("var/api-key")


def tabulate(applicants: Iterable[Applicant], answers: Iterable[credit_service_pb2.ScoreCreditResponse]) -> Table:
    """Returns a row per applicant."""
    table = Table("Customer", "Default probability", "Credit limit", "Risk", "What happened")
    for column in table.columns[1:3]:
        column.justify = "right"
    for applicant, answer in zip(applicants, answers, strict=True):
        table.add_row(
            applicant.request.customer_id,
            f"{answer.default_probability:.4f}",
            f"{answer.credit_limit_minor / 100:,.0f} {answer.currency_code}",
            credit_service_pb2.RiskCategory.Name(answer.risk_category).removeprefix("RISK_CATEGORY_").lower(),
            "defaulted" if applicant.defaulted else "paid",
        )
    return table


def explain_calls(request: credit_service_pb2.ScoreCreditRequest, target: str, key: Path) -> str:
    """Returns a command line and a Python program that score this very applicant."""
    fields = [(field.name, value) for field, value in request.ListFields()]
    command = [_executable("gapura"), "call", "credit"]
    for name, value in fields:
        command += [f"--{name.replace('_', '-')}", str(value)]
    if target != _DEFAULT_TARGET:
        command += ["--target", target]
    line = shlex.join(command)
    if key != _DEFAULT_KEY:
        line += f' --api-key "$(cat {shlex.quote(str(key))})"'
    arguments = ", ".join(f"{name}={value!r}" for name, value in fields)
    return f"""Call it from a shell:

  {line}

or from Python ({_executable(Path(sys.executable).name)}):

  import gapura_client
  from erpml.finance.v1 import credit_service_pb2, credit_service_pb2_grpc
  with gapura_client.connect({target!r}, api_key=open({str(key)!r}).read().strip()) as channel:
      request = credit_service_pb2.ScoreCreditRequest({arguments})
      print(credit_service_pb2_grpc.CreditServiceStub(channel).ScoreCredit(request))"""


def _executable(name: str) -> str:
    """The path of a program beside this interpreter, as short as it can be typed here; else its bare name."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        return name
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
