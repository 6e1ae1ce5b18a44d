"""Starts a real Redis, and does to it what happens to servers."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from redis import Redis

from tests.support.parts import free_port, wait_for_port


@dataclass(frozen=True)
class RedisServer:
    """A running Redis.

    Attributes:
        client: Of the test's own.
    """

    url: str
    client: "Redis"
    process: subprocess.Popen[bytes]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It accepts connections and says nothing."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@contextmanager
def redis_server(port: int = 0) -> Iterator[RedisServer]:
    """Runs a Redis that keeps nothing on disk.

    Args:
        port: 0 for one that is free.
    """
    program = shutil.which("redis-server")
    assert program is not None, "redis-server is missing: apt-get install redis-server"
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="skillbox-redis-") as folder:
        process = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for_port(port, process)
            url = f"redis://127.0.0.1:{port}/0"
            with Redis.from_url(url) as client:
                yield RedisServer(url, client, process)
        finally:
            process.kill()
            process.wait(10)
