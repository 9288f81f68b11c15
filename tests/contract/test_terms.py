"""A model behind the gateway sees the outputs and parameters that its callers ask by, as it does behind Triton."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from struct import pack
from typing import Any

import pytest

from tests.contract.cases import Case, infer
from tests.contract.targets import Outcome, Target

ROW = pack("<2f", 1, 2)


def telling(number: int = 0, model: str = "telling", **fields: Any) -> Case:
    """Returns a request of the model that tells what it was asked by; its row has a number in it."""
    shape = [2] if model == "telling_alone" else [1, 2]
    return Case("telling", "ModelInfer", infer(model, ("X", "FP32", shape, pack("<2f", number, 2)), **fields))


def told(outcome: Outcome) -> Mapping[str, Any]:
    """Returns what the model told."""
    names = [output.name for output in outcome.answer.outputs]
    found: dict[str, Any] = json.loads(outcome.answer.raw_output_contents[names.index("TOLD")][4:])
    return found


ASKED: dict[str, Mapping[str, Any]] = {
    "plain": {},
    "one output": {"outputs": ["TOLD"]},
    "both outputs": {"outputs": ["TOLD", "Y"]},
    "parameters": {"parameters": {"whole": 1, "text": "x", "yes": True, "half": 0.5}},
    "timeout": {"parameters": {"timeout": 5_000_000}},
    "part of a sequence": {"parameters": {"sequence_id": 7, "sequence_start": True}},
    "part of a named sequence": {"parameters": {"sequence_id": "seven", "sequence_end": True}},
    "the gateway's own": {"parameters": {"priority": 2, "triton_enable_empty_final_response": True}},
}


@pytest.mark.parametrize("model", ["telling", "telling_alone"])
@pytest.mark.parametrize("name", ASKED)
def test_a_model_sees_what_it_is_asked_by(
    python_direct: Target, python_over_triton: Target, model: str, name: str
) -> None:
    case = telling(model=model, **ASKED[name])
    expected, got = told(python_direct.ask(case)), told(python_over_triton.ask(case))
    if model == "telling" and "sequence_id" not in case.request.parameters:
        got = {**got, "id": "r1"}  # a batch has none: of ids it is the caller that gets its own
    assert got == expected


def test_only_calls_with_equal_outputs_and_parameters_share_a_batch(python_over_triton: Target) -> None:
    kinds: Sequence[Mapping[str, Any]] = [
        {},
        {"outputs": ["TOLD"]},
        {"parameters": {"beam": 4}},
        {"parameters": {"beam": 5}},
        {"parameters": {"beam": 4}, "outputs": ["TOLD"]},
    ]
    asked = [(kind, telling(number, **kind, id=str(number))) for number in range(40) for kind in kinds]
    with ThreadPoolExecutor(50) as callers:
        outcomes = list(callers.map(python_over_triton.ask, [case for _, case in asked]))
    for (kind, case), outcome in zip(asked, outcomes, strict=True):
        found = told(outcome)
        assert (outcome.code, outcome.answer.id) == ("OK", case.request.id)
        assert found["parameters"] == kind.get("parameters", {})
        assert found["outputs"] == sorted(kind.get("outputs", ["TOLD", "Y"]))
        assert [output.name for output in outcome.answer.outputs] == kind.get("outputs", ["Y", "TOLD"])
        if "outputs" not in kind:
            assert outcome.answer.raw_output_contents[0] == case.request.raw_input_contents[0]
