"""`gapura contracts check`: what a gateway would refuse is told before it goes live, by model, version and reason."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from erpml.catalog.v1 import catalog_pb2

from gateway.commands.contracts import contracts
from tests.gateway.contract_source import SCORE, compile_contract, fed, service
from tests.gateway.feature_contract import entity, view_message
from tests.gateway.models import COLUMNS, catalog_message, credit_view_message

MODEL = "team3_credit_scoring"
SINGLE = "erpml.finance.v1.CreditService.ScoreCredit"
BATCH = "erpml.finance.v1.CreditService.BatchScoreCredit"
SLOW = ("grpc", "numpy", "onnxruntime", "redis", "tritonclient", "uvloop")


@dataclass(frozen=True)
class Outcome:
    """How the command ended."""

    status: int
    printed: str

    @property
    def report(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.printed)


def candidate() -> catalog_pb2.Catalog:
    """Returns a catalog whose credit model has version 7 as champion, 8 as challenger, and 6 from before."""
    number_of_columns = len(COLUMNS)
    signature = catalog_pb2.Signature(
        inputs=[catalog_pb2.Tensor(name="input", datatype="FP64", dims=[number_of_columns], columns=COLUMNS)],
        outputs=[
            catalog_pb2.Tensor(name="label", datatype="INT64", dims=[1]),
            catalog_pb2.Tensor(name="probabilities", datatype="FP32", dims=[2]),
        ],
    )
    model = catalog_pb2.Model(name=MODEL, team="team3", previous_version=6)
    for number in (6, 7, 8):
        model.versions.add(number=number, signature=signature, max_batch_size=1024, sha256="00")
    model.arms.add(name="champion", version=7, weight_basis_points=10_000, kind=catalog_pb2.ARM_KIND_CHAMPION)
    model.arms.add(name="challenger", version=8, kind=catalog_pb2.ARM_KIND_CHALLENGER)
    return catalog_pb2.Catalog(generation=12, models=[model], feature_views=[credit_view_message()])


def check(folder: Path, catalog: catalog_pb2.Catalog, *options: str) -> Outcome:
    """Runs the command in this process."""
    (folder / "candidate.binpb").write_bytes(catalog.SerializeToString())
    (folder / "contracts").mkdir(exist_ok=True)
    places = ["--catalog", str(folder / "candidate.binpb"), "--contracts", str(folder / "contracts")]
    done = CliRunner().invoke(contracts, ["check", *places, *options])
    return Outcome(done.exit_code, done.output)


def tensor(catalog: catalog_pb2.Catalog, number: int, kind: str) -> catalog_pb2.Tensor:
    """Returns the first input or the last output of a version."""
    (version,) = (each for each in catalog.models[0].versions if each.number == number)
    return version.signature.inputs[0] if kind == "input" else version.signature.outputs[-1]


def test_every_method_and_version_that_fits_is_served(tmp_path: Path) -> None:
    outcome = check(tmp_path, candidate(), "--json")
    assert (outcome.status, outcome.report["ok"], outcome.report["generation"]) == (0, True, 12)
    assert outcome.report["models"] == {MODEL: {"ok": True, "refused": []}}
    served = {(each["method"], each["version"], *each["arms"]) for each in outcome.report["methods"] if each["served"]}
    assert served == {
        (method, *version) for method in (SINGLE, BATCH) for version in ((6,), (7, "champion"), (8, "challenger"))
    }


def rename_column(catalog: catalog_pb2.Catalog, number: int) -> None:
    tensor(catalog, number, "input").columns[3] = "incomes"


def change_type(catalog: catalog_pb2.Catalog, number: int) -> None:
    tensor(catalog, number, "input").datatype = "FP32"


def widen_output(catalog: catalog_pb2.Catalog, number: int) -> None:
    tensor(catalog, number, "output").dims[0] = 3


def forget_output(catalog: catalog_pb2.Catalog, number: int) -> None:
    tensor(catalog, number, "output").name = "probability"


def make_up_type(catalog: catalog_pb2.Catalog, number: int) -> None:
    tensor(catalog, number, "output").datatype = "FP12"


def empty_dimension(catalog: catalog_pb2.Catalog, number: int) -> None:
    tensor(catalog, number, "output").dims[0] = 0


@pytest.mark.parametrize(
    ("spoil", "method", "reason"),
    [
        (rename_column, SINGLE, "'DebtRatio', which is not a column of the model"),
        (change_type, "config.pbtxt", "inputs input FP32 [10], not input FP64 [10] as version 7"),
        (widen_output, "config.pbtxt", "probabilities FP32 [3], not label INT64 [1], probabilities FP32 [2]"),
        (forget_output, SINGLE, "the model has no output 'probabilities'"),
        (make_up_type, "config.pbtxt", "output 'probabilities' has the datatype 'FP12'"),
        (empty_dimension, "config.pbtxt", "output 'probabilities' has dims [0]"),
    ],
)
def test_a_challenger_that_would_be_refused_is_told_and_another_loaded_version_does_no_harm(
    tmp_path: Path, spoil: Callable[[catalog_pb2.Catalog, int], None], method: str, reason: str
) -> None:
    catalog = candidate()
    spoil(catalog, 8)
    outcome = check(tmp_path, catalog, "--json")
    assert (outcome.status, outcome.report["ok"]) == (1, False)
    refused = outcome.report["models"][MODEL]["refused"]
    assert {each["version"] for each in refused} == {8}
    assert any(each["method"] == method and reason in each["reason"] for each in refused), refused
    harmless = candidate()
    spoil(harmless, 6)
    outcome = check(tmp_path, harmless, "--json")
    assert (outcome.status, outcome.report["models"][MODEL]) == (0, {"ok": True, "refused": []})
    assert any(reason in each["reason"] for each in outcome.report["methods"])


def test_a_method_of_a_model_that_is_not_in_the_catalog_is_told_and_does_no_harm(tmp_path: Path) -> None:
    outcome = check(tmp_path, catalog_message(3))
    assert outcome.status == 0
    assert f"{MODEL}  {SINGLE}  refused: the catalog has no such model" in outcome.printed


def test_contracts_that_were_laid_down_are_checked_and_broken_ones_are_told(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    body = service(f"optional double x1 = 1 [{fed('x1')}];", SCORE)
    (tmp_path / "contracts/team5.binpb").write_bytes(compile_contract(tmp_path, body))
    (tmp_path / "contracts/broken.binpb").write_bytes(b"\xff")
    outcome = check(tmp_path, catalog_message(3), "--json")
    assert outcome.status == 1
    (refused,) = outcome.report["models"]["team9_test"]["refused"]
    assert refused["method"] == "erpml.team5.v1.LeadService.ScoreLead"
    assert [Path(name).name for name in outcome.report["left_out"]] == ["broken.binpb"]


def test_methods_that_look_up_features_are_checked_against_the_views_of_the_catalog(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    body = service(f"string id = 1 [{entity('leads')}];", SCORE)
    (tmp_path / "contracts/team5.binpb").write_bytes(compile_contract(tmp_path, body))
    catalog = catalog_message(3)
    signature = catalog.models[0].versions[0].signature.inputs[0]
    signature.dims[0] = 1
    signature.columns.append("x1")
    outcome = check(tmp_path, catalog, "--json")
    (refused,) = outcome.report["models"]["team9_test"]["refused"]
    assert (outcome.status, refused["version"]) == (1, 1)
    assert "feature view 'leads' is not declared" in refused["reason"]
    catalog.feature_views.append(view_message())
    catalog.feature_views.append(view_message("odd", degrade=0))
    outcome = check(tmp_path, catalog, "--json")
    assert (outcome.status, outcome.report["models"]["team9_test"]["refused"]) == (0, [])
    assert list(outcome.report["left_out"]) == ["feature view odd"]


@pytest.mark.parametrize("content", [None, b"\xff\xff"])
def test_what_cannot_be_read_is_told_with_a_status_of_its_own(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "candidate.binpb"
    if content is not None:
        path.write_bytes(content)
    done = CliRunner().invoke(contracts, ["check", "--catalog", str(path), "--json"])
    assert done.exit_code == 2
    assert str(path) in done.output


def test_the_real_command_prints_json_and_imports_nothing_that_takes_long(tmp_path: Path) -> None:
    """A hub runs it before an alias moves."""
    (tmp_path / "candidate.binpb").write_bytes(candidate().SerializeToString())
    program = f"""
import sys
for name in {SLOW}:
    sys.modules[name] = None
from gateway.__main__ import main
main(prog_name="gapura")
"""
    arguments = ["contracts", "check", "--catalog", str(tmp_path / "candidate.binpb"), "--json"]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["ok"]
