"""OpenTelemetry traces: parts that make spans around the parts that they stand for.

Imported only where traces are wanted (otel.py); elsewhere nothing is wrapped and nothing is slower.
Sampling, endpoint and headers are OpenTelemetry's own OTEL_* variables.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, Tracer, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.answer.decoder import Decoded, Decoder
from service.answer.predictor import Predictor
from service.border.express import PATH
from service.ledger.answers import Answer
from service.ledger.groups import Job
from service.ledger.idempotency import Claim
from service.ledger.ledger import Ledger
from service.versions.serving import Serving

SHOWN_PATH = 200
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_W3C = (b"traceparent", b"tracestate")
_propagator = TraceContextTextMapPropagator()


class Tracing:
    """Wraps the parts of one app; spans leave in batches for the OTLP endpoint."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        named = "OTEL_SERVICE_NAME" in environment
        resource = Resource.create({} if named else {"service.name": "perennial"})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._tracer = self._provider.get_tracer("perennial")

    def start(self) -> None:
        """Start to send."""
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))

    def stop(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def app(self, app: ASGIApp) -> ASGIApp:
        return TracedApp(app, self._tracer)

    def ledger(self, *parts: Any, **limits: Any) -> "TracedLedger":
        return TracedLedger(*parts, tracer=self._tracer, **limits)

    def loading(self, load: Callable[[str], Serving], max_rows: int) -> Callable[[str], Serving]:
        """The same as `load`, with decoders that make spans."""

        def load_traced(version: str) -> Serving:
            serving = load(version)
            decoder = TracedDecoder(serving.schema, max_rows, tracer=self._tracer)
            return replace(serving, decoder=decoder)

        return load_traced


class TracedApp:
    """A span for each request, under the caller's where a traceparent header names one."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = {k.decode(): v.decode("latin-1") for k, v in scope["headers"] if k in _W3C}
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "_OTHER"
        attributes = {"http.request.method": method, "url.path": scope["path"][:SHOWN_PATH]}
        with self._tracer.start_as_current_span(
            method, _propagator.extract(given), SpanKind.SERVER, attributes
        ) as span:

            async def send_watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(StatusCode.ERROR)
                await send(message)

            await self._app(scope, receive, send_watched)
            route = _route_of(scope)
            if route is not None:
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)


def _route_of(scope: Scope) -> str | None:
    if scope["path"] == PATH:
        return PATH
    return getattr(scope.get("route"), "path", None)


class TracedDecoder(Decoder):
    """A span for each body that is decoded."""

    def __init__(self, *parts: Any, tracer: Tracer) -> None:
        super().__init__(*parts)
        self._tracer = tracer

    def decode(self, body: bytes) -> Decoded:
        with self._tracer.start_as_current_span("decode") as span:
            decoded = super().decode(body)
            span.set_attribute("perennial.rows", len(decoded.features))
            return decoded


class TracedLedger(Ledger):
    """A span from question to durable answer for each request, and one for each group's commit.

    A group serves many requests, so its span is in a trace of its own, with links to theirs.
    """

    def __init__(self, *parts: Any, tracer: Tracer, **limits: Any) -> None:
        super().__init__(*parts, **limits)
        self._tracer = tracer
        self._asking: dict[int, SpanContext] = {}  # by identity of what was decoded

    def predict(
        self, predictor: Predictor, decoded: Decoded, claim: Claim | None = None
    ) -> "asyncio.Future[Answer]":
        future = super().predict(predictor, decoded, claim)
        known: dict[str, str | int] = {
            "perennial.rows": len(decoded.features),
            "perennial.version": predictor.version,
        }
        get_current_span().set_attributes(known)
        span = self._tracer.start_span("ledger", attributes=known)
        self._asking[id(decoded)] = span.get_span_context()

        def end(done: "asyncio.Future[Answer]") -> None:
            del self._asking[id(decoded)]
            if not done.cancelled() and (error := done.exception()) is not None:
                span.record_exception(error)
                span.set_status(StatusCode.ERROR)
            span.end()

        future.add_done_callback(end)
        return future

    def _write(self, group: Sequence[Job]) -> None:
        asking = [self._asking.get(id(job.payload)) for job in group]
        links = [Link(context) for context in asking if context and context.trace_flags.sampled]
        if not links:
            super()._write(group)
            return
        rows = {"perennial.rows": sum(job.rows for job in group)}
        with self._tracer.start_as_current_span("ledger group", links=links, attributes=rows):
            super()._write(group)
