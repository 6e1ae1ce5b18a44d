"""The stacks on which faults happen, each with two replicas of every service."""

import json
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from skillbox_executor.sandbox import images
from skillbox_executor.sandbox.interface import Language
from tests.e2e.stack import DOCKER_HOST, Stack
from tests.faults.site import POOL_SIZE, REPLICAS, Site
from tests.support.docker_engine import PrivateEngine, private_engine
from tests.support.relay import Relay, relay

_OPTIONS = ("--replicas", str(REPLICAS))
_DISK = "400m"
_S3_DISK = "16m"
# Python runs it first. Envoy does not start under libfaketime, and Postgres may well be on another
# machine, so only the services get the other clock.
_SITECUSTOMIZE = """
import os, sys
services = {"skillbox_auth", "skillbox_registry", "skillbox_executor"}
if "LD_PRELOAD" not in os.environ and services.intersection(sys.orig_argv):
    os.environ["LD_PRELOAD"] = "/usr/$LIB/faketime/libfaketime.so.1"
    os.execv(sys.executable, sys.orig_argv)
"""
# The services find Postgres and S3 behind relays, which learn from them where the parts are.
_RELAYED = """
import json, os, sys
from pathlib import Path
services = {"skillbox_auth", "skillbox_registry", "skillbox_executor"}
if services.intersection(sys.orig_argv):
    for name, (relayed, upstream) in json.loads(os.environ["TEST_RELAYS"]).items():
        told = os.environ[name].rpartition("host=")[2]
        told += "/.s.PGSQL.5432" if told.startswith("/") else ""
        Path(upstream + str(os.getpid())).write_text(told)
        Path(upstream + str(os.getpid())).rename(upstream)
        os.environ[name] = relayed
"""


@asynccontextmanager
async def on_bubblewrap() -> AsyncIterator[Site]:
    with _folder() as folder, _stack(folder, "bubblewrap") as site:
        yield site


@asynccontextmanager
async def on_docker() -> AsyncIterator[Site]:
    """Docker behind socket proxies, with an engine that may be killed."""
    async with private_engine() as engine:
        await engine.load(images.name(Language.PYTHON), DOCKER_HOST)
        with (
            _folder() as folder,
            _stack(folder, "docker", {"SKILLBOX_DOCKER_HOST": engine.host}, engine=engine) as site,
        ):
            yield site


@asynccontextmanager
async def with_another_clock() -> AsyncIterator[Site]:
    """The services see a clock that jumps. Monotonic clocks are right, as they are then."""
    with _folder() as folder:
        clock = folder / "clock"
        clock.write_text("+0")
        (folder / "sitecustomize.py").write_text(_SITECUSTOMIZE)
        env = {
            "PYTHONPATH": str(folder),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_CACHE_DURATION": "1",
        }
        with _stack(folder, "bubblewrap", env, clock=clock) as site:
            yield site


@asynccontextmanager
async def on_a_network() -> AsyncIterator[Site]:
    """The services reach Postgres and S3 over a network that can be cut."""
    with (
        _folder() as folder,
        relay(folder / "postgres-address") as postgres,
        relay(folder / "s3-address") as s3,
    ):
        (folder / "sitecustomize.py").write_text(_RELAYED)
        relayed = {
            "SKILLBOX_DB_DSN": (
                f"postgresql://postgres@{postgres.address}/postgres",
                str(postgres.upstream),
            ),
            "SKILLBOX_S3_ENDPOINT": (s3.address, str(s3.upstream)),
        }
        env = {"PYTHONPATH": str(folder), "TEST_RELAYS": json.dumps(relayed)}
        relays = {"postgres": postgres, "s3": s3}
        with _stack(folder, "bubblewrap", env, relays=relays) as site:
            yield site


STACKS = {
    "bubblewrap": on_bubblewrap,
    "docker": on_docker,
    "clock": with_another_clock,
    "network": on_a_network,
}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="skillbox-faults-") as name:
        yield Path(name)


@contextmanager
def _stack(
    folder: Path,
    sandbox: str,
    env: dict[str, str] | None = None,
    engine: PrivateEngine | None = None,
    clock: Path | None = None,
    relays: Mapping[str, Relay] | None = None,
) -> Iterator[Site]:
    temp = folder / "tmp"
    temp.mkdir()
    temp.chmod(0o1777)
    settings = {
        "TMPDIR": str(temp),
        "SKILLBOX_SHUTDOWN_GRACE": "10",
        "SKILLBOX_DB_POOL_SIZE": str(POOL_SIZE),
        **(env or {}),
    }
    stack = Stack(folder / "data", sandbox, env=settings, options=_OPTIONS)
    with _small_disk(stack.data_dir, _DISK), _small_disk(stack.data_dir / "s3", _S3_DISK):
        # As `skillbox up` makes it: Postgres passes through, as another user.
        stack.data_dir.chmod(0o711)
        try:
            yield Site(stack.start(), temp, engine, clock, relays or {})
        finally:
            done = stack.down()
        assert done.returncode == 0, done.stderr


@contextmanager
def _small_disk(folder: Path, size: str) -> Iterator[None]:
    """Makes a folder a file system of its own, small enough to fill."""
    folder.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "skillbox-test", folder],
        check=True,
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
