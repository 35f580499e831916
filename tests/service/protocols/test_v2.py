"""The Open Inference Protocol, asked by Triton's own client."""

import json
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from contracts.settings import Settings
from contracts.tables import predictions
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.service.servers import serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of gevent, about the threads of other tests
    from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
    from tritonclient.utils import InferenceServerException

ROWS = [
    EXAMPLE,
    {"hour": 3, "temp": 10.5, "wind": 4.0, "carrier": "AA", "origin": None},
]
DATATYPES = {"hour": "INT64", "temp": "FP64", "wind": "FP64", "carrier": "BYTES", "origin": "BYTES"}
INFER = "/v2/models/perennial/infer"


@pytest.fixture
def triton(settings: Settings, champion: str) -> Iterator[InferenceServerClient]:
    with serving(settings) as port, InferenceServerClient(f"127.0.0.1:{port}") as client:
        yield client


def as_input(name: str, *, binary: bool, rows: list[dict] = ROWS) -> InferInput:
    """One feature of ROWS as a tensor; a missing number is NaN, a missing text is empty."""
    kind = DATATYPES[name]
    empty = "" if kind == "BYTES" else np.nan
    values = [empty if row[name] is None else row[name] for row in rows]
    found = InferInput(name, [len(values)], kind)
    dtype = {"BYTES": object, "INT64": np.int64, "FP64": np.float64}[kind]
    found.set_data_from_numpy(np.array(values, dtype), binary_data=binary)
    return found


def expected(client: TestClient) -> dict:
    return client.post("/predict", json={"instances": ROWS}).json()


def test_triton_finds_server_and_model(triton: InferenceServerClient, champion: str) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("perennial")
    assert triton.is_model_ready("perennial", champion)
    assert "binary_tensor_data" in triton.get_server_metadata()["extensions"]
    metadata = triton.get_model_metadata("perennial")
    assert metadata["versions"] == [champion]
    assert {one["name"]: one["datatype"] for one in metadata["inputs"]} == DATATYPES
    outputs = {one["name"]: one["datatype"] for one in metadata["outputs"]}
    assert outputs == {"prediction": "INT64", "probability": "FP64", "prediction_id": "BYTES"}


def test_triton_asks_in_binary_and_every_row_is_logged(
    triton: InferenceServerClient, champion: str, engine: Engine
) -> None:
    inputs = [as_input(name, binary=True) for name in DATATYPES]

    answer = triton.infer("perennial", inputs, request_id="mine")

    assert answer.get_response()["id"] == "mine"
    assert answer.get_response()["model_version"] == champion
    ids = [one.decode() for one in answer.as_numpy("prediction_id")]
    with engine.connect() as connection:
        rows = {row.prediction_id: row for row in connection.execute(select(predictions))}
    assert [json.loads(rows[one].features) for one in ids] == ROWS
    assert [rows[one].probability for one in ids] == answer.as_numpy("probability").tolist()
    assert answer.as_numpy("prediction").dtype == np.int64


def test_triton_gets_the_outputs_that_it_wants(triton: InferenceServerClient) -> None:
    # JSON has no NaN, so this row misses nothing.
    inputs = [as_input(name, binary=name == "hour", rows=ROWS[1:]) for name in DATATYPES]
    wanted = [
        InferRequestedOutput("probability", binary_data=True),
        InferRequestedOutput("prediction", binary_data=False),
    ]

    answer = triton.infer("perennial", inputs, outputs=wanted)

    assert [one["name"] for one in answer.get_response()["outputs"]] == [
        "probability",
        "prediction",
    ]
    assert answer.as_numpy("probability").shape == (1,)
    assert answer.as_numpy("prediction_id") is None


def test_triton_is_told_what_is_wrong(triton: InferenceServerClient) -> None:
    inputs = [as_input(name, binary=True) for name in DATATYPES]
    with pytest.raises(InferenceServerException, match="carrier: is missing") as refused:
        triton.infer("perennial", [one for one in inputs if one.name() != "carrier"])
    assert refused.value.status() == "422"
    with pytest.raises(InferenceServerException, match="no model 'other'"):
        triton.infer("other", inputs)
    with pytest.raises(InferenceServerException, match="does not answer"):
        triton.infer("perennial", inputs, model_version="0123456789ab")


def test_one_tensor_of_all_features_is_the_same_question(client: TestClient) -> None:
    data = [["17", "61.5", "", "UA", "JFK"], ["3", "10.5", "4.0", "AA", ""]]
    matrix = {"name": "rows", "shape": [2, 5], "datatype": "BYTES", "data": data}
    flat = {**matrix, "data": [cell for row in data for cell in row]}
    for tensor in (matrix, flat):
        answer = client.post(INFER, json={"inputs": [tensor]}).json()
        outputs = {one["name"]: one["data"] for one in answer["outputs"]}
        assert outputs["probability"] == expected(client)["probability"]


