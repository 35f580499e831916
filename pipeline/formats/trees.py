"""Tree ensembles as tables of nodes: "TreeTraversal" of Nakandala and others, "A Tensor Compiler
for Unified Machine Learning Prediction Serving", OSDI 2020.

A row walks all trees at once: each step looks its nodes up and moves to a child. A leaf leads to
itself, so that every walk may take as many steps as the deepest tree has levels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.formats import FormatError


@dataclass(frozen=True)
class Trees:
    """The nodes of all trees, one after another; children are numbers of nodes.

    A row goes left where its value of `feature` is at most `threshold`, and to `missing` where
    that is NaN. Its sum is `base` and the `values` of the leaves that it reaches.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing: NDArray[np.int64]
    values: NDArray[np.float64]  # (nodes, outputs)
    roots: NDArray[np.int64]
    depth: int
    base: NDArray[np.float64]


def read_forest(model: Any) -> Trees:
    """Random forests and the like: the mean of the trees' values or class shares."""
    share = 1 / len(model.estimators_)
    parts = [_sklearn_tree(each.tree_, share) for each in model.estimators_]
    return _join(parts, np.zeros(parts[0].values.shape[1]))


def _sklearn_tree(tree: Any, share: float) -> Trees:
    leaf = tree.children_left < 0
    own = np.arange(tree.node_count)
    left = np.where(leaf, own, tree.children_left)
    right = np.where(leaf, own, tree.children_right)
    values = tree.value[:, 0, :]
    if tree.n_classes[0] > 1:
        values = values / values.sum(axis=1, keepdims=True)
    missing = np.where(tree.missing_go_to_left.astype(bool), left, right)
    return _tree(leaf, tree.feature, tree.threshold, left, right, missing, values * share)


def read_hist_gradient_boosting(model: Any) -> Trees:
    """HistGradientBoosting*: the raw prediction.

    Raises:
        FormatError: it splits categories natively.
    """
    if model.is_categorical_ is not None:
        raise FormatError("native categorical splits have no form in this format")
    base = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(-1)
    parts = [
        _hist_tree(predictor.nodes, i, len(base))
        for iteration in model._predictors
        for i, predictor in enumerate(iteration)
    ]
    return _join(parts, base)


def _hist_tree(nodes: Any, output: int, outputs: int) -> Trees:
    leaf = nodes["is_leaf"].astype(bool)
    own = np.arange(len(nodes))
    left = np.where(leaf, own, nodes["left"].astype(np.int64))
    right = np.where(leaf, own, nodes["right"].astype(np.int64))
    missing = np.where(nodes["missing_go_to_left"].astype(bool), left, right)
    values = np.zeros((len(nodes), outputs))
    values[:, output] = nodes["value"]
    feature, threshold = nodes["feature_idx"].astype(np.int64), nodes["num_threshold"]
    return _tree(leaf, feature, threshold, left, right, missing, values)


def read_lightgbm(model: Any) -> Trees:
    """LightGBM's raw prediction.

    Raises:
        FormatError: it is not plain boosting, or splits categories natively.
    """
    dump = model.booster_.dump_model()
    outputs = dump["num_tree_per_iteration"]
    if dump.get("average_output"):
        raise FormatError("LightGBM's boosting_type rf has no form in this format")
    parts = [
        _lightgbm_tree(list(_walk(info["tree_structure"])), i % outputs, outputs)
        for i, info in enumerate(dump["tree_info"])
    ]
    return _join(parts, np.zeros(outputs))


def _walk(root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node, parents first; each is given its number."""
    waiting, number = [root], 0
    while waiting:
        node = waiting.pop()
        node["number"], number = number, number + 1
        waiting += [node[side] for side in ("right_child", "left_child") if side in node]
        yield node


def _lightgbm_tree(nodes: list[dict[str, Any]], output: int, outputs: int) -> Trees:
    leaf = np.array(["split_feature" not in node for node in nodes])
    values = np.zeros((len(nodes), outputs))
    values[:, output] = [node.get("leaf_value", 0.0) for node in nodes]
    left, right, missing = np.array([_lightgbm_children(node) for node in nodes], np.int64).T
    threshold = np.array([node.get("threshold", 0.0) for node in nodes], np.float64)
    feature = np.array([node.get("split_feature", 0) for node in nodes], np.int64)
    return _tree(leaf, feature, threshold, left, right, missing, values)


def _lightgbm_children(node: dict[str, Any]) -> tuple[int, int, int]:
    """Numbers of the left child, the right one, and the one of a missing value."""
    if "split_feature" not in node:
        return (node["number"],) * 3
    if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
        raise FormatError("LightGBM's native categories, or zero as missing, have no form here")
    left, right = node["left_child"]["number"], node["right_child"]["number"]
    # Where none was missing in training, LightGBM takes a missing value as zero.
    to_left = node["default_left"] if node["missing_type"] == "NaN" else 0 <= node["threshold"]
    return left, right, left if to_left else right


def _tree(
    leaf: Any, feature: Any, threshold: Any, left: Any, right: Any, missing: Any, values: Any
) -> Trees:
    return Trees(
        np.where(leaf, 0, feature), np.where(leaf, 0.0, threshold), left, right, missing,
        np.where(leaf[:, None], values, 0.0), np.zeros(1, np.int64), _depth(left, right),
        np.zeros(values.shape[1]),
    )  # fmt: skip


def _depth(left: NDArray[np.int64], right: NDArray[np.int64]) -> int:
    depth, level = 0, np.zeros(1, np.int64)
    while True:
        inner = level[left[level] != level]
        if not len(inner):
            return depth
        depth, level = depth + 1, np.concatenate([left[inner], right[inner]])


def _join(parts: list[Trees], base: NDArray[np.float64]) -> Trees:
    starts = np.cumsum([0, *(len(part.feature) for part in parts)])[:-1]

    def children(name: str) -> Any:
        moved = [getattr(part, name) + start for part, start in zip(parts, starts, strict=True)]
        return np.concatenate(moved)

    return Trees(
        np.concatenate([part.feature for part in parts]),
        np.concatenate([part.threshold for part in parts]),
        children("left"), children("right"), children("missing"),
        np.concatenate([part.values for part in parts]),
        starts, max(part.depth for part in parts), base,
    )  # fmt: skip
