"""Gradient boosted trees on 30 columns of made-up data, trained once and kept in `var/bench`."""

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
from erpml.catalog.v1 import catalog_pb2
from numpy.typing import NDArray
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier

from converters import InputSpec, convert
from hub.composition import compose_signature

HOME = Path("var/bench")
COLUMNS, ROWS, SEED = 30, 4_000, 7
INFORMATIVE, SHARE_OF_WRONG_LABELS, SAMPLE = 12, 0.2, 1_000
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the trees are grown.

    Attributes:
        trees: How many are trained.
        depth: Of each.
        copies: How often the whole ensemble stands in the graph, with its weights divided by it: the answers stay,
            and each takes so many times as long.
    """

    trees: int
    depth: int
    copies: int = 1


def draw_rows() -> tuple[Rows, NDArray[np.int64]]:
    """Returns the rows, [rows, columns], and their classes."""
    rows, classes = make_classification(
        ROWS, COLUMNS, n_informative=INFORMATIVE, flip_y=SHARE_OF_WRONG_LABELS, random_state=SEED
    )
    return rows.astype(np.float32), classes


def grow(recipe: Recipe) -> tuple[bytes, catalog_pb2.Signature]:
    """Returns the graph and its signature; what was grown before is read."""
    kept = HOME / f"gbm-{digest_of(recipe)}"
    graph, signature = kept.with_suffix(".onnx"), kept.with_suffix(".signature")
    if not graph.exists():
        HOME.mkdir(parents=True, exist_ok=True)
        content, described = train(recipe)
        signature.write_bytes(described.SerializeToString())
        scratch = graph.with_suffix(".new")
        scratch.write_bytes(content)
        scratch.replace(graph)
    return graph.read_bytes(), catalog_pb2.Signature.FromString(signature.read_bytes())


def digest_of(recipe: Recipe) -> str:
    """Names a recipe, and everything else that decides the graph."""
    made_by = [asdict(recipe), COLUMNS, ROWS, SEED, version("scikit-learn"), version("skl2onnx")]
    return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()[:12]


def train(recipe: Recipe) -> tuple[bytes, catalog_pb2.Signature]:
    """Trains and converts."""
    rows, classes = draw_rows()
    model = GradientBoostingClassifier(
        n_estimators=recipe.trees,
        max_depth=recipe.depth,
        learning_rate=2 / recipe.trees,
        subsample=0.25,
        max_features=6,
        random_state=SEED,
    ).fit(rows, classes)
    columns = tuple(f"f{number}" for number in range(COLUMNS))
    conversion = convert(model, InputSpec(columns, ("FP32",) * COLUMNS), rows[:SAMPLE])
    return repeat_trees(conversion.onnx, recipe.copies), compose_signature(conversion.signature)


def repeat_trees(content: bytes, copies: int) -> bytes:
    """Lets the ensemble of a graph stand there several times, with its weights divided by that number."""
    graph = onnx.load_from_string(content)
    node = next(node for node in graph.graph.node if node.op_type == "TreeEnsembleClassifier")
    named = {attribute.name: attribute for attribute in node.attribute}
    trees = max(named["nodes_treeids"].ints) + 1
    for name, attribute in named.items():
        numbers = list(attribute.ints)
        if name in ("nodes_treeids", "class_treeids"):
            attribute.ints[:] = [number + copy * trees for copy in range(copies) for number in numbers]
        elif name == "class_weights":
            attribute.floats[:] = [weight / copies for weight in attribute.floats] * copies
        elif name.startswith(("nodes_", "class_")):
            repeat(attribute, copies)
    return bytes(graph.SerializeToString(deterministic=True))


def repeat(attribute: onnx.AttributeProto, copies: int) -> None:
    """Lets the values of an attribute follow each other several times."""
    attribute.ints[:] = list(attribute.ints) * copies
    attribute.floats[:] = list(attribute.floats) * copies
    attribute.strings[:] = list(attribute.strings) * copies
