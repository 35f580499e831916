"""Tensors of the Open Inference Protocol: JSON and binary forms, to and from Python values; pure.

https://github.com/kserve/open-inference-protocol, with its binary tensor data extension.
"""

import math
import struct
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np

from service.answer.values import safe_text
from service.protocols.cells import missing_if_nan
from service.protocols.errors import invalid

# Sizes in binary form, little-endian; BYTES elements bring their own length.
_DTYPES = {
    "BOOL": "?",
    "INT8": "i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
DATATYPES = (*_DTYPES, "BYTES")
REALS = ("FP16", "FP32", "FP64")
INTEGERS = tuple(name for name in _DTYPES if "INT" in name)
_LENGTH = struct.Struct("<I")
MAX_LENGTH = 2**31 - 1
Length = Annotated[int, msgspec.Meta(ge=1, le=MAX_LENGTH)]


class Tensor(msgspec.Struct):
    """One tensor as its JSON has it; `data` is absent where the values follow in binary."""

    name: str
    shape: Annotated[list[Length], msgspec.Meta(min_length=1, max_length=2)]
    datatype: str
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class TensorData(msgspec.Struct, frozen=True):
    """A tensor that answers; `values` are in row-major order."""

    name: str
    datatype: str
    shape: list[int]
    values: list[Any]


def read_values(tensor: Tensor, binary: bytes | None, max_rows: int) -> list[Any]:
    """The tensor's values in row-major order, as many as `shape` says; NaN becomes None.

    Args:
        binary: its bytes, None where `data` has the values.

    Raises:
        InvalidRequestError: names the tensor.
    """
    if tensor.datatype not in DATATYPES:
        raise _wrong(tensor, "has an unknown datatype", ", ".join(DATATYPES))
    if tensor.shape[0] > max_rows:
        raise _wrong(tensor, f"has {tensor.shape[0]} rows", f"1 to {max_rows} rows")
    values = _read_json(tensor) if binary is None else _read_binary(tensor, binary)
    if len(values) != tensor.size:
        raise _wrong(tensor, f"has {len(values)} values", f"{tensor.size}, as its shape says")
    return [missing_if_nan(value) for value in values]


def _read_json(tensor: Tensor) -> list[Any]:
    """`data`, flat or nested as the shape is."""
    values: list[Any] = tensor.data or []
    if len(tensor.shape) == 2 and values and all(type(one) is list for one in values):
        if any(len(one) != tensor.shape[1] for one in values):
            raise _wrong(tensor, "has rows that do not fit its shape", str(tensor.shape))
        values = [value for row in values for value in row]
    fits = _JSON_TYPES[tensor.datatype]
    for value in values:
        if not (value is None or type(value) in fits or _is_whole(value) and int in fits):
            allowed = f"values of {tensor.datatype}; null = missing"
            raise _wrong(tensor, f"holds a {type(value).__name__}", allowed)
    return values


def _is_whole(value: object) -> bool:
    """JSON knows one kind of number, so 17.0 is an integer too."""
    return isinstance(value, float) and value.is_integer()


_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "BOOL": (bool,),
    "BYTES": (str,),
    **dict.fromkeys(INTEGERS, (int,)),
    **dict.fromkeys(REALS, (int, float)),
}


def _read_binary(tensor: Tensor, binary: bytes) -> list[Any]:
    if tensor.datatype == "BYTES":
        return _read_texts(tensor, binary)
    dtype = np.dtype(_DTYPES[tensor.datatype])
    if len(binary) != tensor.size * dtype.itemsize:
        allowed = f"{tensor.size * dtype.itemsize}, as its shape says"
        raise _wrong(tensor, f"has {len(binary)} bytes", allowed)
    if tensor.datatype == "BOOL":  # any other byte than 0 and 1 would be no valid bool
        return [byte != 0 for byte in binary]
    values: list[Any] = np.frombuffer(binary, dtype).tolist()
    return values


def _read_texts(tensor: Tensor, binary: bytes) -> list[Any]:
    """Each element is its length in 4 bytes, little-endian, and then its UTF-8."""
    found, at = [], 0
    try:
        while at < len(binary):
            (length,) = _LENGTH.unpack_from(binary, at)
            at += _LENGTH.size + length
            if at > len(binary):
                raise _wrong(tensor, "ends within an element", "whole elements")
            found.append(binary[at - length : at].decode())
    except (struct.error, UnicodeDecodeError) as error:
        raise _wrong(tensor, f"cannot be read: {error}", "length and UTF-8 of each text") from None
    return found


def to_json(tensor: TensorData) -> dict[str, Any]:
    """The tensor with its values as JSON."""
    return {**_head(tensor), "data": tensor.values}


def to_binary(tensor: TensorData) -> tuple[dict[str, Any], bytes]:
    """The tensor's JSON, and its values in binary form."""
    data = _WRITERS[tensor.datatype](tensor.values)
    return {**_head(tensor), "parameters": {"binary_data_size": len(data)}}, data


def _head(tensor: TensorData) -> dict[str, Any]:
    return {"name": tensor.name, "shape": tensor.shape, "datatype": tensor.datatype}


def _write_texts(texts: Sequence[str]) -> bytes:
    encoded = [text.encode() for text in texts]
    return b"".join(_LENGTH.pack(len(one)) + one for one in encoded)


_WRITERS: dict[str, Callable[[list[Any]], bytes]] = {
    "BYTES": _write_texts,
    "INT64": lambda values: np.array(values, "<i8").tobytes(),
    "FP64": lambda values: np.array(values, "<f8").tobytes(),
}


def _wrong(tensor: Tensor, problem: str, allowed: str) -> Exception:
    return invalid(problem, allowed, field=safe_text(tensor.name))
