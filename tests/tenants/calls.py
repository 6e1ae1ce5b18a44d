"""Every public method, and how one tenant would use it to look for what is another's.

`$name` stands for something of the other tenant's, or in its place for something that nobody
has: see `World`. The reply to a call
without one is searched for what is the other tenant's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Rest:
    """A request over REST."""

    verb: str
    path: str
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    archive: str = ""


@dataclass(frozen=True)
class Grpc:
    """A request over gRPC, as JSON."""

    request: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    archive: str = ""


Call = Rest | Grpc

_SKILL = {"name": "$skill", "version": "$version"}
_VERSION_PATH = "/v1/skills/$skill/$version"
_RUNS = [
    Grpc({"run": {"skill": "$skill"}}),
    Grpc({"run": {"skill": "$skill", "version": "latest"}}),
    Grpc({"run": {"skill": "$skill", "version": "$version"}}),
    Grpc({"run": {"skill": "$skill"}}, {"idempotency-key": "$idempotency_key"}),
]
_AUTH = "skillbox.auth.v1"
_EXECUTOR = "skillbox.executor.v1"
_REGISTRY = "skillbox.registry.v1"

CALLS: Mapping[str, Sequence[Call]] = {
    f"{_AUTH}.ApiKeyService/CreateApiKey": [
        Grpc({"name": "mine"}),
        Rest("POST", "/v1/api-keys", {"name": "mine"}),
    ],
    f"{_AUTH}.ApiKeyService/ListApiKeys": [
        Grpc(),
        Grpc({"page_token": "$key_token"}),
        Rest("GET", "/v1/api-keys"),
        Rest("GET", "/v1/api-keys?page_token=$key_token"),
    ],
    f"{_AUTH}.ApiKeyService/RevokeApiKey": [
        Grpc({"id": "$key"}),
        Rest("DELETE", "/v1/api-keys/$key"),
    ],
    f"{_AUTH}.ApiKeyService/RotateApiKey": [
        Grpc({"id": "$key"}),
        Rest("POST", "/v1/api-keys/$key:rotate", {}),
    ],
    f"{_AUTH}.FallbackRestService/UnknownPathRest": [
        Grpc(),
        Rest("GET", "/v1/tenants/$tenant"),
        Rest("GET", "/v1/executions/$execution/files"),
        Rest("PUT", _VERSION_PATH),
    ],
    f"{_EXECUTOR}.ExecutionService/RunSkill": _RUNS,
    f"{_EXECUTOR}.ExecutionService/RunSkillStream": _RUNS,
    f"{_EXECUTOR}.ExecutionService/StartExecution": _RUNS,
    f"{_EXECUTOR}.ExecutionService/GetExecution": [
        Grpc({"id": "$execution"}),
        Grpc({"id": "$running"}),
        Grpc({"id": "$running", "wait": "0.1s"}),
    ],
    f"{_EXECUTOR}.ExecutionService/ListExecutions": [
        Grpc(),
        Grpc({"skill": "$skill"}),
        Grpc({"page_token": "$execution_token"}),
    ],
    f"{_EXECUTOR}.ExecutionService/CancelExecution": [
        Grpc({"id": "$execution"}),
        Grpc({"id": "$running"}),
    ],
    f"{_EXECUTOR}.ExecutionService/WatchExecution": [
        Grpc({"id": "$execution"}),
        Grpc({"id": "$running", "after_seq": 3}),
        Grpc({"id": "$execution", "after_seq": 10**9}),
    ],
    f"{_EXECUTOR}.ExecutionService/GetExecutionLogs": [
        Grpc({"id": "$execution"}),
        Grpc({"id": "$running", "follow": True}),
    ],
    f"{_EXECUTOR}.ExecutionRestService/RunSkillRest": [
        Rest("POST", "/v1/executions", {"skill": "$skill"}),
        Rest("POST", "/v1/executions", {"skill": "$skill", "version": "$version"}),
        Rest(
            "POST",
            "/v1/executions",
            {"skill": "$skill"},
            {"Idempotency-Key": "$idempotency_key"},
        ),
        Rest("POST", "/v1/executions", {"skill": "$skill"}, {"Prefer": "respond-async"}),
        Grpc({"data": "e30="}),
    ],
    f"{_EXECUTOR}.ExecutionRestService/GetExecutionRest": [
        Rest("GET", "/v1/executions/$execution"),
        Rest("GET", "/v1/executions/$running"),
        Rest("GET", "/v1/executions/$running?wait=1s"),
        Grpc({"id": "$execution"}),
    ],
    f"{_EXECUTOR}.ExecutionRestService/ListExecutionsRest": [
        Rest("GET", "/v1/executions"),
        Rest("GET", "/v1/executions?skill=$skill"),
        Rest("GET", "/v1/executions?page_token=$execution_token"),
        Grpc({"skill": "$skill"}),
    ],
    f"{_EXECUTOR}.ExecutionRestService/CancelExecutionRest": [
        Rest("POST", "/v1/executions/$execution:cancel"),
        Rest("POST", "/v1/executions/$running:cancel"),
        Grpc({"id": "$running"}),
    ],
    f"{_EXECUTOR}.ExecutionRestService/GetExecutionLogsRest": [
        Rest("GET", "/v1/executions/$execution/logs"),
        Rest("GET", "/v1/executions/$running/logs?follow=true"),
        Grpc({"id": "$execution"}),
    ],
    f"{_EXECUTOR}.ExecutionRestService/WatchExecutionRest": [
        Rest("GET", "/v1/executions/$execution/events"),
        Rest("GET", "/v1/executions/$running/events", headers={"Last-Event-ID": "2"}),
        Rest("GET", "/v1/executions/$execution/events?after_seq=2"),
        Grpc({"id": "$execution"}, {"last-event-id": "2"}),
    ],
    f"{_EXECUTOR}.ReadinessService/GetReadiness": [Grpc(), Rest("GET", "/ready")],
    f"{_REGISTRY}.SkillRestService/UploadSkillRest": [
        Rest("POST", "/v1/skills", archive="$archive_rest"),
        Rest(
            "POST",
            "/v1/skills",
            headers={"Idempotency-Key": "$idempotency_key"},
            archive="$archive_rest",
        ),
        Grpc({"data": "UEs=", "content_type": "application/zip"}),
    ],
    f"{_REGISTRY}.SkillRestService/ListSkillsRest": [Rest("GET", "/v1/skills"), Grpc()],
    f"{_REGISTRY}.SkillRestService/GetSkillFileRest": [
        Rest("GET", f"{_VERSION_PATH}/files/SKILL.md"),
        Rest("GET", "/v1/skills/$skill/latest/files/no/such.txt"),
        Grpc({**_SKILL, "path": "SKILL.md"}),
    ],
    f"{_REGISTRY}.SkillRestService/DownloadSkillRest": [
        Rest("GET", f"{_VERSION_PATH}/archive"),
        Rest("GET", "/v1/skills/$skill/latest/archive"),
        Grpc(_SKILL),
    ],
    f"{_REGISTRY}.SkillService/UploadSkill": [Grpc(archive="$archive_grpc")],
    f"{_REGISTRY}.SkillService/ListSkills": [
        Grpc(),
        Grpc({"name": "$skill"}),
        Grpc({"page_token": "$skill_token"}),
    ],
    f"{_REGISTRY}.SkillService/ListSkillVersions": [
        Grpc({"name": "$skill"}),
        Grpc({"name": "$skill", "page_token": "$version_token"}),
        Rest("GET", "/v1/skills/$skill"),
        Rest("GET", "/v1/skills/$skill?page_token=$version_token"),
    ],
    f"{_REGISTRY}.SkillService/GetSkill": [
        Grpc(_SKILL),
        Grpc({"name": "$skill"}),
        Rest("GET", _VERSION_PATH),
        Rest("GET", "/v1/skills/$skill/latest"),
    ],
    f"{_REGISTRY}.SkillService/DeleteSkill": [
        Grpc(_SKILL),
        Grpc({"name": "$skill", "version": "latest"}),
        Rest("DELETE", _VERSION_PATH),
    ],
    f"{_REGISTRY}.SkillService/ListSkillFiles": [
        Grpc(_SKILL),
        Rest("GET", f"{_VERSION_PATH}/files"),
    ],
    f"{_REGISTRY}.SkillService/GetSkillFile": [
        Grpc({**_SKILL, "path": "SKILL.md"}),
        Grpc({"name": "$skill", "path": "no/such.txt"}),
    ],
    f"{_REGISTRY}.SkillService/DownloadSkill": [Grpc(_SKILL), Grpc({"name": "$skill"})],
}
