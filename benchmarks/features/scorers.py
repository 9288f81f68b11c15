"""Models that fit contracts whose features are stored: trees grown on made-up rows, and who these rows belong to."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from erpml.annotations.v1 import annotations_pb2
from erpml.catalog.v1 import catalog_pb2
from erpml.types.v1 import feature_view_pb2
from gapura_features.schema import FeatureType, message_of
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from numpy.typing import NDArray
from onnx import TensorProto, helper
from skl2onnx.sklapi import CastTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # publishes no types

from benchmarks.features.rows import DAY_MS, store
from benchmarks.measuring.framing import frame
from benchmarks.measuring.questions import TOLERANCE
from benchmarks.models import BenchModel
from converters import InputSpec, convert
from gateway.contracts.columns import Column, annotated_columns
from gateway.contracts.descriptors import AnnotatedMethod, link
from gateway.feature_views import FeatureView
from hub.composition import compose_signature

CREDIT, FRAUD = "erpml.finance.v1.CreditService.ScoreCredit", "erpml.finance.v1.FraudService.ScoreTransaction"
SCORES = {CREDIT: "default_probability", FRAUD: "fraud_score"}
SEED, ROWS, TREES, LEAVES, PARITY_ROWS = 7, 4_000, 100, 15, 500
BUDGET_MS = "2000"  # of the gateway: what is late on a busy machine would be another answer
MOST_COUNT = 20  # fits every whole number of the contracts, an hour of the day too
TYPES = {
    FieldDescriptor.CPPTYPE_BOOL: FeatureType.BOOL,
    FieldDescriptor.CPPTYPE_INT32: FeatureType.INT32,
    FieldDescriptor.CPPTYPE_INT64: FeatureType.INT64,
}


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model of a method, and rows with known scores; all features of row 7 are those of the entities `e7`.

    Attributes:
        method: The method.
        model: What is served.
        views: What the method looks up.
        rows: `[rows, columns]`, the columns in the order of the contract.
        scores: Probability that the model gives each row, by ONNX Runtime asked alone.
    """

    method: AnnotatedMethod
    model: BenchModel
    views: tuple[feature_view_pb2.FeatureView, ...]
    rows: NDArray[np.float64]
    scores: NDArray[np.float32]

    def questions(self, asked: int, *, by_ids: bool) -> "tuple[Scoring, ...]":
        """Returns calls for the first rows: with ids and what is nowhere stored alone, or with everything."""
        return tuple(
            Scoring(self, number, frame(self.request(number, by_ids=by_ids).SerializeToString()))
            for number in range(asked)
        )

    def request(self, number: int, *, by_ids: bool) -> Message:
        """Returns the request of a row."""
        stored = {column.name for view in self.views for column in view.columns} if by_ids else set()
        columns = zip(annotated_columns(self.method), self.values(number), strict=True)
        said = {column.field: value for column, value in columns if column.name not in stored}
        message: Message = self.method.request(**dict.fromkeys(entities(self.method), entity_of(number)), **said)
        return message

    def values(self, number: int) -> list[Any]:
        """Returns a row as its fields have it."""
        return [
            typed(column, value)
            for column, value in zip(annotated_columns(self.method), self.rows[number], strict=True)
        ]

    def problem(self, number: int, answer: bytes) -> str:
        """Says what is wrong with the answer to the request of a row, if anything."""
        score = getattr(self.method.response.FromString(answer), SCORES[self.method.full_name])
        wanted = float(self.scores[number])
        return "" if abs(score - wanted) <= TOLERANCE else f"row {number} has the score {score}, not {wanted}"

    def store(self, client: Any, asked: int) -> None:
        """Stores the features of the first rows by a client of redis-py."""
        names = [column.name for column in annotated_columns(self.method)]
        for view in self.views:
            places = [names.index(column.name) for column in view.columns]
            whole = (self.values(number) for number in range(asked))
            store(client, FeatureView.read(view), (tuple(row[place] for place in places) for row in whole))


@dataclass(frozen=True, slots=True)
class Scoring:
    """A typed call whose score is known.

    Attributes:
        scorer: Whose method is called.
        number: Of the row.
        body: What is sent.
    """

    scorer: Scorer
    number: int
    body: bytes

    def problem(self, message: bytes) -> str:
        """Says what is wrong with an answer, if anything."""
        return self.scorer.problem(self.number, message)


