import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.testclient import TestClient

from contracts.settings import Settings
from service.app import create_app
from service.observe.otel import TracingMissingError, traces_wanted
from tests.bundles import EXAMPLE

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector:
    """An OTLP endpoint of this process; keeps every span that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        spans, services = self.spans, self.services

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    services.update(
                        one.value.string_value
                        for one in resource.resource.attributes
                        if one.key == "service.name"
                    )
                    for scope in resource.scope_spans:
                        spans.extend(scope.spans)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def named(self, name: str) -> Span:
        (span,) = [one for one in self.spans if one.name == name]
        return span


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()
    port = collector.server.server_port
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    yield collector
    collector.server.shutdown()
    collector.thread.join()
    collector.server.server_close()


def attributes(span: Span) -> dict[str, object]:
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in span.attributes
    }


def test_a_request_s_spans_are_under_the_caller_s(
    settings: Settings, champion: str, collector: Collector
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    with TestClient(create_app(settings)) as client:
        client.post("/predict", json={"instances": [EXAMPLE] * 3}, headers=headers)
        client.get("/models")

    request = collector.named("POST /predict")
    assert request.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == PARENT
    assert attributes(request)["http.response.status_code"] == 200
    assert attributes(request)["perennial.rows"] == 3
    assert attributes(request)["perennial.version"] == champion
    for name in ("decode", "ledger"):
        assert collector.named(name).parent_span_id == request.span_id
    (link,) = collector.named("ledger group").links
    assert link.span_id == collector.named("ledger").span_id
    assert attributes(collector.named("GET /models"))["http.route"] == "/models"
    assert collector.services == {"perennial"}


def test_what_the_caller_does_not_sample_is_not_sent(
    settings: Settings, champion: str, collector: Collector
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    with TestClient(create_app(settings)) as client:
        assert client.post("/predict", json={"features": EXAMPLE}, headers=headers).is_success
        client.get("/nowhere")

    assert {one.name for one in collector.spans} <= {"GET"}


def test_a_collector_that_is_gone_fails_no_request(
    settings: Settings, champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    with TestClient(create_app(settings)) as client:
        assert client.post("/predict", json={"features": EXAMPLE}).status_code == 200


def test_no_endpoint_means_no_traces(settings: Settings, champion: str) -> None:
    assert not traces_wanted({})
    assert not traces_wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": ""})
    assert not traces_wanted(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}
    )


def test_an_endpoint_without_the_packages_names_the_remedy() -> None:
    with pytest.raises(TracingMissingError, match="requirements/otel.txt"):
        traces_wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, lambda _: None)
