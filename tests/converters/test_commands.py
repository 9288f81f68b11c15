"""`gapura convert` shows the proof and writes what a server needs."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx.helper import make_node

from converters import Conversion, ParityReport
from converters.commands import convert, name_of
from converters.proof_table import show_refusal
from converters.report import WorstRow
from tests.converters.graphs import model_of, value


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "doubling.onnx"
    onnx.save(model_of([make_node("Add", ["x", "x"], ["y:0"])], [value("x", ["n", 3])], [value("y:0", ["n", 3])]), path)
    return path


def test_the_proof_is_shown_and_the_files_are_written(graph: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.ones((20, 3), dtype=np.float32))
    told = CliRunner().invoke(
        convert, [str(graph), "--output", str(tmp_path / "out"), "--sample", str(tmp_path / "rows.npy")]
    )
    assert told.exit_code == 0, told.output
    for words in (
        "20 real, 980 drawn",
        "at most 0.0e+00",
        "tolerance",
        "x FP32 [3]",
        "y:0 FP32 [3]",
        "up to 1,024 rows",
        "Add",
    ):
        assert words in told.output
    assert f"wrote model.onnx, parity.json, signature.json, golden.npz to {tmp_path / 'out'}" in told.output
    kept = Conversion.from_files({path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()})
    assert kept.report.passed
    assert json.loads((tmp_path / "out/parity.json").read_text())["kinds"]["real"] == 20


def test_a_proof_that_failed_is_shown_with_its_worst_rows(capsys: pytest.CaptureFixture[str]) -> None:
    worst = WorstRow(3, "missing", 0.25, {"age": None, "region": "öst"}, {"prediction": [1.0]}, {"prediction": [1.25]})
    show_refusal(ParityReport(1000, {"real": 999, "missing": 1}, {}, 0.25, 0.1, 1e-4, True, 0.0, True, False, (worst,)))  # noqa: FBT003
    told = capsys.readouterr().out
    for words in ("does not answer as the model does", "999 real, 1 missing", "at most 2.5e-01", "prediction 1.25"):
        assert words in told
    assert "missing row 3 asks age missing, region öst" in told


def test_files_go_to_a_folder_named_after_the_model(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(graph.parent)
    assert CliRunner().invoke(convert, [str(graph)]).exit_code == 0
    assert (graph.parent / "doubling/model.onnx").exists()


def test_a_refusal_is_one_message_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    told = CliRunner().invoke(convert, [str(tmp_path / "bad.onnx"), "--output", str(tmp_path / "out")])
    assert told.exit_code == 1
    assert told.output.startswith("Error: the ONNX file cannot be read")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("models:/team3_credit_scoring/7", "team3_credit_scoring-7"),
        ("models:/team3_credit_scoring@champion", "team3_credit_scoring-champion"),
        ("runs:/0a1b/model", "0a1b-model"),
    ],
)
def test_an_address_gives_a_name(uri: str, name: str) -> None:
    assert name_of(uri) == name
