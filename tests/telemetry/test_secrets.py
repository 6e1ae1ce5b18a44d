"""What callers and skills say stays between them: no trace, metric, log or error repeats it."""

import io
import json
import secrets
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc.aio
import httpx
import pytest

from skillbox.executor.v1.execution_service_pb2 import RunSkillRequest, SkillRun
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub
from tests.e2e.stack import API_KEY
from tests.support.packages import wheel
from tests.telemetry.conftest import Observed

# Each begins alike, so that one search finds them all, and ends differently, to tell which.
MARK = f"canary{secrets.token_hex(4)}"
INPUT, ENV, OUTPUT, PRINTED, ARGUMENT, INSTRUCTIONS, KEY, BODY, FILE, PACKAGE = (
    f"{MARK}-{place}"
    for place in (
        *("input", "env", "output", "printed", "argument"),
        *("instructions", "key", "body", "file", "package"),
    )
)
SKILL = "telemetry-secrets"
HEAD = f"""---
name: {SKILL}
version: 1.0.0
description: Repeats what it is told.
input_schema:
  type: object
  properties: {{say: {{type: string}}, how: {{enum: [well, crash, wrong, garbage, loud, slow]}}}}
output_schema:
  type: object
  properties: {{said: {{type: string}}}}
  required: [said]
timeout: 2s
---
{INSTRUCTIONS}
"""
CODE = f"""
import json, os, pathlib, sys, time
asked = json.loads(os.environ["SANDBOX_INPUT"])
print("{PRINTED}", os.environ.get("WORD"), sys.argv)
print("{PRINTED}", file=sys.stderr)
out = pathlib.Path(os.environ["SANDBOX_OUTPUT"])
pathlib.Path(os.environ["SANDBOX_FILES_DIR"], "note.txt").write_text("{FILE}")
match asked.get("how"):
    case "crash":
        raise ValueError("{PRINTED}" + asked["say"])
    case "wrong":
        out.write_text(json.dumps({{"said": ["{OUTPUT}"]}}))
    case "garbage":
        out.write_text('{{"said": {OUTPUT}')
    case "slow":
        time.sleep(30)
    case _:
        out.write_text(json.dumps({{"said": "{OUTPUT}"}}))
"""


@dataclass(frozen=True)
class Answer:
    """What a caller is told, and the part of it that is an error."""

    text: str
    error: str


@pytest.fixture(scope="module")
async def skill(observed: Observed) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("SKILL.md", HEAD)
        archive.writestr("scripts/main.py", CODE)
    await observed.client.push(buffer.getvalue())


def asks(**body: Any) -> bytes:
    return json.dumps({"skill": SKILL, "env": {"WORD": ENV}, **body}).encode()


def how(word: str) -> bytes:
    return asks(input={"say": INPUT, "how": word}, args=[ARGUMENT])


def posts(content: bytes, key: str = API_KEY, **headers: str) -> "Case":
    async def post(observed: Observed) -> Answer:
        async with httpx.AsyncClient(base_url=observed.client.url, trust_env=False) as http:
            reply = await http.post(
                "/v1/executions",
                content=content,
                headers={"Authorization": f"Bearer {key}", **headers},
            )
        body = reply.json()
        return Answer(reply.text, f"{body['error']} {body.get('message', '')}")

    return post


def calls(key: str = API_KEY, **fields: Any) -> "Case":
    async def call(observed: Observed) -> Answer:
        run = SkillRun(skill=SKILL, env={"WORD": ENV}, args=[ARGUMENT], **fields)
        async with observed.client.channel() as channel:
            try:
                reply = await ExecutionServiceStub(channel).RunSkill(
                    RunSkillRequest(run=run), metadata=[("authorization", f"Bearer {key}")]
                )
            except grpc.aio.AioRpcError as error:
                return Answer(str(error), str(error))
        return Answer(str(reply), reply.execution.error)

    return call


async def uploads(observed: Observed) -> Answer:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("SKILL.md", f"---\nname: [\n{BODY}")
        archive.writestr(f"{FILE}.py", BODY)
    async with observed.client.http() as http:
        for content in (buffer.getvalue(), BODY.encode()):
            reply = await http.post(
                "/v1/skills", content=content, headers={"Content-Type": "application/zip"}
            )
            assert reply.status_code == 400
    return Answer("", "")


