"""Runs the whole stack on one machine until it is told to stop."""

import asyncio
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

from skillbox_common.migrate import migrate
from skillbox_local import postgres, programs, state
from skillbox_local.data_dir import DataDir
from skillbox_local.options import Options
from skillbox_local.ports import Address, take_for_api
from skillbox_local.postgres import Postgres
from skillbox_local.programs import Addresses
from skillbox_local.readiness import wait_until_ready
from skillbox_local.sandbox import Sandbox, choose
from skillbox_local.socket_proxy import socket_proxies
from skillbox_local.state import State
from skillbox_local.supervisor import Supervisor, end_leftovers
from skillbox_local.tasks import StopSignals, race

_START_S = 60.0
_REMOVE_BOXES_S = 15.0
_STATE_RETRY_S = 1.0
_SCHEMAS = ("auth", "registry", "executor")


async def run(options: Options, ready: Callable[[State], None]) -> None:
    """Runs the stack until SIGINT or SIGTERM; a second signal forces the end.

    Args:
        ready: Called once, when the stack serves.

    Raises:
        LocalError: It cannot start; nothing is left running.
    """
    data = DataDir(options.data_dir)
    data.create()
    with data.locked(), StopSignals(_tell_stopping) as stop:
        before = state.read(data.state)
        await _clean_up(before)
        with (
            take_for_api(options.host, options.port) as address,
            Addresses.take(options.replicas) as inner,
        ):
            _keep_api_key(data)
            sandbox = await choose(options.sandbox)
            async with postgres.prepare(data.postgres, programs.base_env()) as server:
                await Stack(data, address, inner, sandbox, server).run(stop, ready)


@dataclass
class Stack:
    """The parts, started together because each waits for those that it needs."""

    data: DataDir
    address: Address
    inner: Addresses
    sandbox: Sandbox
    server: Postgres
    phase: str = "starting"

    def __post_init__(self) -> None:
        self._supervisor = Supervisor(self.data.logs, self._write_state)

    async def run(self, stop: StopSignals, ready: Callable[[State], None]) -> None:
        """See the function `run`."""
        try:
            await race(self._start(), self._supervisor.failure(), stop.requested.wait())
            if not stop.requested.is_set():
                self._supervisor.settle()
                self._enter("running")
                ready(self.state())
                await race(self._supervisor.failure(), stop.requested.wait())
        finally:
            self._enter("stopping")
            await race(self._supervisor.stop(), stop.forced.wait())
            await self._supervisor.kill()
            await self._remove_boxes()
            self._enter("stopped")

    def state(self) -> State:
        """Returns what `status` shows."""
        return State(
            phase=self.phase,
            pid=os.getpid(),
            url=self.address.url,
            data_dir=str(self.data.root),
            sandbox=self.sandbox.driver,
            sandbox_note=self.sandbox.note,
            warning=self.sandbox.warning,
            docker_host=self.sandbox.docker_host,
            run_dir=str(self.server.run_dir or ""),
            services=self._supervisor.states(),
        )

    async def _start(self) -> None:
        """Starts everything at once and waits until it serves."""
        services = programs.services(
            self.data,
            self.inner,
            self.server.dsn,
            list(map(self.sandbox.env, self.inner.engine, self.inner.builder)),
        )
        proxies = (
            socket_proxies(services, self.sandbox.docker_host, self.data)
            if self.sandbox.guarded
            else []
        )
        # They stop in the reverse order: runs end while all that they need is still there.
        for program in (
            self.server.program(),
            programs.s3(self.data, self.inner),
            programs.gateway(self.data, self.inner, self.address),
            *proxies,
            *services,
        ):
            self._supervisor.start(program)
        await self.server.wait()
        for name in _SCHEMAS:
            await migrate(f"skillbox_{name}", self.server.dsn, name)
        await wait_until_ready(self.address.url, _START_S)

    async def _remove_boxes(self) -> None:
        """Removes boxes of an Executor that could not do it itself any more."""
        try:
            async with asyncio.timeout(_REMOVE_BOXES_S):
                for replica, _ in enumerate(self.inner.executor, 1):
                    await self.sandbox.remove_boxes(self.data.executor_id(replica))
        # Whatever it is, all the rest has stopped and shall be reported as stopped.
        except Exception as error:
            print(f"boxes may be left: {error}", file=sys.stderr)

    def _enter(self, phase: str) -> None:
        self.phase = phase
        self._write_state()

    def _write_state(self) -> None:
        try:
            state.write(self.data.state, self.state())
        except OSError:
            # The disk is full, say. The parts run on; what `status` shows is behind.
            asyncio.get_running_loop().call_later(_STATE_RETRY_S, self._write_state)


async def _clean_up(before: State | None) -> None:
    """Removes what a killed supervisor left behind."""
    await end_leftovers(before)
    if before is not None and before.run_dir:
        shutil.rmtree(before.run_dir, ignore_errors=True)


def _keep_api_key(data: DataDir) -> None:
    """Makes the first API key, or takes the one that the user chose."""
    chosen = os.environ.get("SKILLBOX_BOOTSTRAP_API_KEY")
    if chosen:
        data.write_secret(data.api_key, chosen)
    else:
        data.secret(data.api_key.name, lambda: f"sk-{secrets.token_hex(24)}")


def _tell_stopping() -> None:
    print("stopping; press Ctrl-C again to force it", file=sys.stderr)
