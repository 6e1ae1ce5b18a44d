"""Calls that need no box: the control plane alone, many skills, uploads."""

import asyncio
import io
import itertools
import os
import zipfile
from collections.abc import AsyncIterator

import psutil

from benchmarks import load
from benchmarks.cases import METADATA, Case, RunFailed, SkillboxCalls
from benchmarks.goals import CONTRACT, CONTROL, UPLOADS
from benchmarks.stack import SKILL_MD
from benchmarks.suite import Live, Suite
from skillbox.registry.v1.skill_service_pb2 import ListSkillsRequest
from skillbox.registry.v1.skill_service_pb2_grpc import SkillServiceStub

_MIB = 1024 * 1024
_UPLOADERS = 8
_PIECE = 64 * 1024
_numbers = itertools.count()


def archive(size: int, name: str = "upload", version: str = "") -> bytes:
    """Returns a valid skill of about `size` bytes that does not compress.

    Args:
        version: Another one for each archive when it is left out.
    """
    text = SKILL_MD.replace("bench", name).replace("1.0.0", version or f"1.0.{next(_numbers)}")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        target.writestr("SKILL.md", text)
        target.writestr("assets/noise", os.urandom(size))
    return out.getvalue()


def get(calls: SkillboxCalls, path: str, expected: int = 200, **headers: str) -> Case:
    async def run() -> str:
        async with calls.http.get(path, headers=headers) as reply:
            body = await reply.read()
        if reply.status != expected:
            raise RunFailed(f"{reply.status}: {body[:200]!r}")
        return ""

    return run


def first_page(calls: SkillboxCalls) -> Case:
    """Returns a call for fifty skills, which gRPC alone can ask for: the list of REST has all."""
    stub = SkillServiceStub(calls.channel)

    async def run() -> str:
        page = await stub.ListSkills(ListSkillsRequest(), metadata=METADATA)
        if not page.skills:
            raise RunFailed("no skills")
        return ""

    return run


def upload(calls: SkillboxCalls, size: int) -> Case:
    async def run() -> str:
        await _post(calls, await asyncio.to_thread(archive, size))
        return ""

    return run


async def _post(calls: SkillboxCalls, data: bytes) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), _PIECE):
            yield data[start : start + _PIECE]

    headers = {"Content-Type": "application/zip", "Content-Length": str(len(data))}
    async with calls.http.post("/v1/skills", data=pieces(), headers=headers) as reply:
        if reply.status != 201:
            raise RunFailed(f"{reply.status}: {await reply.text()}")


async def contract(suite: Suite) -> None:
    """Every call whose latency the REST contract limits."""
    calls = _any(suite).calls
    record = await _record(calls)
    cases = {
        "health": get(calls, "/health"),
        "401": get(calls, "/v1/skills", 401, Authorization="Bearer sk-unknown"),
        "ready": get(calls, "/ready"),
        "execution record": get(calls, record),
        "logs": get(calls, f"{record}/logs"),
        "list": get(calls, "/v1/skills"),
        "inspect": get(calls, "/v1/skills/bench/latest"),
        "upload of 2 KB": upload(calls, 1024),
        "upload of 140 KB": upload(calls, 140 * 1024),
    }
    rows = {name: suite.results.row(CONTRACT, name) for name in cases}
    await load.interleaved(cases, rows, suite.amount(50, 10), 0)


async def control_plane(suite: Suite) -> None:
    """From Envoy to a service and back, also with ten thousand skills."""
    calls = _any(suite).calls
    cases = {"Envoy to Executor and back": get(calls, await _record(calls))}
    rows = {name: suite.results.row(CONTROL, name) for name in cases}
    await load.interleaved(cases, rows, suite.amount(200, 30), 0)
    await _fill(calls, suite.amount(10_000, 100))
    cases = {
        "list of skills, first page": first_page(calls),
        "list of skills, all in one (REST)": get(calls, "/v1/skills"),
        "inspect": get(calls, "/v1/skills/many-7/latest"),
    }
    for name in cases:
        suite.results.row(CONTROL, name).note = f"of {suite.amount(10_000, 100):,} skills"
    rows = {name: suite.results.row(CONTROL, name) for name in cases}
    await load.interleaved(cases, rows, suite.amount(200, 30), 0)


async def uploads(suite: Suite) -> None:
    """Large uploads, and the most memory that gateway and Registry held during one."""
    live = _any(suite)
    for label, size in {"1 MiB": _MIB, "50 MiB": 50 * _MIB - _PIECE}.items():
        row = suite.results.row(UPLOADS, label)
        data = [archive(size) for _ in range(suite.amount(5, 2))]
        before = _resident(live)
        peak = dict(before)
        for each in data:

            async def post(each: bytes = each) -> str:
                await _post(live.calls, each)
                return ""

            posting = asyncio.create_task(load.once(post, row))
            while not posting.done():
                peak = {name: max(peak[name], size) for name, size in _resident(live).items()}
                await asyncio.sleep(0.005)
        for name, most in before.items():
            row.values |= {f"{name} MiB": most, f"{name} peak": peak[name]}


def _resident(live: Live) -> dict[str, float]:
    pids = {name: live.stack.pids[name] for name in ("gateway", "registry")}
    return {name: psutil.Process(pid).memory_info().rss / _MIB for name, pid in pids.items()}


def _any(suite: Suite) -> Live:
    return next(iter(suite.live.values()))


async def _record(calls: SkillboxCalls) -> str:
    """Runs a skill and returns the path of its record."""
    body = {"skill": "bench", "input": [1, 2]}
    async with calls.http.post("/v1/executions", json=body) as reply:
        return f"/v1/executions/{(await reply.json())['execution_id']}"


async def _fill(calls: SkillboxCalls, count: int) -> None:
    numbers = iter(range(count))

    async def uploader() -> None:
        for number in numbers:
            await _post(calls, archive(64, f"many-{number}", "1.0.0"))

    await asyncio.gather(*(uploader() for _ in range(_UPLOADERS)))
