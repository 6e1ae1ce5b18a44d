"""The Python SDK: push, run one, many, or later, read events, fetch files, handle errors."""

import asyncio
import os
import sys
import tempfile
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from skillbox import APIError, Client, Event
from skillbox.aio import AsyncClient

SERVER = os.environ.get("SKILLBOX_SERVER_URL", "http://localhost:8080")
ORDER = f"order-{uuid.uuid4()}"
SKILLS = Path(__file__).resolve().parent.parent / "skills"


def main() -> None:
    # The key comes from SKILLBOX_API_KEY.
    with Client(SERVER) as client, tempfile.TemporaryDirectory() as folder:
        for name in ("data-analysis", "exit-code"):
            client.register_skill(pack(SKILLS / name, Path(folder)))
        run_one(client, Path(folder, "files"))
        run_many(client)
        run_later(client)
        handle_errors(client)
    asyncio.run(run_live())


def pack(skill: Path, folder: Path) -> Path:
    """Makes the archive of a skill; `skillbox skill push` does this and the upload in one."""
    archive = folder / f"{skill.name}.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in sorted(path for path in skill.rglob("*") if path.is_file()):
            out.write(file, file.relative_to(skill))
    return archive


def run_one(client: Client, folder: Path) -> None:
    result = client.run("data-analysis", input={"data": [1, 2, 3, 4, 5]})
    print(result.status, "mean:", result.output["mean"])
    client.download_files(result, folder)
    print("files:", sorted(path.name for path in folder.iterdir()))
    for event in client.stream(result.execution_id):
        print(f"event {event.seq}: {event.type}")


def run_many(client: Client) -> None:
    # Threads may share a client; its connections are reused.
    inputs = [{"data": list(range(1, n + 1))} for n in (1, 2, 3, 4)]
    with ThreadPoolExecutor(4) as threads:
        results = threads.map(lambda data: client.run("data-analysis", input=data), inputs)
    print("sums:", [result.output["sum"] for result in results])


def run_later(client: Client) -> None:
    # Returns at once; with a key of your own the same order is never run twice.
    started = client.start("data-analysis", input={"data": [7, 9]}, idempotency_key=ORDER)
    ended = client.wait(started.execution_id, timeout=60)
    print("later:", ended.status, "mean:", ended.output["mean"])


def handle_errors(client: Client) -> None:
    # A skill that fails is a result …
    result = client.run("exit-code", input={"code": 3})
    print(result.status, result.exit_code, result.error)
    # … and a call that is refused is an error.
    try:
        client.run("no-such-skill")
    except APIError as error:
        print("refused:", error)


async def run_live() -> None:
    """The same over gRPC, with each log line as it is printed."""

    async def show(event: Event) -> None:
        if event.type == "log":
            print("live:", event.data["data"].strip())

    async with AsyncClient(SERVER) as client:
        result = await client.run("data-analysis", input={"data": [2, 4]}, on_event=show)
        print(result.status, "mean:", result.output["mean"])


if __name__ == "__main__":
    try:
        main()
    except APIError as error:
        sys.exit(f"error: {error}")
