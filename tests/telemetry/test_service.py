"""One service as a process: where it sends to, and that nothing about it can hurt the service."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import grpc.aio
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from skillbox.auth.v1.api_key_service_pb2 import ListApiKeysRequest
from skillbox.auth.v1.api_key_service_pb2_grpc import ApiKeyServiceStub
from tests.support.parts import free_port
from tests.support.services import Service, run_service
from tests.telemetry.collector import Collector, collector, http_collector

KEY = "sk-example-test-key"
TRACE_ID, SPAN_ID = "ab" * 16, "cd" * 8
LIST = "skillbox.auth.v1.ApiKeyService/ListApiKeys"


@asynccontextmanager
async def auth(dsn: str, variables: Mapping[str, str]) -> AsyncIterator[Service]:
    environment = {"SKILLBOX_DB_DSN": dsn, "SKILLBOX_BOOTSTRAP_API_KEY": KEY, **variables}
    async with run_service("skillbox_auth", environment) as service:
        yield service


async def list_keys(service: Service, key: str = KEY, **headers: str) -> grpc.StatusCode:
    """Calls Auth as a client does; returns how that ended."""
    async with grpc.aio.insecure_channel(service.address) as channel:
        call = ApiKeyServiceStub(channel).ListApiKeys(
            ListApiKeysRequest(),
            metadata=(("authorization", f"Bearer {key}"), *headers.items()),
        )
        code: grpc.StatusCode = await call.code()
        return code


async def watch_health(service: Service) -> None:
    async with grpc.aio.insecure_channel(service.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        async for reply in stub.Watch(health_pb2.HealthCheckRequest()):
            assert reply.status == health_pb2.HealthCheckResponse.SERVING
            break
        await stub.Check(health_pb2.HealthCheckRequest())


async def scrape(port: int) -> str:
    async with httpx.AsyncClient(trust_env=False) as http:
        reply = await http.get(f"http://127.0.0.1:{port}/metrics")
    assert reply.status_code == 200
    return reply.text


def otlp(receiver: Collector) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{receiver.address}",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
    }


async def test_a_call_is_a_span_below_its_caller(dsn: str) -> None:
    with collector() as receiver:
        async with auth(dsn, otlp(receiver)) as service:
            await watch_health(service)
            assert await list_keys(service, traceparent=f"00-{TRACE_ID}-{SPAN_ID}-01") is (
                grpc.StatusCode.OK
            )
            assert await list_keys(service, key="sk-unknown") is grpc.StatusCode.UNAUTHENTICATED
        # What was not sent before is sent at the end.
        first, second = receiver.spans
    assert (first.service, first.name, first.kind) == ("skillbox-auth", LIST, "SERVER")
    assert (first.trace_id, first.parent_id) == (TRACE_ID, SPAN_ID)
    assert first.attributes == {
        "rpc.system": "grpc",
        "rpc.service": "skillbox.auth.v1.ApiKeyService",
        "rpc.method": "ListApiKeys",
        "rpc.grpc.status_code": 0,
        "rpc.response.status_code": "OK",
        "skillbox.tenant.id": "default",
    }
    assert second.parent_id == ""
    assert second.attributes["rpc.grpc.status_code"] == 16
    assert not second.failed, "the caller's fault is none of the service"
    assert "skillbox.tenant.id" not in second.attributes
    names = set(receiver.metrics)
    assert {"rpc.server.call.duration", "process.cpu.time", "process.memory.usage"} <= names


async def test_the_same_over_http(dsn: str) -> None:
    with http_collector() as receiver:
        variables = {
            **otlp(receiver),
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-team=blue",
        }
        async with auth(dsn, variables) as service:
            await list_keys(service, traceparent=f"00-{TRACE_ID}-{SPAN_ID}-01")
        [span] = receiver.spans
    assert (span.service, span.name, span.trace_id) == ("skillbox-auth", LIST, TRACE_ID)
    assert "rpc.server.call.duration" in receiver.metrics
    assert {path for path, _ in receiver.posted} == {"/v1/traces", "/v1/metrics"}
    assert {headers["x-team"] for _, headers in receiver.posted} == {"blue"}


async def test_each_signal_may_have_a_place_and_a_protocol_of_its_own(dsn: str) -> None:
    with http_collector() as traces, collector() as metrics:
        variables = {
            **otlp(metrics),
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://{traces.address}/as/it/is",
        }
        async with auth(dsn, variables) as service:
            await list_keys(service)
    assert [span.name for span in traces.spans] == [LIST]
    assert {path for path, _ in traces.posted} == {"/as/it/is"}
    assert not traces.metrics
    assert "rpc.server.call.duration" in metrics.metrics
    assert not metrics.spans


async def test_who_does_not_sample_is_not_traced(dsn: str) -> None:
    with collector() as receiver:
        async with auth(dsn, otlp(receiver)) as service:
            await list_keys(service, traceparent=f"00-{TRACE_ID}-{SPAN_ID}-00")
            log = service.log()
        assert receiver.spans == []
    assert f'"trace_id": "{TRACE_ID}"' in log


async def test_prometheus_reads_what_is_counted(dsn: str) -> None:
    port = free_port()
    async with auth(dsn, {"SKILLBOX_METRICS_LISTEN": f"127.0.0.1:{port}"}) as service:
        await watch_health(service)
        await list_keys(service)
        await list_keys(service, key="sk-unknown")
        text = await scrape(port)
    counts = dict(re.findall(r"^rpc_server_call_duration_seconds_count\{(.*)\} (\S+)$", text, re.M))
    assert len(counts) == 2, "health checks are not counted"
    for labels, code in zip(sorted(counts), ("OK", "UNAUTHENTICATED"), strict=True):
        assert counts[labels] == "1.0"
        assert f'rpc_response_status_code="{code}"' in labels
        assert 'rpc_method="ListApiKeys"' in labels
    for name in ("process_cpu_time_seconds_total", "process_memory_usage_bytes"):
        assert re.search(rf"^{name}(\{{.*\}})? [0-9.e+]+$", text, re.M), name
    assert "default" not in text
    assert "key_id" not in text


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_collector_that_is_gone_holds_nothing_up(dsn: str, protocol: str) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    async with auth(dsn, variables) as service:
        started = time.perf_counter()
        for _ in range(20):
            assert await list_keys(service) is grpc.StatusCode.OK
        assert time.perf_counter() - started < 3
        stopping = time.perf_counter()
    assert time.perf_counter() - stopping < 6


async def start(dsn: str, **variables: str) -> tuple[int | None, str]:
    """Starts Auth with settings that it does not take; returns its code and what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "skillbox_auth"),
        env={"SKILLBOX_DB_DSN": dsn, "SKILLBOX_LISTEN": f"127.0.0.1:{free_port()}", **variables},
        stderr=asyncio.subprocess.PIPE,
    )
    _, output = await process.communicate()
    return process.returncode, output.decode()


async def test_what_cannot_be_exported_is_said_at_the_start(dsn: str) -> None:
    code, output = await start(
        dsn,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/json",
    )
    assert code == 2
    assert "OTEL_EXPORTER_OTLP_PROTOCOL='http/json': expected grpc or http/protobuf" in output
    assert "Traceback" not in output


async def test_a_taken_address_is_said_at_the_start(dsn: str) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        code, output = await start(dsn, SKILLBOX_METRICS_LISTEN=f"127.0.0.1:{port}")
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port} for Prometheus" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("value", ["9464", "localhost", "127.0.0.1:0", "a b:1"])
async def test_an_address_has_a_host_and_a_port(dsn: str, value: str) -> None:
    code, output = await start(dsn, SKILLBOX_METRICS_LISTEN=value)
    assert code == 2
    assert f"SKILLBOX_METRICS_LISTEN={value!r}" in output
