"""Turns trees into trees that answer what each feature adds to the sum of the first ones: exact Shapley values.

What a tree expects of a row of which some features are known is a mean of its leaves: a split on a known feature sends
the row to its side, another one to both, in the shares of the training rows. This is path-dependent TreeSHAP (Lundberg,
Erion and Lee, Consistent Individualized Feature Attribution for Tree Ensembles, 2018). The values depend on nothing but
the side of each split on which a row lies, so that a tree which asks for all of these sides ends in their values.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from converters.ensemble import Tree
from converters.errors import ConversionError

MOST_NODES = 50_000
_MOST_SPLITS = 6  # that one tree asks for, unless a single leaf lies behind more


@dataclass(frozen=True, slots=True)
class _Split:
    """A question to a row: whether a feature is at most a threshold, or missing where that counts so."""

    feature: int
    threshold: float
    missing_left: bool


@dataclass(frozen=True, slots=True)
class _Range:
    """Values that a feature can still have: those above `low` up to `high`, and perhaps a missing one."""

    low: float = -math.inf
    high: float = math.inf
    missing: bool = True

    def cut(self, split: _Split) -> tuple["_Range", "_Range"]:
        """Returns the parts on the left and the right of a split."""
        left = _Range(self.low, min(self.high, split.threshold), self.missing and split.missing_left)
        return left, _Range(max(self.low, split.threshold), self.high, self.missing and not split.missing_left)

    @property
    def empty(self) -> bool:
        """Whether no value is left."""
        return self.low >= self.high and not self.missing


@dataclass(frozen=True, slots=True)
class _Path:
    """The way to a leaf: at each node before it, the side on which it lies, 0 or 1."""

    leaf: int
    steps: tuple[tuple[int, int], ...]


_Ranges: TypeAlias = Mapping[int, _Range]

_NOTHING = Tree(  # an ensemble has a tree, even of models without splits
    leaf=np.ones(1, dtype=bool),
    feature=np.zeros(1, dtype=np.int64),
    threshold=np.zeros(1),
    children=np.zeros((2, 1), dtype=np.int64),
    missing_left=np.zeros(1, dtype=bool),
    weight=np.zeros(1),
)


def explain(trees: Iterable[tuple[Tree, NDArray[np.float64]]]) -> list[Tree]:
    """Returns trees whose targets are features: each sum is what the feature adds to the sum of the given trees.

    Args:
        trees: Trees with one target in common, and how many training rows reached each node, `[nodes]`.

    Raises:
        ConversionError: The new trees are too large to be served.
    """
    explained: list[Tree] = []
    left = MOST_NODES
    for tree, rows in trees:
        for paths in _group(_walk(tree)):
            explained.append(_explain(tree, rows, paths, left))
            left -= len(explained[-1].leaf)
    return explained or [_NOTHING]


def _walk(tree: Tree) -> list[_Path]:
    """The ways to all leaves of a tree; none where it is but one leaf."""
    paths = [_Path(0, ())]
    for path in paths:  # grows as it goes
        if not tree.leaf[path.leaf]:
            children = tree.children[:, path.leaf].tolist()
            paths.extend(_Path(child, (*path.steps, (path.leaf, side))) for side, child in enumerate(children))
    return [path for path in paths if path.steps and tree.leaf[path.leaf]]


def _group(paths: list[_Path], shared: int = 0) -> Iterator[list[_Path]]:
    """Puts leaves together that lie behind few splits: a leaf adds its own share to the values of every feature.

    Args:
        paths: The ways to all leaves of a part of the tree.
        shared: Number of steps that they have in common, at least.
    """
    if len(paths) > 1 and len({node for path in paths for node, _ in path.steps}) > _MOST_SPLITS:
        for side in (0, 1):
            yield from _group([path for path in paths if path.steps[shared][1] == side], shared + 1)
    elif paths:
        yield paths


def _explain(tree: Tree, rows: NDArray[np.float64], paths: list[_Path], most: int) -> Tree:
    """The tree that asks for all splits before some leaves, and answers what these leaves add to the features."""
    nodes = dict.fromkeys(node for path in paths for node, _ in path.steps)
    split_of = {node: _split_at(tree, node) for node in nodes}
    splits = list(dict.fromkeys(split_of.values()))
    asked, children, sides = _ask(splits, most)
    leaf = asked == len(splits)
    targets = sorted({split.feature for split in splits})
    weight = np.zeros((len(leaf), len(targets)))
    for path in paths:
        steps = [(split_of[node], side, rows[tree.children[side, node]] / rows[node]) for node, side in path.steps]
        for feature, added in _share_out(steps, splits, sides[leaf]).items():
            weight[leaf, targets.index(feature)] += tree.weight[path.leaf] * added
    of_nodes = [splits[position] for position in np.where(leaf, 0, asked)]
    return Tree(
        leaf=leaf,
        feature=np.array([split.feature for split in of_nodes]),
        threshold=np.array([split.threshold for split in of_nodes]),
        children=children,
        missing_left=np.array([split.missing_left for split in of_nodes]),
        weight=weight,
        targets=tuple(targets),
    )


def _split_at(tree: Tree, node: int) -> _Split:
    return _Split(int(tree.feature[node]), float(tree.threshold[node]), bool(tree.missing_left[node]))


def _ask(splits: list[_Split], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The nodes of a tree that asks for all splits in turn, save those that what it knows by then decides.

    Returns:
        Position of the split that a node asks for, `[nodes]`, which is their number at a leaf; the children,
        `[2, nodes]`; and the side of each split on which a leaf's rows lie, `[nodes, splits]`.
    """
    places: list[tuple[tuple[int, ...], _Ranges]] = [((), {})]
    asked, children, sides = [], [], []
    for before, ranges in places:  # grows as it goes
        known = _settle(splits, before, ranges)
        asked.append(len(known))
        children.append((len(places), len(places) + 1))
        sides.append(known + (0,) * (len(splits) - len(known)))
        if len(known) < len(splits):
            split = splits[len(known)]
            parts = ranges.get(split.feature, _Range()).cut(split)
            places.extend(((*known, side), {**ranges, split.feature: part}) for side, part in enumerate(parts))
        if len(places) > most:
            raise ConversionError(
                f"contributions of the model take more than {MOST_NODES:,} nodes: train it with fewer trees, or smaller"
                " ones (num_leaves up to 8, say), or leave contributions out of its metadata"
            )
    return np.array(asked), np.array(children).T, np.array(sides)


