"""The latencies that the REST contract promises, and the memory that large uploads take."""

import argparse
import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil

from benchmarks.stack import KEY, SKILL_MD, Running, percentile, running

MIB = 1024 * 1024
HEADERS = {"Authorization": f"Bearer {KEY}"}


def archive(size: int, version: str) -> bytes:
    """Returns a valid skill of about `size` bytes that does not compress."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        target.writestr("SKILL.md", SKILL_MD.replace("1.0.0", version).replace("bench", "upload"))
        target.writestr("assets/noise", os.urandom(size))
    return out.getvalue()


def pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 64 * 1024):
        yield data[start : start + 64 * 1024]


def cases(client: httpx.Client) -> dict[str, tuple[float, Callable[[], httpx.Response]]]:
    """Returns the calls of the contract's last section, each with its limit in milliseconds."""
    run = client.post("/v1/executions", json={"skill": "bench", "input": [1, 2]}, headers=HEADERS)
    record = f"/v1/executions/{run.json()['execution_id']}"
    versions = iter(range(1, 1_000_000))

    def upload(size: int) -> Callable[[], httpx.Response]:
        def post() -> httpx.Response:
            data = archive(size, f"1.0.{next(versions)}")
            headers = {**HEADERS, "Content-Type": "application/zip"}
            return client.post("/v1/skills", content=data, headers=headers)

        return post

    def get(path: str) -> Callable[[], httpx.Response]:
        return lambda: client.get(path, headers=HEADERS)

    return {
        "health": (50, lambda: client.get("/health")),
        "401": (50, lambda: client.get("/v1/skills")),
        "ready": (100, lambda: client.get("/ready")),
        "execution record": (100, get(record)),
        "logs": (100, get(f"{record}/logs")),
        "list": (200, get("/v1/skills")),
        "inspect": (200, get("/v1/skills/bench/latest")),
        "upload of 2 KB": (500, upload(1024)),
        "upload of 140 KB": (2000, upload(140 * 1024)),
    }


def latencies(stack: Running, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    print(f"{'':20}{'p50 ms':>8}{'p99 ms':>8}{'limit':>8}   half of the limit kept")
    with httpx.Client(base_url=stack.url, timeout=30) as client:
        for name, (limit, call) in cases(client).items():
            times = found[name] = []
            for _ in range(rounds):
                started = time.perf_counter()
                reply = call()
                times.append((time.perf_counter() - started) * 1000)
                assert reply.status_code in (200, 201) or name == "401", reply.text
            p50, p99 = percentile(times, 50), percentile(times, 99)
            print(
                f"{name:20}{p50:8.1f}{p99:8.1f}{limit:8.0f}   {'yes' if p99 <= limit / 2 else 'NO'}"
            )
    return found


def upload_memory(stack: Running, uploads: int) -> dict[str, list[float]]:
    """Returns resident MiB of gateway and Registry: before, then the peak of each upload."""
    watched = {name: psutil.Process(stack.pids[name]) for name in ("gateway", "registry")}

    def resident() -> dict[str, float]:
        return {name: process.memory_info().rss / MIB for name, process in watched.items()}

    peaks = {name: [size] for name, size in resident().items()}
    with httpx.Client(base_url=stack.url, timeout=120) as client, ThreadPoolExecutor() as threads:
        for number in range(uploads):
            data = archive(49 * MIB, f"2.0.{number}")
            headers = {
                **HEADERS,
                "Content-Type": "application/zip",
                "Content-Length": str(len(data)),
            }
            posting = threads.submit(
                client.post, "/v1/skills", content=pieces(data), headers=headers
            )
            top = resident()
            while not posting.done():
                top = {name: max(top[name], size) for name, size in resident().items()}
                time.sleep(0.005)
            assert posting.result().status_code == 201, posting.result().text
            for name, size in top.items():
                peaks[name].append(size)
    print("\nResident MiB before, and at the peak of each upload of 49 MiB")
    for name, sizes in peaks.items():
        print(f"{name:10}" + "".join(f"{size:8.0f}" for size in sizes))
    return peaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--uploads", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path(".build/contract.json"))
    arguments = parser.parse_args()
    with running("bubblewrap") as stack:
        memory = upload_memory(stack, arguments.uploads)
        times = latencies(stack, arguments.rounds)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(json.dumps({"latency_ms": times, "upload_mib": memory}, indent=2))


if __name__ == "__main__":
    main()
