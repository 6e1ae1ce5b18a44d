"""Skillbox in a minute: starts the whole stack, runs a skill in every way, leaves nothing behind.

Run it with `make demo`.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import grpc

from skillbox.executor.v1.execution_service_pb2 import RunSkillStreamRequest, SkillRun
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub

SKILLBOX = Path(sys.executable).with_name("skillbox")
SKILL = Path(__file__).resolve().parent.parent / "skills/data-analysis"
NUMBERS = {"data": [1, 2, 3, 4, 5]}
TABLE = {
    "data": [
        {"city": "Oslo", "population": 709_037},
        {"city": "Bergen", "population": 289_330},
        {"city": "Trondheim", "population": 212_660},
    ]
}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="skillbox-demo-") as folder:
        data_dir = Path(folder, "data")
        with stack(data_dir) as (url, key):
            os.environ.update(SKILLBOX_SERVER_URL=url, SKILLBOX_API_KEY=key)
            run_skill(Path(folder, "files"))
            call_with_curl(url, key)
            call_with_stub(url, key)
            say("What has been run")
            skillbox("exec", "list")
        say("Stopped; nothing is left behind")


@contextmanager
def stack(data_dir: Path) -> Iterator[tuple[str, str]]:
    """Runs a stack on a free port; yields its URL and an API key."""
    say("Start Postgres, an S3 server, Envoy and the three services")
    try:
        skillbox("up", "--detach", "--port", "0", "--data-dir", str(data_dir))
        status = subprocess.run(
            [SKILLBOX, "status", "-o", "json", "--data-dir", data_dir],
            check=True,
            stdout=subprocess.PIPE,
        )
        yield json.loads(status.stdout)["url"], (data_dir / "api-key").read_text().strip()
    finally:
        say("Stop everything")
        skillbox("down", "--data-dir", str(data_dir))


def run_skill(files: Path) -> None:
    say("Upload a skill: a SKILL.md and a script")
    skillbox("skill", "push", str(SKILL))
    skillbox("skill", "list")
    say("Run it in a sandbox: live logs first, then the result")
    skillbox("run", "data-analysis", "--follow", "--input", json.dumps(NUMBERS))
    say("Run it with a table, and fetch the files that it writes")
    skillbox(
        *("run", "data-analysis", "--follow", "--input", json.dumps(TABLE)),
        *("--download", str(files)),
    )
    for file in sorted(path for path in files.rglob("*") if path.is_file()):
        print(f"--- {file.relative_to(files)}\n{file.read_text()}", flush=True)


def call_with_curl(url: str, key: str) -> None:
    say("The same with curl, over REST")
    body = json.dumps({"skill": "data-analysis", "input": NUMBERS})
    print(f"$ curl -H 'Authorization: Bearer $SKILLBOX_API_KEY' -d '{body}' {url}/v1/executions")
    sys.stdout.flush()
    subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--fail", "--noproxy", "*"),
            # From stdin: other users of this machine can read a command line.
            *("--header", "@-", "--data", body, f"{url}/v1/executions"),
        ],
        input=f"Authorization: Bearer {key}\n",
        text=True,
        check=True,
    )
    print(flush=True)


def call_with_stub(url: str, key: str) -> None:
    say("The same with a generated stub, over gRPC on the same port: every event as it happens")
    request = RunSkillStreamRequest(
        run=SkillRun(skill="data-analysis", input_json=json.dumps(NUMBERS))
    )
    with grpc.insecure_channel(urlsplit(url).netloc) as channel:
        stub = ExecutionServiceStub(channel)
        for reply in stub.RunSkillStream(request, metadata=[("authorization", f"Bearer {key}")]):
            kind = reply.event.WhichOneof("event")
            text = reply.event.log.data.decode().strip() if kind == "log" else ""
            print(f"event {reply.event.seq}: {kind} {text}")
            if reply.HasField("execution"):
                print(reply.execution.output_json, flush=True)


def skillbox(*args: str) -> None:
    """Shows a command of the command line and runs it."""
    print("$ skillbox", *(f"'{arg}'" if " " in arg else arg for arg in args), flush=True)
    # Logs come on stderr: one stream keeps them in their place.
    subprocess.run([SKILLBOX, *args], check=True, stderr=subprocess.STDOUT)


def say(text: str) -> None:
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"the demo failed: {Path(error.cmd[0]).name} ended with {error.returncode}")
