"""/invocations as MLflow's and SageMaker's own clients ask."""

import csv
import io
import json
import math
import warnings
from collections.abc import Iterator

import pandas as pd
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.session import Session
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from contracts.settings import Settings
from contracts.tables import predictions
from tests.bundles import EXAMPLE
from tests.service.servers import serving

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own type hints
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

ROWS = [EXAMPLE, {"hour": 3, "temp": 10.5, "wind": 4.0, "carrier": "AA", "origin": None}]
VALUES = [list(row.values()) for row in ROWS]
COLUMNS = {name: [row[name] for row in ROWS] for name in EXAMPLE}
NO_HEADER = '17,61.5,,UA,JFK\n3,10.5,4.0,"AA",\n'


@pytest.fixture
def mlflow(settings: Settings, champion: str) -> Iterator[ScoringServerClient]:
    with serving(settings) as port:
        yield ScoringServerClient("127.0.0.1", port)


def invoke(client: TestClient, body: bytes | str, kind: str, **headers: str) -> dict:
    given = {"Content-Type": kind, **headers}
    response = client.post("/invocations", content=body, headers=given)
    assert response.status_code == 200, response.text
    return response.json()


def test_mlflow_asks_with_a_frame(
    mlflow: ScoringServerClient, champion: str, engine: Engine
) -> None:
    mlflow.wait_server_ready(timeout=5)
    assert mlflow.get_version() == champion

    answer = mlflow.invoke(pd.DataFrame(ROWS))  # its NaN is missing, as null is

    assert answer.get_predictions("ndarray").shape == (2,)
    with engine.connect() as connection:
        rows = {row.prediction_id: row for row in connection.execute(select(predictions))}
    assert [json.loads(rows[one].features) for one in answer["prediction_id"]] == ROWS


def test_mlflow_is_told_what_is_wrong(mlflow: ScoringServerClient) -> None:
    with pytest.raises(Exception, match=r"carrier: is missing.*required") as refused:
        mlflow.invoke(pd.DataFrame(ROWS).drop(columns="carrier"))
    assert '"error_code":"BAD_REQUEST"' in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [
        {"instances": ROWS},
        {"instances": VALUES},
        {"inputs": ROWS},
        {"inputs": VALUES},
        {"inputs": COLUMNS},
        {"inputs": {name: [[value] for value in values] for name, values in COLUMNS.items()}},
        {"dataframe_records": ROWS},
        {"dataframe_split": {"columns": list(EXAMPLE), "data": VALUES, "index": [0, 1]}},
        {"dataframe_split": {"data": VALUES}},
        {"instances": ROWS, "params": {"event_time": "2026-01-01T00:00:00Z"}},
        {"instances": ROWS, "params": None, "event_time": "2026-01-01T00:00:00Z"},
    ],
    ids=str,
)
def test_every_json_form_is_the_same_question(client: TestClient, body: dict) -> None:
    expected = client.post("/predict", json={"instances": ROWS}).json()
    answer = invoke(client, json.dumps(body), "application/json")
    assert answer["predictions"] == expected["prediction"]
    assert answer["probability"] == expected["probability"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (NO_HEADER, "text/csv"),
        (NO_HEADER.replace("\n", "\r\n"), "text/csv; charset=utf-8"),
        (pd.DataFrame(ROWS).to_csv(index=False), "text/csv"),
        (pd.DataFrame(ROWS)[sorted(EXAMPLE)].to_csv(index=False), "text/csv"),
        ("\n".join(map(json.dumps, ROWS)), "application/jsonlines"),
        ("\n".join(map(json.dumps, VALUES)) + "\n", "application/x-jsonlines"),
        ("\n".join(json.dumps({"features": one}) for one in VALUES), "application/jsonlines"),
    ],
    ids=["no header", "CRLF", "header", "another order", "lines", "arrays", "features"],
)
def test_tables_and_lines_are_the_same_question(client: TestClient, body: str, kind: str) -> None:
    expected = client.post("/predict", json={"instances": ROWS}).json()
    assert invoke(client, body, kind)["probability"] == expected["probability"]


