from starlette.testclient import TestClient

from tests.bundles import EXAMPLE


def test_the_examples_work_when_pasted(client: TestClient) -> None:
    api = client.get("/openapi.json").json()
    body = api["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert set(body["examples"]) == {"named", "positional", "many rows"}
    for example in body["examples"].values():
        assert client.post("/predict", json=example["value"]).status_code == 200


def test_it_shows_names_kinds_ranges_and_categories(client: TestClient) -> None:
    row = client.get("/openapi.json").json()["components"]["schemas"]["Row"]
    assert list(row["properties"]) == list(EXAMPLE)
    assert row["required"] == ["hour", "temp", "carrier"]
    assert row["example"] == EXAMPLE
    hour, wind, carrier = (row["properties"][name] for name in ("hour", "wind", "carrier"))
    assert hour["type"] == "integer"
    assert "from 0 to 23" in hour["description"]
    assert wind["type"] == ["number", "null"]
    assert carrier["x-seen-categories"] == ["AA", "DL", "UA"]


def test_it_follows_the_champion(
    client: TestClient, registered: tuple[str, str], admin: dict[str, str]
) -> None:
    assert client.get("/openapi.json").json()["info"]["version"] == registered[0]
    client.post(f"/models/{registered[1]}/promote", headers=admin)
    assert client.get("/openapi.json").json()["info"]["version"] == registered[1]


def test_the_page_shows_operations_features_and_commands_without_any_script(
    client: TestClient,
) -> None:
    answer = client.get("/docs")
    assert answer.status_code == 200
    assert "POST /predict" in answer.text
    assert "curl --json" in answer.text
    assert "from 0 to 23" in answer.text
    assert "<script>" not in answer.text
    assert 'src="http' not in answer.text
    assert client.get("/redoc").status_code == 404
