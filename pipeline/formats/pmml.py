"""PMML 4.4, written from the numeric core: a chain of one model for each raw output and a last one.

JPMML's converter, sklearn2pmml, refuses patch releases of scikit-learn that are newer than itself,
needs Java, and answers otherwise where values are missing or unseen.
"""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import numpy as np

from contracts.bundle import Bundle
from contracts.schema import FeatureSchema
from pipeline.formats.core import Core, Linear, read_core
from pipeline.formats.pmml_columns import Expression, apply, derive, derive_columns
from pipeline.formats.pmml_trees import add_trees, mining_schema, segment
from pipeline.formats.trees import Trees

RAW, ANSWER = "__raw", "__answer"


def write_pmml(bundle: Bundle, path: Path) -> dict[str, Any]:
    """A PMML file with the team's own field names; a missing value is a missing field.

    Raises:
        FormatError: the model has a part without a translation.
    """
    document = build_pmml(read_core(bundle), bundle.schema)
    indent(document, " ")
    ElementTree(document).write(path, encoding="utf-8", xml_declaration=True)
    return {}


def build_pmml(core: Core, schema: FeatureSchema) -> Element:
    """The PMML element; its fields are the schema's matrix columns and categorical features."""
    pmml = Element("PMML", {"xmlns": "http://www.dmg.org/PMML-4_4", "version": "4.4"})
    SubElement(pmml, "Header")
    _data_dictionary(pmml, schema)
    derived = Element("LocalTransformations")
    names = derive_columns(core.columns, schema, derived)
    model = SubElement(pmml, "MiningModel", functionName=_function(schema))
    fields = [*schema.matrix_columns, *schema.categorical]
    mining_schema(model, fields, schema.target.name)
    if len(derived):
        model.append(derived)
    chain = SubElement(model, "Segmentation", multipleModelMethod="modelChain")
    outputs = [_raw_model(chain, core, names, output) for output in _needed(core)]
    _last_model(chain, core, outputs, schema)
    return pmml


def _data_dictionary(pmml: Element, schema: FeatureSchema) -> None:
    fields = SubElement(pmml, "DataDictionary")
    for name in schema.matrix_columns:
        SubElement(fields, "DataField", name=name, optype="continuous", dataType="float")
    for name in schema.categorical:
        SubElement(fields, "DataField", name=name, optype="categorical", dataType="string")
    if schema.target.task == "regression":
        SubElement(fields, "DataField", name=schema.target.name, optype="continuous",
                   dataType="double")  # fmt: skip
        return
    target = SubElement(fields, "DataField", name=schema.target.name, optype="categorical",
                        dataType="string")  # fmt: skip
    for label in schema.target.outputs:
        SubElement(target, "Value", value=label)


def _function(schema: FeatureSchema) -> str:
    return "regression" if schema.target.task == "regression" else "classification"


def _needed(core: Core) -> range:
    """The raw outputs that the answers are made of."""
    outputs = len(core.head.bias if isinstance(core.head, Linear) else core.head.base)
    return range(outputs - len(core.calibration.slope) if core.calibration else 0, outputs)


def _raw_model(chain: Element, core: Core, names: list[str], output: int) -> str:
    """A segment that puts one raw output into a field, whose name is returned."""
    name = f"{RAW} {output}"
    head = core.head
    kind = "RegressionModel" if isinstance(head, Linear) else "MiningModel"
    model = segment(chain, kind, functionName="regression")
    mining_schema(model, _used(head, names))
    outputs = SubElement(model, "Output")
    SubElement(outputs, "OutputField", name=name, optype="continuous", dataType="double",
               feature="predictedValue", isFinalResult="false")  # fmt: skip
    if isinstance(head, Linear):
        _regression_table(model, head, names, output)
    else:
        add_trees(model, head, names, output)
    return name


def _used(head: Linear | Trees, names: list[str]) -> list[str]:
    if isinstance(head, Linear):
        return names
    inner = head.left != np.arange(len(head.left))
    return sorted({names[i] for i in head.feature[inner]})


def _regression_table(model: Element, head: Linear, names: list[str], output: int) -> None:
    table = SubElement(model, "RegressionTable", intercept=repr(float(head.bias[output])))
    for name, weight in zip(names, head.weights[:, output], strict=True):
        SubElement(table, "NumericPredictor", name=name, coefficient=repr(float(weight)))


def _last_model(chain: Element, core: Core, raws: list[str], schema: FeatureSchema) -> None:
    """Turns raw outputs into answers; they are in the output fields probability(label)."""
    model = segment(chain, "RegressionModel", functionName=_function(schema))
    mining_schema(model, raws, schema.target.name)
    outputs = SubElement(model, "Output")
    transformations = SubElement(model, "LocalTransformations")
    for i, expression in enumerate(_answers(core, raws, len(schema.target.outputs))):
        derive(transformations, f"{ANSWER} {i}", expression)
    for i, label in enumerate(schema.target.outputs):
        table = SubElement(model, "RegressionTable", intercept="0")
        SubElement(table, "NumericPredictor", name=f"{ANSWER} {i}", coefficient="1")
        field = {"optype": "continuous", "dataType": "double"}
        if schema.target.task == "regression":
            SubElement(outputs, "OutputField", field, name=label, feature="predictedValue")
            continue
        table.set("targetCategory", label)
        SubElement(outputs, "OutputField", field, name=f"probability({label})",
                   feature="probability", value=label)  # fmt: skip


def _answers(core: Core, raws: list[str], outputs: int) -> list[Expression]:
    bases = np.zeros(len(raws)) if isinstance(core.head, Linear) else core.head.base[-len(raws) :]
    found: list[Expression] = [
        apply("+", raw, float(base)) for raw, base in zip(raws, bases, strict=True)
    ]
    found = _link(core.link, found)
    if core.calibration is not None:
        pairs = zip(core.calibration.slope, core.calibration.shift, strict=True)
        found = [
            _sigmoid(apply("+", apply("*", float(-slope), each), float(-shift)))
            for each, (slope, shift) in zip(
                found[-len(core.calibration.slope) :], pairs, strict=True
            )
        ]
        found = (
            found if len(found) == 1 else [apply("/", each, apply("sum", *found)) for each in found]
        )
    return found if len(found) == outputs else [apply("-", 1.0, found[0]), found[0]]


def _link(link: str, raws: list[Any]) -> list[Any]:
    if link == "softmax":
        powers = [apply("exp", apply("-", raw, apply("max", *raws))) for raw in raws]
        return [apply("/", power, apply("sum", *powers)) for power in powers]
    functions = {"exp": lambda raw: apply("exp", raw), "sigmoid": _sigmoid}
    return [functions[link](raw) for raw in raws] if link in functions else raws


def _sigmoid(x: Expression) -> Element:
    return apply("/", 1.0, apply("+", 1.0, apply("exp", apply("*", -1.0, x))))
