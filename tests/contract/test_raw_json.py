"""JSON that passes through byte for byte: what a skill sees, what its caller gets back."""

import json
from dataclasses import dataclass

import pytest

from skillbox.executor.v1.execution_pb2 import Execution
from skillbox.executor.v1.execution_service_pb2 import (
    GetExecutionRequest,
    RunSkillRequest,
    SkillRun,
)
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub
from tests.contract.setting import Setting

pytestmark = pytest.mark.bubblewrap

TEXTS = {
    "order of keys": '{"z":1,"a":2,"10":3,"9":4,"":5}',
    "duplicate keys": '{"a":1,"a":2,"a":1}',
    "large integers": "[12345678901234567890,-9007199254740993,9223372036854775808]",
    "spelling of numbers": "[1.50,1.0,-0,-0.0,1e400,1E+2,0.1e-7,100000000000000000000.10]",
    "many digits": "0." + "123456789" * 40,
    "escapes": r'["\u00e9","\u00E9","é","\/","/","\u0041","\b\f\n\r\t\"\\","\u0000"]',
    "beyond the basic plane": r'["\ud83d\ude00","😀","\u2028","\ufeff"]',
    "white space in strings": '{" a b ":"\\tc  d","e":" "}',
    "nested": "[" * 200 + '{"a":{}}' + "]" * 200,
    "text": '"text"',
    "number": "5",
    "false": "false",
    "empty array": "[]",
    "empty text": '""',
    "longer than a variable": '{"long":"' + "x€" * 60_000 + '","z":1,"a":1.0}',
    "long": '["' + "y" * 3_000_000 + '"]',
}
SPACED = ' {\n  "b" : [ 1 , 2.0 ],\t"a" :\r\n "x : [ y ]" } '
COMPACT = '{"b":[1,2.0],"a":"x : [ y ]"}'
MAX_VARIABLE = 128 * 1024


@dataclass(frozen=True)
class Seen:
    """What came back over one transport, as text."""

    input: str
    output: str


async def over_rest(setting: Setting, skill: str, text: str) -> Seen:
    headers = {"Authorization": f"Bearer {setting.keys['admin']}"}
    body = f'{{"skill":"{skill}","input":{text}}}'.encode()
    reply = await setting.http.post("/v1/executions", content=body, headers=headers)
    assert reply.status_code == 200, reply.text[:500]
    result = members(reply.content)
    assert result["status"] == '"success"', reply.text[:500]
    execution_id = json.loads(result["execution_id"])
    reply = await setting.http.get(f"/v1/executions/{execution_id}", headers=headers)
    record = members(reply.content)
    assert record["output"] == result["output"]
    return Seen(record["input"], record["output"])


def members(content: bytes) -> dict[str, str]:
    """Cuts a compact JSON object into the texts of its members."""
    decode = json.JSONDecoder().raw_decode
    text, found, position = content.decode(), {}, 1
    while position < len(text):
        name, colon = decode(text, position)
        _, end = decode(text, colon + 1)
        found[name] = text[colon + 1 : end]
        position = end + 1
    return found


async def over_grpc(setting: Setting, skill: str, text: str) -> Seen:
    stub = ExecutionServiceStub(setting.channel)
    metadata = [("authorization", f"Bearer {setting.keys['admin']}")]
    request = RunSkillRequest(run=SkillRun(skill=skill, input_json=text))
    ran: Execution = (await stub.RunSkill(request, metadata=metadata)).execution
    record = await stub.GetExecution(GetExecutionRequest(id=ran.id), metadata=metadata)
    assert (record.input_json, record.output_json) == (ran.input_json, ran.output_json)
    return Seen(ran.input_json, ran.output_json)


@pytest.mark.parametrize("name", TEXTS)
async def test_everything_comes_back_as_it_was_sent(setting: Setting, name: str) -> None:
    text = TEXTS[name]
    assert await over_rest(setting, "echo", text) == Seen(text, text)
    if len(text) < 1024 * 1024:  # what a message of gRPC holds, four times over
        assert await over_grpc(setting, "echo", text) == Seen(text, text)


async def test_white_space_between_values_is_all_that_goes(setting: Setting) -> None:
    assert await over_rest(setting, "echo", SPACED) == Seen(COMPACT, COMPACT)
    assert await over_grpc(setting, "echo", SPACED) == Seen(COMPACT, COMPACT)


@pytest.mark.parametrize("name", ["order of keys", "spelling of numbers", "escapes", "nested"])
async def test_the_variable_holds_the_same(setting: Setting, name: str) -> None:
    text = TEXTS[name]
    assert await over_rest(setting, "echo-variable", text) == Seen(text, text)


@pytest.mark.parametrize(("over", "output"), [(0, None), (1, '"unset"')])
async def test_the_variable_is_unset_when_it_would_be_too_long(
    setting: Setting, over: int, output: str | None
) -> None:
    length = MAX_VARIABLE - len("SANDBOX_INPUT=\0") + over
    text = '"' + "x" * (length - 2) + '"'
    assert await over_rest(setting, "echo-variable", text) == Seen(text, output or text)
