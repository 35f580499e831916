"""Trees in PMML, and the parts that every model of a chain or a sum has."""

from typing import Any
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from pipeline.formats.core import round_down
from pipeline.formats.trees import Trees


def mining_schema(model: Element, fields: list[str], target: str | None = None) -> None:
    """Name the fields that a model takes, and the target of one that answers."""
    known = SubElement(model, "MiningSchema")
    if target is not None:
        SubElement(known, "MiningField", name=target, usageType="target")
    for name in fields:
        SubElement(known, "MiningField", name=name)


def segment(parent: Element, kind: str, **attributes: str) -> Element:
    """Add a model that is always asked; returns it."""
    segment = SubElement(parent, "Segment", id=str(len(parent) + 1))
    SubElement(segment, "True")
    return SubElement(segment, kind, attributes)


def add_trees(model: Element, trees: Trees, names: list[str], output: int) -> None:
    """Add one output of all trees, summed without their base; `names` are the columns' fields."""
    summed = SubElement(model, "Segmentation", multipleModelMethod="sum")
    thresholds = round_down(trees.threshold)
    ends = [*trees.roots[1:], len(trees.feature)]
    for start, end in zip(trees.roots, ends, strict=True):
        if not trees.values[start:end, output].any() and len(summed):
            continue  # a tree of another output; the sum needs one at least
        tree = segment(summed, "TreeModel", functionName="regression",
                        missingValueStrategy="defaultChild",
                        splitCharacteristic="binarySplit")  # fmt: skip
        inner = np.arange(start, end)[trees.left[start:end] != np.arange(start, end)]
        mining_schema(tree, sorted({names[i] for i in trees.feature[inner]}))
        _add_node(tree, trees, thresholds, names, output, start, Element("True"))


def _add_node(
    parent: Element,
    trees: Trees,
    thresholds: Any,
    names: list[str],
    output: int,
    number: int,
    predicate: Element,
) -> None:
    node = SubElement(parent, "Node", id=str(number))
    node.append(predicate)
    left, right = trees.left[number], trees.right[number]
    if left == number:
        node.set("score", repr(float(trees.values[number, output])))
        return
    node.set("defaultChild", str(trees.missing[number]))
    limit = {"field": names[trees.feature[number]], "value": repr(float(thresholds[number]))}
    for child, operator in ((left, "lessOrEqual"), (right, "greaterThan")):
        condition = Element("SimplePredicate", {**limit, "operator": operator})
        _add_node(node, trees, thresholds, names, output, child, condition)
