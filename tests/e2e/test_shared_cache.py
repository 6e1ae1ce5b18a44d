"""A stack of two replicas that share a real Redis, which answers, hangs, lies, is gone or back.

Whatever it does, every answer is the right one, and what was changed is seen within the two
seconds for which anything is remembered.
"""

import asyncio
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from redis import Redis
from redis.exceptions import ResponseError

from skillbox_local.ports import take
from tests.e2e import skills
from tests.e2e.stack import Client, Stack
from tests.e2e.waiting import until
from tests.support.redis import RedisServer, redis_server

pytestmark = pytest.mark.bubblewrap

REMEMBERED_S = 2.0
KINDS = {"principal", "latest"}
# So often that each replica of each service has a part in it.
_OFTEN = 6


@dataclass
class Shared:
    """A stack and the place of its Redis.

    Attributes:
        slowest_s: The longest that a call took.
    """

    client: Client
    port: int
    slowest_s: float = 0.0

    async def call(self, method: str, path: str, key: str = "", **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        started = time.monotonic()
        async with self.client.http() as http:
            reply = await http.request(method, path, headers=headers, **body)
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)
        return reply

    async def answers(self, skill: str, key: str = "") -> set[Any]:
        """Runs a skill often; returns what comes out."""

        async def answer() -> Any:
            reply = await self.call("POST", "/v1/executions", key, json={"skill": skill})
            assert reply.status_code == 200, reply.text
            assert reply.json()["status"] == "success", reply.text
            return reply.json()["output"]

        return set(await asyncio.gather(*(answer() for _ in range(_OFTEN))))


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[Shared]:
    # Held, so that nobody else gets it while Redis is away.
    with take(1) as (port,), tempfile.TemporaryDirectory(prefix="skillbox-e2e-") as name:
        env = {"SKILLBOX_REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        stack = Stack(Path(name, "data"), "bubblewrap", env=env, options=("--replicas", "2"))
        try:
            yield Shared(stack.start(), port)
        finally:
            done = stack.down()
        assert done.returncode == 0, done.stderr


@contextmanager
def well(redis: RedisServer) -> Iterator[None]:
    before = _hits(redis)
    yield
    assert _hits(redis) > before, "nothing was taken from the cache"


@contextmanager
def hanging(redis: RedisServer) -> Iterator[None]:
    with redis.paused():
        yield


@contextmanager
def gone(redis: RedisServer) -> Iterator[None]:
    redis.kill()
    yield


@contextmanager
def lying(redis: RedisServer) -> Iterator[None]:
    """Puts something else into every entry, all the time."""
    stop, kinds = Event(), set[str]()

    def ruin() -> None:
        while not stop.wait(0.001):
            names = list(redis.client.scan_iter())
            kinds.update(map(_kind, names))
            for number, name in enumerate(names):
                _replace(redis.client, name, names[number - 1], number % 4)

    thread = Thread(target=ruin)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert kinds == KINDS, "there was nothing to ruin"


def _replace(redis: "Redis", name: bytes, other: bytes, way: int) -> None:
    """Replaces an entry by garbage, by other types, or by what belongs to another name."""
    with suppress(ResponseError):  # of what is a string no more
        theirs = redis.get(other)
        redis.delete(name)
        match way:
            case 0:
                redis.set(name, b"garbage" * 20)
            case 1:
                redis.rpush(name, "a", "list")
            case 2:
                redis.hset(name, "a", "hash")
            case _:
                redis.set(name, theirs if isinstance(theirs, bytes) else b"")


def _kind(name: bytes) -> str:
    return name.decode().split(":")[1]


def _hits(redis: RedisServer) -> int:
    return int(redis.client.info("stats")["keyspace_hits"])


def skill(name: str, number: int) -> bytes:
    """Returns version N.0.0 of a skill, whose output is N."""
    code = f"import os, pathlib; pathlib.Path(os.environ['SANDBOX_OUTPUT']).write_text('{number}')"
    return skills.skill(name, "main.py", code, f'version: "{number}.0.0"')


# The last one tells that the cache is used again when it is back.
@pytest.mark.parametrize("state", [well, hanging, lying, gone, well])
async def test_every_answer_is_right_and_every_change_is_seen(
    shared: Shared, state: Callable[[RedisServer], AbstractContextManager[None]]
) -> None:
    name = f"cached-{uuid.uuid4().hex[:6]}"
    await shared.client.push(skill(name, 1))
    with redis_server(shared.port) as redis:

        async def in_use() -> bool:
            assert await shared.answers(name) == {1}
            return set(map(_kind, redis.client.scan_iter())) == KINDS

        # What did not answer is left alone for five seconds.
        await until(in_use)
        with state(redis):
            shared.slowest_s = 0.0
            await _changes(shared, name)
            assert shared.slowest_s < 5, "nobody waits for it"


async def _changes(shared: Shared, name: str) -> None:
    assert await shared.answers(name) == {1}
    await shared.client.push(skill(name, 2))
    # At once, unless its replica was leaving Redis alone when it came.
    await asyncio.sleep(REMEMBERED_S)
    assert await shared.answers(name) == {2}

    made = (await shared.call("POST", "/v1/api-keys", json={"scopes": ["executions:run"]})).json()
    secret = made["secret"]
    # Every replica knows it now, with its own scopes.
    assert await shared.answers(name, secret) == {2}
    assert (await shared.call("GET", "/v1/skills", secret)).status_code == 403

    await shared.call("DELETE", f"/v1/api-keys/{made['api_key']['id']}")
    assert (await shared.call("DELETE", f"/v1/skills/{name}/2.0.0")).status_code == 204
    await asyncio.sleep(REMEMBERED_S)
    assert await shared.answers(name) == {1}
    for _ in range(_OFTEN):
        reply = await shared.call("POST", "/v1/executions", secret, json={"skill": name})
        assert reply.status_code == 401, reply.text