class Endpoint:
    """Sends what botocore would send to SageMaker to our container, as SageMaker does."""

    def __init__(self, client: TestClient) -> None:
        self._client = client
        session = Session()
        session.set_credentials("an id", "a secret")
        config = Config(retries={"max_attempts": 0})
        self.runtime = session.create_client(
            "sagemaker-runtime", region_name="eu-west-1", config=config
        )
        self.runtime.meta.events.register("before-send.sagemaker-runtime", self._pass_on)

    def _pass_on(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        assert request.url.endswith("/endpoints/late/invocations")
        headers = {name: request.headers[name] for name in ("Content-Type", "Accept")
                   if name in request.headers}  # fmt: skip
        answer = self._client.post("/invocations", content=request.body, headers=headers)
        raw = io.BytesIO(answer.content)
        raw.stream = lambda *_, **__: iter([answer.content])
        return AWSResponse(request.url, answer.status_code, answer.headers, raw)


def test_sagemaker_asks_in_csv_and_is_answered_in_csv(client: TestClient, champion: str) -> None:
    expected = client.post("/predict", json={"instances": ROWS}).json()
    runtime = Endpoint(client).runtime

    answer = runtime.invoke_endpoint(
        EndpointName="late", Body=NO_HEADER, ContentType="text/csv", Accept="text/csv"
    )

    assert answer["ContentType"].startswith("text/csv")
    lines = list(csv.reader(io.StringIO(answer["Body"].read().decode())))
    assert [int(line[0]) for line in lines] == expected["prediction"]
    assert [float(line[1]) for line in lines] == expected["probability"]
    assert [line[3] for line in lines] == [champion] * 2


def test_sagemaker_asks_in_lines_and_is_answered_in_lines(client: TestClient) -> None:
    answer = Endpoint(client).runtime.invoke_endpoint(
        EndpointName="late",
        Body="\n".join(map(json.dumps, ROWS)),
        ContentType="application/jsonlines",
        Accept="application/jsonlines",
    )
    lines = [json.loads(line) for line in answer["Body"].read().splitlines()]
    assert list(lines[0]) == ["prediction", "probability", "prediction_id", "model_version"]


def test_sagemaker_without_a_wish_is_answered_in_json(client: TestClient) -> None:
    answer = Endpoint(client).runtime.invoke_endpoint(
        EndpointName="late", Body=json.dumps({"instances": ROWS}), ContentType="application/json"
    )
    assert len(json.loads(answer["Body"].read())["predictions"]) == 2


def test_ping_is_open_and_says_whether_it_can_answer(
    client: TestClient, settings: Settings
) -> None:
    assert client.get("/ping").status_code == 200
    assert client.get("/health").json().keys() == client.get("/health/ready").json().keys()


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("text/*", "text/csv"),
        ("image/png, application/jsonlines;q=0.5, text/csv;q=0.9", "text/csv"),
        ("text/csv;q=0, application/*", "application/json"),
    ],
)
def test_the_most_wanted_kind_is_answered(client: TestClient, accept: str, kind: str) -> None:
    body = json.dumps({"instances": ROWS})
    response = client.post("/invocations", content=body, headers={"Accept": accept})
    assert response.headers["content-type"].split(";")[0] == kind


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/x-npy"}, 415),
        ({"Content-Type": "text/csv; charset=utf-16"}, 415),
        ({"Accept": "image/png"}, 406),
        ({"Accept": "text/csv;q=nothing"}, 406),
    ],
)
def test_other_kinds_are_refused(client: TestClient, headers: dict, status: int) -> None:
    body = json.dumps({"instances": ROWS})
    response = client.post("/invocations", content=body, headers=headers)
    assert response.status_code == status
    assert set(response.json()) == {"error_code", "message", "detail"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"instances": []}',
        b'{"instances": 1}',
        b'{"instances": [1]}',
        b'{"instances": [], "inputs": []}',
        b'{"instances": [[NaN, 1, 1, "UA", ""]]}',
        b'{"dataframe_records": [{"hour": Infinity, "temp": 1, "carrier": "UA"}]}',
        b'{"dataframe_split": []}',
        b'{"dataframe_split": {"columns": ["hour", "hour"], "data": [[1, 1]]}}',
        b'{"dataframe_split": {"columns": ["hour"], "data": [[1, 2]]}}',
        b'{"dataframe_split": {"columns": [[]], "data": [[1]]}}',
        b'{"inputs": {"hour": 1}}',
        b'{"inputs": {"hour": [1], "temp": [1, 2]}}',
        b'{"inputs": {}}',
        b'{"instances": [[1, 1, 1, "UA", ""]], "params": {"threshold": 1}}',
        b'{"instances": [[1, 1, 1, "UA", ""]], "params": []}',
        b'{"instances": [[1, 1, 1, "UA", ""]], "event_time": "yesterday"}',
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)
def test_bodies_that_are_wrong_are_refused(client: TestClient, body: bytes) -> None:
    response = client.post("/invocations", content=body)
    assert response.status_code == 422
    assert response.json()["error_code"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    "line",
    ["", "\n\n", "hour,temp", "1,2", "x,2,,UA,JFK", "nan,2,,UA,JFK", "1,1e999,,UA,JFK",
     "1_0,2,,UA,JFK", "1,2,,,JFK", '1,2,,"UA', f"{'9' * 5000},2,,UA,JFK", "hour,hour\n1,1",
     "hour,temp,carrier\n1,2"],
    ids=lambda line: line[:20],
)  # fmt: skip
def test_tables_that_are_wrong_are_refused(client: TestClient, line: str) -> None:
    response = client.post("/invocations", content=line, headers={"Content-Type": "text/csv"})
    assert response.status_code == 422


def test_more_rows_than_the_limit_are_refused(client: TestClient) -> None:
    line = "17,61.5,,UA,JFK\n"
    assert math.isfinite(invoke(client, line, "text/csv")["probability"][0])
    response = client.post(
        "/invocations", content=line * 10_001, headers={"Content-Type": "text/csv"}
    )
    assert response.status_code == 422
    assert "10001 rows" in response.json()["message"]
