"""Under steady load something fails; afterwards every accepted execution has a truthful end.

`make faults` runs the long list, `make test` the quick ones.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.stack import Client, Stack
from tests.e2e.waiting import until
from tests.faults import verdict
from tests.faults.faults import FAULTS, Fault
from tests.faults.load import ARCHIVE, SKILL, steady

_ALL = bool(os.environ.get("SKILLBOX_TEST_ALL_FAULTS"))
_DISK = "16m"


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Makes a folder a file system of its own, small enough to fill."""
    folder.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=0700", "skillbox-test", folder],
        check=True,
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    """Two replicas of each service; the object store has little room."""
    with tempfile.TemporaryDirectory(prefix="skillbox-faults-") as name:
        stack = Stack(Path(name, "data"), "bubblewrap", options=("--replicas", "2"))
        with small_disk(stack.data_dir / "s3"):
            try:
                client = stack.start()
                await client.push(ARCHIVE)
                yield client
            finally:
                done = stack.down()
            assert done.returncode == 0, done.stderr


@pytest.mark.bubblewrap
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "fault", [pytest.param(each, id=each.name) for each in FAULTS if each.quick or _ALL]
)
async def test_fault(client: Client, fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    await verdict.forget(client)
    async with steady(client) as load:
        await until_there_are(client, "success", 4)
        await until_there_are(client, "running", 2)
        await fault.inflict(client)
        over = time.monotonic()
        await until_healthy(client)
        # Life goes on: what is asked for from now on succeeds.
        assert (await client.run(SKILL, input={"number": -1}))["status"] == "success"
    found = await verdict.judge(fault.name, client, load, over)
    with capsys.disabled():
        print(f"\n{found.HEADER}\n{found.row()}")
    assert not found.problems, found.problems
    assert found.ends["success"] > 4
    if fault.name == "none":
        assert set(found.ends) == {"success"}
    if fault.ends:
        assert found.ends[fault.ends], f"it hit nobody: {found.ends}"


async def until_there_are(client: Client, status: str, count: int) -> None:
    async def enough() -> bool:
        async with client.http() as http:
            page = (await http.get(f"/v1/executions?status={status}&skill={SKILL}")).json()
        return len(page["executions"]) >= count

    await until(enough)


async def until_healthy(client: Client) -> None:
    """Waits until the stack calls itself ready, without any help, for as long as is promised."""

    async def ready() -> bool:
        try:
            async with client.http() as http:
                return (await http.get("/ready")).status_code == 200
        except httpx.TransportError:
            return False

    await until(ready, seconds=verdict.RECOVERY_S)
