"""`gapura bench lanes` as a whole, over the embedded backend, in moments too short for figures to mean anything."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from gapura_bench import commands

from benchmarks.gbm import COLUMNS, Recipe, draw_rows, train
from benchmarks.lanes import run
from benchmarks.measuring.measurement import Pace
from benchmarks.measuring.questions import agree, ask

MOMENT = Pace(rounds=1, seconds=0.3, warm_up_seconds=0.3)


def test_suites_run_and_keep_what_they_find(tmp_path: Path) -> None:
    plan = run.Plan(("small", "malformed"), "onnx", "grpcio", MOMENT, tmp_path)
    assert run.run(plan) == []
    kept = json.loads((tmp_path / "lanes.json").read_text())
    assert kept.keys() == {"small", "malformed"}
    rounds = kept["small"]["figures"]["one row, 8x32"]
    assert rounds.keys() == {"gateway", "gateway, one call a batch"}
    assert all(each["calls_per_second"] > 0 < each["cpu_per_1000"] for each in rounds["gateway"])
    assert all(each["batch"] == 1 for each in rounds["gateway, one call a batch"])
    assert all(each["batch"] >= 1 for each in rounds["gateway"])
    assert all(bar["reached"] for bar in kept["malformed"]["bars"])
    text = (tmp_path / "lanes.md").read_text()
    assert "## small" in text
    assert "## malformed" in text


def test_command_offers_every_suite() -> None:
    assert tuple(run.SUITES) == commands.LANES


def test_command_explains_itself() -> None:
    shown = CliRunner().invoke(commands.bench, ["lanes", "--help"])
    assert shown.exit_code == 0
    assert "asked directly" in shown.output


def test_command_says_when_there_is_no_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "find_spec", lambda _: None)
    shown = CliRunner().invoke(commands.bench, ["lanes"])
    assert shown.exit_code == 1
    assert "checkout" in shown.output


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_repeated_trees_answer_the_same() -> None:
    rows, _ = draw_rows()
    recipe = Recipe(trees=5, depth=2)
    once, signature = train(recipe)
    thrice, _ = train(Recipe(recipe.trees, recipe.depth, copies=3))
    assert len(thrice) > 2 * len(once)
    assert list(signature.inputs[0].dims) == [COLUMNS]
    for question, other in zip(ask("m", once, rows[:16]), ask("m", thrice, rows[:16]), strict=True):
        assert question.message == other.message
        assert agree(question.answer["probabilities"].tobytes(), other.answer["probabilities"])
