"""A Docker Engine of its own, for tests that restart one or change its images."""

import asyncio
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psutil

from skillbox_executor.sandbox.docker_engine import connect


class PrivateEngine:
    """A dockerd with its own containerd, images and containers, and no network.

    Attributes:
        host: Its address.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.host = f"unix://{folder}/docker.sock"

    async def start(self) -> None:
        config = self._folder / "daemon.json"
        config.write_text("{}")  # not the machine's own
        with self._folder.joinpath("log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                # In a network of its own: it would take the machine's default bridge away.
                *("unshare", "--net", "--"),
                *("dockerd", "--host", self.host, "--config-file", str(config)),
                *("--data-root", str(self._folder / "data"), "--bridge=none", "--iptables=false"),
                *("--exec-root", str(self._folder / "exec")),
                *("--pidfile", str(self._folder / "pid")),
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(50), connect(self.host) as docker:
            while True:
                try:
                    await docker.version()
                    return
                except Exception:
                    assert self._process.returncode is None, self._folder.joinpath(
                        "log"
                    ).read_text()
                    await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """Ends it and what looks after its containers at once; `start` brings it back."""
        assert self._process is not None
        await asyncio.to_thread(_kill_all, self._folder)
        await self._process.wait()
        # Its containerd died with it. A process that nobody has reaped would look alive.
        for file in ("pid", "exec/containerd/containerd.pid"):
            self._folder.joinpath(file).unlink(missing_ok=True)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Lets it do nothing for the block: it takes connections and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    async def load(self, image: str, source: str) -> None:
        """Copies an image from the engine at `source`."""
        tar = self._folder / "image.tar"
        for host, *command in (
            (source, "save", "--output", str(tar), image),
            (self.host, "load", "--quiet", "--input", str(tar)),
        ):
            process = await asyncio.create_subprocess_exec("docker", "--host", host, *command)
            assert await process.wait() == 0
        tar.unlink()

    async def stop(self) -> None:
        """Ends it and everything that it started."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(20):
                    await self._process.wait()
        await asyncio.to_thread(_clean_up, self._folder)


def _kill_all(folder: Path) -> None:
    """Kills the engine, its containerd and its shims: each has the folder in its arguments."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(f"{folder}/" in word for word in process.cmdline()):
                process.kill()


def _clean_up(folder: Path) -> None:
    _kill_all(folder)
    for mount in reversed(psutil.disk_partitions(all=True)):
        if mount.mountpoint.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", mount.mountpoint], check=False)
    shutil.rmtree(folder)


@asynccontextmanager
async def private_engine() -> AsyncIterator[PrivateEngine]:
    """Yields a running engine without images."""
    engine = PrivateEngine(Path(tempfile.mkdtemp(prefix="skillbox-engine-")))
    try:
        await engine.start()
        yield engine
    finally:
        await engine.stop()
