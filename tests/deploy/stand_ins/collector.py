"""Takes traces over OTLP and prints a line for each span: its service and its trace.

python collector.py                 keeps them, like Jaeger
python collector.py --config=FILE   passes them on to where the collector's own file says
"""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import yaml
from opentelemetry.proto.collector.metrics.v1 import (
    metrics_service_pb2,
    metrics_service_pb2_grpc,
)
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

_ADDRESS = "0.0.0.0:4317"


class Traces(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, passed_to: str) -> None:
        self._next: Any = None
        if passed_to:
            # Generated without types.
            stub: Any = trace_service_pb2_grpc.TraceServiceStub
            self._next = stub(grpc.insecure_channel(passed_to))

    def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            service = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    print(service["service.name"], span.trace_id.hex(), flush=True)
        if self._next is not None:
            self._next.Export(request, timeout=10, wait_for_ready=True)
        return trace_service_pb2.ExportTraceServiceResponse()


class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def Export(
        self,
        request: metrics_service_pb2.ExportMetricsServiceRequest,
        context: grpc.ServicerContext,
    ) -> metrics_service_pb2.ExportMetricsServiceResponse:
        return metrics_service_pb2.ExportMetricsServiceResponse()


def main() -> None:
    passed_to = ""
    if sys.argv[1:]:
        config = yaml.safe_load(Path(sys.argv[1].removeprefix("--config=")).read_text())
        assert config["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] == _ADDRESS
        passed_to = config["exporters"]["otlp/jaeger"]["endpoint"]
    server = grpc.server(ThreadPoolExecutor(4))
    # Generated without types.
    add_traces: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add_metrics: Any = metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server
    add_traces(Traces(passed_to), server)
    add_metrics(Metrics(), server)
    server.add_insecure_port(_ADDRESS)
    server.start()
    # The first process of a container heeds the signals that it asks for, and no other.
    signal.signal(signal.SIGTERM, lambda *_: server.stop(1))
    server.wait_for_termination()


if __name__ == "__main__":
    main()