@cache
def train(full_name: str) -> Scorer:
    """Trains a model for a method, `package.Service.Method`."""
    method = next(method for method in link({}).methods if method.full_name == full_name)
    columns = annotated_columns(method)
    random = np.random.default_rng(SEED)
    rows = np.stack([draw(random, column) for column in columns], axis=1)
    table = pd.DataFrame(rows, columns=[column.name for column in columns])
    odds = (rows / rows.max(axis=0)) @ random.normal(size=len(columns))
    with threadpool_limits(1):
        trees = HistGradientBoostingClassifier(max_iter=TREES, max_leaf_nodes=LEAVES, random_state=SEED)
        pipeline = Pipeline([("cast", CastTransformer(dtype=np.float32)), ("model", trees)])
        pipeline.fit(table, (odds > np.median(odds)).astype(np.int64))
    conversion = convert(pipeline, InputSpec(tuple(table.columns), ("FP64",) * len(columns)), table[:PARITY_ROWS])
    graph, signature = conversion.onnx, compose_signature(conversion.signature)
    for tensor in explained(method):
        graph = add_contributions(graph, signature, tensor)
    model = BenchModel(method.serving.model, graph, signature)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (scores,) = session.run(["probabilities"], {"input": rows})
    return Scorer(method, model, tuple(views_of(method)), rows, scores[:, 1])


def draw(random: np.random.Generator, column: Column) -> NDArray[np.float64]:
    """Draws a column: whole numbers and truths where the contract wants them."""
    drawn = random.random(ROWS)
    if column.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return np.floor(drawn * 2)
    return np.floor(drawn * MOST_COUNT) if column.cpp_type in TYPES else drawn


def typed(column: Column, value: float) -> float | int | bool:
    """Returns a value as its field has it."""
    if column.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return bool(value)
    return int(value) if column.cpp_type in TYPES else float(value)


def entities(method: AnnotatedMethod) -> dict[str, str]:
    """Returns the view of each field that has the id of an entity."""
    annotated = {
        field.name: field.GetOptions().Extensions[annotations_pb2.entity].view
        for field in method.request.DESCRIPTOR.fields
    }
    return {field: view for field, view in annotated.items() if view}


def explained(method: AnnotatedMethod) -> set[str]:
    """Returns the tensors with what each input adds to a score."""
    fields = method.response.DESCRIPTOR.fields
    return {field.GetOptions().Extensions[annotations_pb2.items].tensor for field in fields} - {""}


def add_contributions(content: bytes, signature: catalog_pb2.Signature, name: str) -> bytes:
    """Adds what each input adds to the score, which is made up: it is the input itself."""
    model, (matrix,) = onnx.load_from_string(content), signature.inputs
    graph, added = model.graph, signature.outputs.add(name=name, datatype="FP32", dims=matrix.dims)
    added.columns.extend(matrix.columns)
    graph.node.append(helper.make_node("Cast", [matrix.name], [name], to=TensorProto.FLOAT))
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, *matrix.dims]))
    return bytes(model.SerializeToString(deterministic=True))


def entity_of(number: int) -> str:
    """Returns the id of all entities of a row."""
    return f"e{number}"


def views_of(method: AnnotatedMethod) -> Iterator[feature_view_pb2.FeatureView]:
    """Yields the views that a method looks up; of several entities, each has the columns that begin with its name."""
    columns, found = annotated_columns(method), entities(method)
    for field, name in found.items():
        entity = field.removesuffix("_id")
        mine = [column for column in columns if len(found) == 1 or column.name.startswith(f"{entity}_")]
        described = [(column.name, TYPES.get(column.cpp_type, FeatureType.FLOAT64)) for column in mine]
        yield feature_view_pb2.FeatureView(
            name=name,
            team="team3",
            entity=entity,
            freshness_ms=DAY_MS,
            degrade=feature_view_pb2.DEGRADE_DEFAULT,
            columns=[column_of(name, type_) for name, type_ in described],
        )


def column_of(name: str, type_: FeatureType) -> feature_view_pb2.FeatureColumn:
    """Returns a column of a view, null where nothing is stored."""
    known = feature_view_pb2.FeatureType.Value(f"FEATURE_TYPE_{type_.name}")
    return feature_view_pb2.FeatureColumn(name=name, type=known, default_value=message_of(type_, None))
