"""Sets up OpenTelemetry's SDK: where spans and metrics go. Imported only when they go somewhere."""

from collections.abc import Callable
from importlib.metadata import version

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry, start_http_server

from skillbox_common.server import AddressTaken
from skillbox_common.telemetry.otlp import Protocol, metric_exporter, span_exporter
from skillbox_common.telemetry.process import observe_process
from skillbox_common.telemetry.tracing import bound_attributes

Shutdown = Callable[[], object]
"""Sends what is left and stops; may wait for a collector that is gone."""


class _BoundIds(SpanProcessor):
    """Gives each span the ids that are bound where it starts."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        span.set_attributes(bound_attributes())


def export_traces(service: str, protocol: Protocol) -> Shutdown:
    """Sends spans by OTLP from now on."""
    provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
    provider.add_span_processor(_BoundIds())
    provider.add_span_processor(BatchSpanProcessor(span_exporter(protocol)))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def export_metrics(service: str, *, protocol: Protocol | None, host: str, port: int) -> Shutdown:
    """Sends metrics by OTLP, serves them to Prometheus, or both.

    Args:
        protocol: Send them by it; `None` for not at all.
        port: Of the Prometheus endpoint; 0 for none.

    Raises:
        AddressTaken: Nobody can listen there.
    """
    readers: list[MetricReader] = []
    stop_listening: Shutdown = bool
    if port:
        # Not the library's own registry, which describes its process in other names.
        registry = CollectorRegistry()
        try:
            server, _ = start_http_server(port, host, registry)
        except OSError as error:
            raise AddressTaken(
                f"cannot listen on {host}:{port} for Prometheus: the address is taken or not ours"
            ) from error
        stop_listening = server.shutdown
        readers.append(PrometheusMetricReader(registry=registry, scope_info_enabled=False))
    if protocol is not None:
        readers.append(PeriodicExportingMetricReader(metric_exporter(protocol)))
    provider = MeterProvider(readers, _resource(service), shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    observe_process()

    def shut_down() -> None:
        stop_listening()
        provider.shutdown()

    return shut_down


def _resource(service: str) -> Resource:
    own = {"service.name": f"skillbox-{service}", "service.version": version("skillbox")}
    # The operator's `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` come last, so they count.
    return Resource.create(own).merge(OTELResourceDetector().detect())
