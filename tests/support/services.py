"""Starts a service the way it runs in production: migrate, serve, wait for SERVING."""

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from skillbox_local.ports import take

_READY_S = 30.0
_STOP_S = 15.0


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        address: host:port on which it serves gRPC.
        process: Is stopped by `run_service`, unless the test ends it before.
    """

    address: str
    process: Process
    _log: Path

    def log(self) -> str:
        """Returns what the service has logged so far."""
        return self._log.read_text()

    async def until_logged(self, text: str) -> None:
        """Waits until the service has logged `text`."""
        try:
            async with asyncio.timeout(_READY_S):
                while text not in self.log():  # noqa: ASYNC110 - the other end is a file
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{text!r} was not logged:\n{self.log()}") from None


@asynccontextmanager
async def run_service(
    package: str, env: Mapping[str, str], *, migrate: bool = True, until_serving: bool = True
) -> AsyncIterator[Service]:
    """Runs `python -m <package> migrate`, then `serve` on a free port; stops it at the end.

    A service that does not end cleanly on SIGTERM fails the test.

    Args:
        package: Such as `skillbox_auth`.
        env: `SKILLBOX_*` variables; those of the caller's own environment do not count.
        migrate: Whether to migrate the schema first.
        until_serving: Whether to wait until the health service says SERVING. Otherwise the
            service only listens.
    """
    with take(1) as (port,), tempfile.NamedTemporaryFile() as output:
        address = f"127.0.0.1:{port}"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("SKILLBOX_")
        }
        environment = {**inherited, **env, "SKILLBOX_LISTEN": address}

        async def start(command: str) -> Service:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", package, command),
                env=environment,
                stdout=output,
                stderr=output,
            )
            return Service(address, process, Path(output.name))

        if migrate:
            migration = await start("migrate")
            code = await migration.process.wait()
            assert code == 0, f"{package} migrate ended with {code}:\n{migration.log()}"
        service = await start("serve")
        try:
            await _wait(service, package, until_serving)
            yield service
        finally:
            await _stop(service)


async def _stop(service: Service) -> None:
    process = service.process
    if process.returncode is not None:
        return  # The test ended it.
    process.terminate()
    try:
        code = await asyncio.wait_for(process.wait(), _STOP_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert code == 0, f"the service ended with {code}:\n{service.log()}"


async def health(address: str) -> "health_pb2.HealthCheckResponse.ServingStatus":
    """Asks the health service once; raises `grpc.aio.AioRpcError` when nobody answers."""
    async with grpc.aio.insecure_channel(address) as channel:
        reply = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=2
        )
        return reply.status


async def _wait(service: Service, package: str, until_serving: bool) -> None:
    status: object = "nobody listens"
    try:
        async with asyncio.timeout(_READY_S):
            while True:
                process = service.process
                assert process.returncode is None, (
                    f"{package} ended with {process.returncode}:\n{service.log()}"
                )
                try:
                    status = await health(service.address)
                except grpc.aio.AioRpcError as error:
                    status = error.code()
                else:
                    if status == health_pb2.HealthCheckResponse.SERVING or not until_serving:
                        return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{package}: {status}:\n{service.log()}") from None
