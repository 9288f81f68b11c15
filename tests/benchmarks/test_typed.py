"""`gapura bench typed` over the embedded backend, in moments too short for figures to mean anything."""

import json

import pytest
from erpml.finance.v1 import credit_service_pb2

from benchmarks.measuring.measurement import Pace
from benchmarks.typed import questions, run
from benchmarks.typed.client import compose_order, measure_once
from benchmarks.typed.credit import compose_view, train_credit
from benchmarks.workplace import open_workplace

MOMENT = Pace(rounds=1, seconds=0.3, warm_up_seconds=0.2)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def test_typed_and_raw_calls_are_compared_by_both_kinds_of_clients() -> None:
    credit = train_credit(32)
    with open_workplace([credit.model], [compose_view()], triton=False) as place, place.gateway("onnx") as gateway:
        contestants = run.bare(place, gateway, credit)
        rounds = run.load(contestants, MOMENT)
        typed, raw = (measure_once(each, compose_order(each, credit, MOMENT)) for each in contestants[:2])
    assert rounds.keys() == {run.TYPED, run.RAW, run.TYPED_TOGETHER, run.RAW_TOGETHER}
    assert all(measured.calls > measured.unanswered == measured.wrong == 0 for (measured,) in rounds.values())
    assert all(each.calls > each.unanswered == each.wrong == 0 < each.cpu_per_1000 for each in (typed, raw))


def test_ways_to_ask_speak_of_the_same_applicants() -> None:
    credit = train_credit(32)
    typed, json_ = questions.typed_questions(credit)[5], questions.rest_questions(credit)[5]
    request = credit_service_pb2.ScoreCreditRequest.FromString(typed.body[5:])
    assert request.debt_ratio == json.loads(json_.body)["debt_ratio"] == credit.applicants[5][3]
    assert len(questions.batch_questions(credit, 16)) == len(questions.raw_questions(credit, 16)) == 2


def test_score_of_another_applicant_is_told() -> None:
    credit = train_credit(32)
    first, *others = questions.typed_questions(credit)
    score = float(credit.scores[0, 1])
    answer = credit_service_pb2.ScoreCreditResponse(default_probability=score).SerializeToString()
    assert not first.problem(answer)
    assert all(other.problem(answer) for other in others)
