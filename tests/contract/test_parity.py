"""The same request gets the same code, the same words and the same bytes from the gateway as from Triton itself."""

import pytest

from tests.contract.cases import Case, cases
from tests.contract.differences import DIFFERENCES
from tests.contract.targets import Outcome, Target

CASES = {case.name: case for case in cases()}
SAME = [case for case in CASES.values() if case.name not in DIFFERENCES]
TOLD: dict[str, Outcome] = {}


def truth(direct: Target, case: Case) -> Outcome:
    """Returns what Triton answers, asked once."""
    if case.name not in TOLD:
        TOLD[case.name] = direct.ask(case)
    return TOLD[case.name]


@pytest.mark.parametrize("case", SAME, ids=lambda case: case.name)
def test_the_gateway_answers_as_triton_does(direct: Target, served: Target, case: Case) -> None:
    expected, got = truth(direct, case), served.ask(case)
    assert (got.code, got.message) == (expected.code, expected.message)
    assert got.answer == expected.answer
    assert got.content == expected.content


@pytest.mark.parametrize("name", DIFFERENCES)
def test_where_it_differs_it_does_so_on_purpose(direct: Target, served: Target, name: str) -> None:
    difference, got = DIFFERENCES[name], served.ask(CASES[name])
    assert got.code == difference.code
    assert difference.message in (got.message or str(got.answer))
    if difference.safe:
        assert truth(direct, CASES[name]) != got


def test_names_of_cases_are_unique() -> None:
    assert len(CASES) == len(cases())


PINNED = {
    "model_unknown": ("NOT_FOUND", "Request for unknown model: 'nope' is not found"),
    "version_7": ("NOT_FOUND", "Request for unknown model: 'versions' version 7 is not found"),
    "version_abc": (
        "INVALID_ARGUMENT",
        (
            "failed to get model version from specified version string 'abc' (details: stol), version should be an "
            "integral value > 0"
        ),
    ),
    "version_-1": (
        "INVALID_ARGUMENT",
        "invalid model version specified '-1' , version should be an integral value > 0",
    ),
    "shape_whole_wrong": (
        "INVALID_ARGUMENT",
        "[request id: r1] unexpected shape for input 'X' for model 'whole'. Expected [2,3], got [3,2]. ",
    ),
    "type_wrong": (
        "INVALID_ARGUMENT",
        "[request id: r1] inference input 'X' data-type is 'FP64', but model 'matrix' expects 'FP32'",
    ),
    "rows_too_many": ("INVALID_ARGUMENT", "[request id: r1] inference request batch-size must be <= 8 for 'matrix'"),
    "bytes_few": (
        "INVALID_ARGUMENT",
        "[request id: r1] input byte size mismatch for input 'X' for model 'matrix'. Expected 12, got 11",
    ),
    "input_none_anonymous": (
        "INVALID_ARGUMENT",
        (
            "[request id: <id_unknown>] expected 1 inputs but got 0 inputs for model 'matrix'. Got input(s) [], but "
            "missing required input(s) ['X']. Please provide all required input(s)."
        ),
    ),
    "input_unknown": ("INVALID_ARGUMENT", "unexpected inference input 'Z' for model 'matrix'"),
    "output_unknown": ("INVALID_ARGUMENT", "unexpected inference output 'nope' for model 'matrix'"),
    "contents_and_raw": (
        "INVALID_ARGUMENT",
        "contents field must not be specified when using raw_input_contents for 'X' for model 'matrix'",
    ),
    "data_none": ("INVALID_ARGUMENT", "unable to find data for input tensor 'X' for model 'matrix' in request."),
    "ModelReady_nope_": ("OK", ""),
    "ModelStatistics_nope_": ("INVALID_ARGUMENT", "requested model 'nope' is not available"),
    "load_unknown": ("INTERNAL", "failed to load 'nope', failed to poll from model repository"),
}


@pytest.mark.parametrize("name", PINNED)
def test_triton_still_says_what_is_written_here(direct: Target, name: str) -> None:
    told = truth(direct, CASES[name])
    assert (told.code, told.message) == PINNED[name]