async def asks_for_packages(observed: Observed) -> Answer:
    """Uploads a skill whose packages cannot be installed, and runs it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("SKILL.md", HEAD.replace(SKILL, f"{SKILL}-packages"))
        archive.writestr("scripts/main.py", CODE)
        archive.writestr("requirements.txt", f"{PACKAGE}==1.0\n")
        name, content = wheel("greeting", files={"greeting.py": PACKAGE.encode()})
        archive.writestr(f"wheels/{name}", content)
    await observed.client.push(buffer.getvalue())
    result = await observed.client.run(f"{SKILL}-packages", input={"say": INPUT})
    assert f"No matching distribution found for {PACKAGE}==1.0" in result["error"]
    return Answer(json.dumps(result), result["error"])


Case = Callable[[Observed], Awaitable[Answer]]

# What is done, and a part of the answer, which shows that it was done.
CASES: dict[str, tuple[Case, str]] = {
    "it works": (posts(how("well")), '"status":"success"'),
    "it works over gRPC": (calls(input_json=json.dumps({"say": INPUT})), ""),
    "it crashes": (posts(how("crash")), "container exited with code 1"),
    "it takes too long": (posts(how("slow")), "timed out"),
    "its output breaks the schema": (posts(how("wrong")), "output schema"),
    "its output is no JSON": (posts(how("garbage")), "output.json is not valid JSON"),
    "the input breaks the schema": (posts(asks(input={"say": {INPUT: INPUT}})), "input schema"),
    "the input breaks it over gRPC": (calls(input_json=f'["{INPUT}"]'), "input schema"),
    "the body is no JSON": (posts(f'{{"skill": "{BODY}'.encode()), "invalid JSON body"),
    "the body is no UTF-8": (posts(BODY.encode() + b"\xff"), "bad_request"),
    "the input is no JSON": (calls(input_json=INPUT), "INVALID_ARGUMENT"),
    "the variable is refused": (
        posts(asks(env={"LD_PRELOAD": ENV, "WORD": ENV})),
        'env var \\"LD_PRELOAD\\" is not allowed',
    ),
    "a value holds NUL": (posts(asks(env={"WORD": f"{ENV}\0"})), ""),
    "the input holds NUL": (posts(asks(input={"say": f"{INPUT}\0"})), ""),
    "an argument holds NUL": (posts(asks(args=[f"{ARGUMENT}\0"])), ""),
    "the input is half a character": (
        posts(
            b'{"skill":"' + SKILL.encode() + b'","input":{"say":"\\ud800' + INPUT.encode() + b'"}}'
        ),
        "",
    ),
    "the key is unknown": (posts(how("well"), key=KEY), "unauthorized"),
    "the key is unknown over gRPC": (calls(key=KEY), "UNAUTHENTICATED"),
    "the trace is none": (posts(how("well"), traceparent=BODY, baggage=f"a={BODY}"), "success"),
    "the archive is refused": (uploads, ""),
    "the packages cannot be installed": (asks_for_packages, "DEPENDENCY_FAILED"),
}


@pytest.mark.usefixtures("skill")
async def test_nothing_repeats_what_is_not_its_business(observed: Observed) -> None:
    for name, (case, expected) in CASES.items():
        answer = await case(observed)
        assert expected in answer.text, f"{name}: {answer}"
        for secret in (ENV, OUTPUT, PRINTED, INSTRUCTIONS, KEY, API_KEY):
            assert secret not in answer.error, f"{name}: {answer}"

    collector = observed.collector
    # The runs are traced, and what uploads do.
    collector.until(lambda: [span.name for span in collector.spans].count("execution") >= 8)
    steps = {"archive.validate", "archive.store", "dependencies.build"}
    collector.until(lambda: steps <= {span.name for span in collector.spans})
    # All that is on its way arrives.
    before = len(collector.received)
    collector.until(lambda: len(collector.received) >= before + 6)

    assert SKILL in collector.text(), "texts would be seen"
    found = places(collector.text(), "traces and metrics")
    for port in range(observed.metrics_port, observed.metrics_port + 3):
        async with httpx.AsyncClient(trust_env=False) as http:
            found += places((await http.get(f"http://127.0.0.1:{port}/metrics")).text, f":{port}")
    logs = sorted((observed.client.stack.data_dir / "logs").glob("*.log"))
    assert {"auth.log", "executor.log", "registry.log"} <= {log.name for log in logs}
    for log in logs:
        found += places(log.read_text(errors="replace"), log.name)
    assert not found, "\n".join(found)


def places(text: str, where: str) -> list[str]:
    """Returns the lines that hold a canary or the key."""
    return [
        f"{where}: {line[:600]}" for line in text.splitlines() if MARK in line or API_KEY in line
    ]
