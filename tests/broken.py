"""Models that answer their example, and so are loaded, and fail at what comes then."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.bundles import make_schema

_WIDTH = 384
_TIMES = 200


def nan_in_the_morning() -> bytes:
    """Its probability is the root of (hour - 12) / 12: no number before noon."""
    nodes = [
        helper.make_node("Sub", ["hour", "noon"], ["after"]),
        helper.make_node("Div", ["after", "noon"], ["share"]),
        helper.make_node("Sqrt", ["share"], ["positive"]),
    ]
    return _model(nodes, {"noon": np.array([[12.0]], np.float32)})


def fails_at_night() -> bytes:
    """It looks its probability up in a table that knows the hours 7 to 17 only: an error else."""
    nodes = [
        helper.make_node("Sub", ["hour", "noon"], ["after"]),
        helper.make_node("Mul", ["after", "hundred"], ["far"]),  # below 0 is from the end
        helper.make_node("Cast", ["far"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "place"], ["positive"]),
    ]
    table = np.linspace(0.1, 0.9, 501, dtype=np.float32)
    constants = {"noon": [[12.0]], "hundred": [[100.0]]}
    given = {name: np.array(value, np.float32) for name, value in constants.items()}
    return _model(nodes, {**given, "table": table})


def slow() -> bytes:
    """It multiplies matrices for half a second, and answers a half."""
    nodes = [
        helper.make_node("ReduceMean", ["hour"], ["mean"], keepdims=1),
        helper.make_node("Add", ["matrix", "mean"], ["m0"]),
    ]
    for i in range(_TIMES):
        nodes.append(helper.make_node("MatMul", [f"m{i}", "matrix"], [f"m{i + 1}"]))
    nodes += [
        helper.make_node("ReduceMax", [f"m{_TIMES}"], ["most"], keepdims=1),
        helper.make_node("Mul", ["most", "nothing"], ["none"]),
        helper.make_node("Mul", ["hour", "nothing"], ["each"]),
        helper.make_node("Add", ["each", "none"], ["zero"]),
        helper.make_node("Add", ["zero", "half"], ["positive"]),
    ]
    matrix = np.full((_WIDTH, _WIDTH), 1 / _WIDTH, np.float32)
    constants = {"nothing": [[0.0]], "half": [[0.5]]}
    given = {name: np.array(value, np.float32) for name, value in constants.items()}
    return _model(nodes, {**given, "matrix": matrix})


def _model(nodes: list, constants: dict[str, np.ndarray]) -> bytes:
    """From `hour`, (n, 1), to `positive`, (n, 1); the rest of every model here."""
    width = len(make_schema().matrix_columns)
    first = helper.make_node("Gather", ["numeric", "first"], ["hour"], axis=1)
    last = [
        helper.make_node("Sub", ["one", "positive"], ["negative"]),
        helper.make_node("Concat", ["negative", "positive"], ["probabilities"], axis=1),
    ]
    given = {**constants, "one": np.array([[1.0]], np.float32), "first": np.array([0], np.int64)}
    graph = helper.make_graph(
        [first, *nodes, *last],
        "broken",
        [helper.make_tensor_value_info("numeric", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(value, name) for name, value in given.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    return bytes(model.SerializeToString())
