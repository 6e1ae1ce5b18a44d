"""Starts and stops a gRPC service: health, reflection, interceptors, graceful shutdown."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import grpc.aio
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]

from skillbox_common.errors import SkillboxError
from skillbox_common.object_store import ObjectNotFound
from skillbox_common.reflection import enable_reflection

Check = Callable[[], Awaitable[object]]
"""Returns when a dependency answers, raises when it does not."""

CHECK_TIMEOUT_S = 2.0
_MAX_METADATA = 128 * 1024
_HEALTHY_INTERVAL_S = 5.0
_UNHEALTHY_INTERVAL_S = 0.2
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_log = structlog.get_logger(__name__)


class AddressTaken(Exception):
    """The address to serve on is taken, or is none of this machine's."""


def create_server(
    interceptors: "Sequence[grpc.aio.ServerInterceptor[Any, Any]]",
) -> grpc.aio.Server:
    """Returns a server that shares its port with nobody and keeps messages at 4 MiB."""
    return grpc.aio.server(
        interceptors=interceptors,
        options=(
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", 5 * 1024 * 1024),
            # More than the headers that the gateway lets through.
            ("grpc.max_metadata_size", _MAX_METADATA),
            ("grpc.absolute_max_metadata_size", _MAX_METADATA),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
        ),
    )


async def run_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    """Runs all checks at once, each for at most two seconds.

    Returns:
        `ok`, or a short public reason, for each check.
    """

    async def outcome(check: Check) -> str:
        try:
            # Not `wait_for`: in Python 3.11 it can swallow a cancellation.
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await check()
        except TimeoutError:
            return "timeout"
        except ObjectNotFound:
            return "bucket missing"
        except SkillboxError as error:
            return error.message
        except Exception as error:
            _log.warning("check failed", error=str(error), kind=type(error).__name__)
            return "unavailable"
        return "ok"

    return dict(zip(checks, await asyncio.gather(*map(outcome, checks.values())), strict=True))


async def serve(
    server: grpc.aio.Server,
    *,
    name: str,
    listen: str,
    services: Sequence[str],
    checks: Mapping[str, Check],
    prepare: Sequence[Check] = (),
    grace: float = 10.0,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Serves until SIGTERM or SIGINT.

    The health service says NOT_SERVING until every check passed once and `prepare` ran, and
    whenever a check fails. On a signal: health off, drain for `grace` seconds, force.

    Args:
        services: Full names for reflection.
        prepare: Steps that need the dependencies, such as creating a bucket. Each is tried
            again until it succeeds.
        on_stop: Called when the signal has come, before calls in flight are given time.

    Raises:
        AddressTaken: Nobody can listen on `listen`.
    """
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    names = (*services, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
    enable_reflection(names, server)
    await health.set("", _NOT_SERVING)
    try:
        server.add_insecure_port(listen)
    except RuntimeError as error:
        raise AddressTaken(
            f"cannot listen on {listen}: the address is taken or not ours"
        ) from error
    await server.start()
    # What is there now stays: the garbage collector need not look at it again and again. Nor may
    # it count: old garbage is looked for when a quarter of all objects is new, which would be
    # after ten thousand runs, and some sixty MiB.
    gc.collect()
    gc.freeze()
    gc.collect()
    _log.info("listening", service=name, address=listen)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watcher = asyncio.create_task(_watch_health(health, checks, list(prepare)))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({watcher, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if watcher.done():
            watcher.result()
    finally:
        watcher.cancel()
        stopping.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
        on_stop()
        await health.enter_graceful_shutdown()
        await server.stop(grace)
        _log.info("stopped", service=name)


async def _watch_health(
    health: health_aio.HealthServicer, checks: Mapping[str, Check], prepare: list[Check]
) -> None:
    before: dict[str, str] | None = None
    while True:
        results = await run_checks({f"prepare {n}": step for n, step in enumerate(prepare)})
        if all(result == "ok" for result in results.values()):
            prepare.clear()
            results = await run_checks(checks)
        healthy = all(result == "ok" for result in results.values())
        if results != before:
            _log.info("health", serving=healthy, **{"checks": results})
            before = results
        await health.set("", _SERVING if healthy else _NOT_SERVING)
        await asyncio.sleep(_HEALTHY_INTERVAL_S if healthy else _UNHEALTHY_INTERVAL_S)
