"""The first ten minutes of a newcomer: `make run` in a clone, and the calls of README.md, print what it says."""

import re
from pathlib import Path

import pytest

from tests.e2e.newcomer import Called, Visit, read_visit, visit
from tests.sharing import made_once

pytestmark = pytest.mark.timeout(600)  # six models are trained and published, on a machine that may be busy

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
OWN = re.compile(r'"(prediction_id|feature_age_ms)": "[\w-]+"')  # of each call, or of the moment


@pytest.fixture(scope="module")
def visited(run_folder: Path) -> Visit:
    return read_visit(made_once(run_folder / "newcomer", visit))


def calls(visited: Visit, words: str) -> list[Called]:
    """Returns the snippets in which words stand."""
    return [called for called in visited.called if words in called.snippet]


def require_alike(called: Called) -> None:
    """Makes sure that what was printed is what is shown, but for the last digits of what another machine trains."""
    shown, printed = (OWN.sub(r"\1", " ".join(text.split())) for text in (called.shown, called.printed))
    assert NUMBER.sub("", printed) == NUMBER.sub("", shown), called.printed
    numbers = ([float(number) for number in NUMBER.findall(text)] for text in (printed, shown))
    assert next(numbers) == pytest.approx(next(numbers), rel=0.05), called.printed


def test_make_run_trains_publishes_and_calls_every_team(visited: Visit) -> None:
    teams = {f"team{number}" for number in (1, 2, 3, 4, 6)}
    assert set(re.findall(r"^\[\d\] train (team\d)", visited.toured, re.MULTILINE)) == teams
    assert len(re.findall(r"^    team\d_\w+ version 1 live: [\d,]+ rows agree", visited.toured, re.MULTILINE)) == 6
    assert "not reached" not in visited.toured
    auc = re.search(r"AUC over 30,000 held-out applicants: ([\d.]+)", visited.toured)
    assert auc is not None
    assert float(auc[1]) >= 0.86
    assert f"the same by customer id alone, features from the store: {auc[1]}" in visited.toured
    for step in (
        "score card transactions",
        "recommend products",
        "forecast demand",
        "find prices",
        "read the sentiment",
    ):
        assert re.search(rf"^\[\d+\] {step}", visited.toured, re.MULTILINE), step
    parts = ["valkey", "worker-1", "feature-store", "operations", "publisher"]
    assert re.findall(r"^(\S+) +(?:ready|starting) ", visited.toured, re.MULTILINE) == ["supervisor", *parts]


@pytest.mark.parametrize("words", ["gapura call credit", "gapura_client.connect", "tritonclient", "@grpc/grpc-js"])
def test_a_call_prints_what_the_readme_shows(words: str, visited: Visit) -> None:
    found = calls(visited, words)
    assert found, f"README.md shows no {words}"
    for called in found:
        require_alike(called)


def test_a_bad_call_is_told_what_to_change_in_the_words_of_the_readme(visited: Visit) -> None:
    (called,) = (each for each in visited.called if each.shown.startswith("Error: "))
    assert called.printed == called.shown


def test_ctrl_c_ends_it_and_leaves_nothing_running(visited: Visit) -> None:
    assert visited.toured.count("stopping\nthe gateway has stopped\n") == 1
    assert visited.status != 0  # make's own, as it was interrupted