def _settle(splits: list[_Split], sides: tuple[int, ...], ranges: _Ranges) -> tuple[int, ...]:
    """Adds the sides of the splits that come next, as long as they follow from what is known of the features."""
    for split in splits[len(sides) :]:
        left, right = ranges.get(split.feature, _Range()).cut(split)
        if not (left.empty or right.empty):
            break
        sides = (*sides, int(left.empty))
    return sides


def _share_out(
    steps: list[tuple[_Split, int, float]], splits: list[_Split], sides: NDArray[np.int64]
) -> dict[int, NDArray[np.float64]]:
    """Shapley values of a leaf of weight 1, by feature, `[cells]`: what is expected of it is a product over features.

    A known feature counts 1 where all its splits lead to the leaf, else 0; another counts the share of training rows
    that they led there. So the values are integrals of polynomials over [0, 1], which Gauss' sums give exactly.

    Args:
        steps: Before the leaf: a split, the side of the leaf, and the share of the rows that went there.
        splits: All splits that were asked for.
        sides: The side of each on which the rows of a cell lie, `[cells, splits]`.
    """
    known: dict[int, NDArray[np.bool_]] = {}
    unknown: dict[int, float] = {}
    for split, side, share in steps:
        leads = sides[:, splits.index(split)] == side
        known[split.feature] = known.get(split.feature, True) & leads
        unknown[split.feature] = unknown.get(split.feature, 1.0) * share
    points, weights = np.polynomial.legendre.leggauss(len(known) // 2 + 1)
    mixed = {each: unknown[each] + np.outer(known[each] - unknown[each], (points + 1) / 2) for each in known}
    return {
        each: (known[each] - unknown[each])
        * (math.prod((mixed[other] for other in mixed if other != each), start=np.ones_like(mixed[each])) @ weights / 2)
        for each in known
    }
