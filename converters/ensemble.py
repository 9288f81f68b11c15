"""Writes trees as one operator of ONNX."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper


@dataclass(frozen=True, slots=True)
class Tree:
    """A binary tree as arrays `[nodes]`.

    Attributes:
        leaf: Whether the node is a leaf; the next four say nothing of those.
        feature: Column that decides.
        threshold: Rows up to it go left.
        children: Positions of the left and the right child, `[2, nodes]`.
        missing_left: Whether rows without a value go left.
        weight: What a leaf adds to the target, or `[nodes, targets]` to each of several.
        targets: Positions of the sums that the tree adds to.
    """

    leaf: NDArray[np.bool_]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    children: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    weight: NDArray[np.float64]
    targets: tuple[int, ...] = (0,)


def describe_singles(trees: Iterable[Tree]) -> dict[str, Any]:
    """Returns the attributes of an operator that compares singles with the trees' thresholds, exactly."""
    lists, values, weights = _gather(trees)
    lists["nodes_values"] = _round_down(values).tolist()
    lists["target_weights"] = weights.tolist()
    return lists


def describe_doubles(trees: Iterable[Tree], base: NDArray[np.float64]) -> dict[str, Any]:
    """Returns the attributes of an operator that compares doubles, and adds to each target its base."""
    lists, values, weights = _gather(trees)
    tensors = {"nodes_values": values, "target_weights": weights, "base_values": base}
    lists["n_targets"] = len(base)
    return lists | {f"{name}_as_tensor": numpy_helper.from_array(array, name) for name, array in tensors.items()}


def _gather(trees: Iterable[Tree]) -> tuple[dict[str, Any], NDArray[np.float64], NDArray[np.float64]]:
    """Lists of all trees behind each other, their thresholds, and their leaves' weights."""
    lists: dict[str, Any] = {}
    values, weights, targets = [], [], 0
    for number, tree in enumerate(trees):
        for name, column in _columns(tree, number).items():
            lists.setdefault(name, []).extend(column)
        values.append(np.where(tree.leaf, 0, tree.threshold))
        weights.append(tree.weight[tree.leaf].ravel())
        targets = max(targets, *(target + 1 for target in tree.targets))
    lists |= {"n_targets": targets, "aggregate_function": "SUM", "post_transform": "NONE"}
    return lists, np.concatenate(values), np.concatenate(weights)


def _columns(tree: Tree, number: int) -> dict[str, list[Any]]:
    nodes, targets = np.arange(len(tree.leaf)), len(tree.targets)
    leaves = nodes[tree.leaf]
    return {
        "nodes_treeids": [number] * len(nodes),
        "nodes_nodeids": nodes.tolist(),
        "nodes_featureids": np.where(tree.leaf, 0, tree.feature).tolist(),
        "nodes_modes": np.where(tree.leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_truenodeids": np.where(tree.leaf, 0, tree.children[0]).tolist(),
        "nodes_falsenodeids": np.where(tree.leaf, 0, tree.children[1]).tolist(),
        "nodes_missing_value_tracks_true": np.where(tree.leaf, 0, tree.missing_left).tolist(),
        "target_treeids": [number] * (len(leaves) * targets),
        "target_nodeids": np.repeat(leaves, targets).tolist(),
        "target_ids": list(tree.targets) * len(leaves),
    }


def _round_down(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest singles that are not above; a single is below one exactly when it is below the other."""
    singles = thresholds.astype(np.float32)
    above = singles.astype(np.float64) > thresholds
    return np.where(above, np.nextafter(singles, np.float32(-np.inf)), singles)
