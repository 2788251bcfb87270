"""OpenTelemetry, where the extra `telemetry` is installed and DETECT_TRACES says so; OTEL_… variables do the rest."""

from collections.abc import Callable
from typing import Any

from api.errors import InvalidSetting


def instrument(app: Any) -> Callable[[], None]:
    """Trace requests and endpoint calls, `traceparent` taken from the caller and passed on; returns what ends it.

    Raises InvalidSetting where the extra is missing.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise InvalidSetting("DETECT_TRACES needs the extra `telemetry`, which is not installed.") from error
    provider = TracerProvider(resource=Resource.create({"service.name": "detect-gateway"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider, excluded_urls="/health,/metrics")
    AioHttpClientInstrumentor().instrument(
        tracer_provider=provider, request_hook=lambda span, _: span.update_name("InvokeEndpoint")
    )
    return provider.shutdown