def test_a_version_in_the_path_is_the_one_that_answers(
    client: TestClient, registered: tuple[str, str]
) -> None:
    body = {"inputs": [{"name": "rows", "shape": [1, 5], "datatype": "BYTES",
                        "data": list(EXAMPLE_TEXTS.values())}]}  # fmt: skip
    serving, other = registered
    path = "/v2/models/perennial/versions/{}/infer"
    assert client.post(path.format(serving), json=body).json()["model_version"] == serving
    assert client.post(path.format(other), json=body).status_code == 404


EXAMPLE_TEXTS = {"hour": "17", "temp": "60", "wind": "", "carrier": "UA", "origin": ""}
TENSOR = {"name": "hour", "shape": [1], "datatype": "INT64", "data": [1]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shape": [2]}, "has 1 values"),
        ({"shape": [0]}, "the body cannot be read"),
        ({"shape": [1, 1, 1]}, "the body cannot be read"),
        ({"shape": [1, 2], "data": [1, 2]}, "has the shape"),
        ({"shape": [10**9]}, "has 1000000000 rows"),
        ({"shape": [10**30]}, "the body cannot be read"),
        ({"datatype": "FP12"}, "unknown datatype"),
        ({"data": [1.5]}, "holds a float"),
        ({"data": [True]}, "holds a bool"),
        ({"data": [[1, 2], [3]]}, "holds a list"),
        ({"data": None}, "has no values"),
        ({"name": "speed"}, "unknown or given twice"),
        ({"parameters": {"binary_data_size": 8}}, "two kinds"),
        ({"data": None, "parameters": {"binary_data_size": 8}}, "wrong binary_data_size"),
        ({"data": None, "parameters": {"binary_data_size": "8"}}, "wrong binary_data_size"),
    ],
    ids=str,
)
def test_tensors_that_are_wrong_are_refused(client: TestClient, change: dict, says: str) -> None:
    tensor = {**TENSOR, **change}
    response = client.post(INFER, json={"inputs": [tensor]})
    assert response.status_code == 422
    assert says in response.json()["error"]


@pytest.mark.parametrize("length", ["x", "-1", "9" * 30, "1", "100000", "²"])
def test_a_wrong_length_of_the_json_is_refused(client: TestClient, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length.encode("latin-1")}
    body = json.dumps({"inputs": [TENSOR]})
    assert client.post(INFER, content=body, headers=headers).status_code == 422


@pytest.mark.parametrize(
    ("datatype", "binary"),
    [
        ("INT64", b"\0" * 7),
        ("BYTES", b"\1\0\0"),
        ("BYTES", b"\4\0\0\0ab"),
        ("BYTES", b"\1\0\0\0\xff"),
        ("BYTES", b"\xff\xff\xff\xffab"),
    ],
)
def test_binary_tensors_that_are_wrong_are_refused(
    client: TestClient, datatype: str, binary: bytes
) -> None:
    size = {"binary_data_size": len(binary)}
    tensor = {"name": "hour", "shape": [1], "datatype": datatype, "parameters": size}
    start = json.dumps({"inputs": [tensor]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(start))}
    response = client.post(INFER, content=start + binary, headers=headers)
    assert response.status_code == 422
    assert "hour" in response.json()["error"]


def test_every_binary_number_becomes_the_same_row(client: TestClient) -> None:
    answers = []
    for datatype, dtype in (("FP32", "<f4"), ("FP16", "<f2"), ("UINT8", "u1"), ("INT16", "<i2")):
        inputs = [{"name": name, "shape": [1, 1], "datatype": "BYTES", "data": [text]}
                  for name, text in EXAMPLE_TEXTS.items() if name != "hour"]  # fmt: skip
        binary = np.array([17], dtype).tobytes()
        hour = {"name": "hour", "shape": [1], "datatype": datatype,
                "parameters": {"binary_data_size": len(binary)}}  # fmt: skip
        start = json.dumps({"inputs": [*inputs, hour]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(start))}
        response = client.post(INFER, content=start + binary, headers=headers).json()
        answers.append(response["outputs"][1]["data"])
    assert answers == [answers[0]] * 4


def test_without_a_champion_it_is_not_ready(settings: Settings, engine: Engine) -> None:
    with TestClient(create_app(settings)) as client:
        assert client.get("/v2/health/live").json() == {"live": True}
        assert client.get("/v2/health/ready").status_code == 503
        assert client.post(INFER, json={"inputs": [TENSOR]}).status_code == 503
        assert "no version" in client.get("/v2/models/perennial").json()["error"]
        assert client.get("/v2").status_code == 200
