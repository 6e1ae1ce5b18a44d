"""The generated stubs: upload, list and run skills with every event as it happens."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import grpc

from skillbox.executor.v1 import execution_pb2
from skillbox.executor.v1 import execution_service_pb2 as executions
from skillbox.executor.v1.execution_service_pb2_grpc import ExecutionServiceStub
from skillbox.registry.v1 import skill_service_pb2 as skills
from skillbox.registry.v1.skill_service_pb2_grpc import SkillServiceStub

SERVER = os.environ.get("SKILLBOX_SERVER_URL", "http://localhost:8080")
METADATA = (("authorization", f"Bearer {os.environ.get('SKILLBOX_API_KEY', '')}"),)
CHUNK = 256 * 1024


def main(archive: Path) -> None:
    # One channel serves all services.
    with grpc.insecure_channel(urlsplit(SERVER).netloc) as channel:
        registry = SkillServiceStub(channel)
        executor = ExecutionServiceStub(channel)

        stored = registry.UploadSkill(chunks(archive), metadata=METADATA).skill
        print("uploaded", stored.name, stored.version)
        for skill in registry.ListSkills(skills.ListSkillsRequest(), metadata=METADATA).skills:
            print("skill", skill.name, skill.version)

        execution_id = run(executor, stored.name)
        resume(executor, execution_id)
        refuse(executor)


def chunks(archive: Path) -> Iterator[skills.UploadSkillRequest]:
    with archive.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield skills.UploadSkillRequest(chunk=chunk)


def run(executor: ExecutionServiceStub, skill: str) -> str:
    """Runs a skill with an argument, and prints what happens while it happens."""
    request = executions.RunSkillStreamRequest(
        run=executions.SkillRun(skill=skill, input_json=json.dumps({}), args=["4"])
    )
    execution_id = ""
    for reply in executor.RunSkillStream(request, metadata=METADATA):
        event = reply.event
        kind = event.WhichOneof("event")
        text = event.log.data.decode().strip() if kind == "log" else ""
        print(f"{event.seq} {kind} {text}".rstrip(), flush=True)
        # The last reply has the result too.
        if reply.HasField("execution"):
            execution_id = reply.execution.id
            status = execution_pb2.ExecutionStatus.Name(reply.execution.status)
            print(status, reply.execution.output_json)
    return execution_id


def resume(executor: ExecutionServiceStub, execution_id: str) -> None:
    """Reads the events of a run from any point: so a stream that was cut goes on."""
    request = executions.WatchExecutionRequest(id=execution_id, after_seq=2)
    replies = executor.WatchExecution(request, metadata=METADATA)
    print("after 2:", [reply.event.seq for reply in replies])


def refuse(executor: ExecutionServiceStub) -> None:
    request = executions.RunSkillRequest(run=executions.SkillRun(skill="no-such-skill"))
    try:
        executor.RunSkill(request, metadata=METADATA)
    except grpc.RpcError as error:
        print("refused:", error.code().name, error.details())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: stream.py ARCHIVE.zip")
    main(Path(sys.argv[1]))
