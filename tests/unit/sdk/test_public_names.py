"""The names that programs rely on. A change here is a change of the contract."""

import importlib
import inspect
from dataclasses import fields
from typing import Any

import pytest

from skillbox import client

EXPORTS = {
    "skillbox": """
        APIError ApiKey Client Event Execution ExecutionPage NewApiKey RunResult Skill SkillDetail
        SkillFile __version__
    """,
    "skillbox.aio": "AsyncClient",
    "skillbox.langchain": "SkillboxTool SkillboxToolkit build_skillbox_toolkit",
    "skillbox.mcp": "SkillServer Upstream",
    "skillbox.mentions": "Mention find_mentions",
}

METHODS = {
    "__init__": "base_url api_key *tenant_id *timeout *max_retries",
    "cancel": "execution_id",
    "close": "",
    "create_api_key": "name *scopes *ttl",
    "delete_skill": "name version",
    "download_files": "result dest_dir *progress",
    "download_skill": "name version",
    "follow_logs": "execution_id",
    "get_execution": "execution_id",
    "get_execution_logs": "execution_id",
    "get_skill": "name version",
    "get_skill_file": "name version path",
    "health": "",
    "list_api_keys": "",
    "list_executions": "*skill *status *page_size *page_token",
    "list_skill_files": "name version",
    "list_skills": "",
    "list_versions": "name",
    "register_skill": "zip_path",
    "revoke_api_key": "key_id",
    "rotate_api_key": "key_id *grace",
    "run": "skill *version *input *env *entrypoint *args *input_json *idempotency_key",
    "start": "skill *version *input *env *entrypoint *args *input_json *idempotency_key",
    "stream": "execution_id *after_seq",
    "upload_skill": "zip_path *progress",
    "wait": "execution_id timeout",
}

RUN_RESULT = """
    execution_id status output files_url files_list logs duration_ms error reason exit_code
    output_json
"""

FIELDS = {
    "RunResult": RUN_RESULT,
    "Execution": f"""
        {RUN_RESULT} skill_name skill_version tenant_id input created_at started_at finished_at
        sandbox input_json queue_position
    """,
    "ExecutionPage": "executions next_page_token",
    "Event": "seq type data",
    "Skill": "name version description lang",
    "SkillDetail": """
        name version description lang image instructions timeout resources mode entrypoint digest
        input_schema output_schema runtime dependencies
    """,
    "SkillFile": "path size_bytes executable",
    "ApiKey": """
        id tenant_id name scopes prefix created_at expires_at last_used_at revoked_at
    """,
    "NewApiKey": "api_key secret",
}


@pytest.mark.parametrize("module", EXPORTS)
def test_exports(module: str) -> None:
    imported = importlib.import_module(module)
    assert sorted(imported.__all__) == sorted(EXPORTS[module].split())
    for name in imported.__all__:
        assert getattr(imported, name) is not None


def test_methods() -> None:
    public = {name for name in vars(client.Client) if not name.startswith("_")}
    assert public | {"__init__"} == set(METHODS)
    for name, parameters in METHODS.items():
        assert _parameters(getattr(client.Client, name)) == parameters.split(), name


@pytest.mark.parametrize("kind", FIELDS)
def test_fields(kind: str) -> None:
    names = [item.name for item in fields(getattr(client, kind))]
    assert names == FIELDS[kind].split()


def test_errors() -> None:
    assert _parameters(client.APIError.__init__) == [
        "status_code",
        "error_code",
        "message",
        "*retry_after",
    ]


def test_everything_public_says_what_it_is() -> None:
    for name in client.__all__:
        assert inspect.getdoc(getattr(client, name)), name
    for name in METHODS:
        assert inspect.getdoc(getattr(client.Client, name)), name


def _parameters(function: Any) -> list[str]:
    """Returns the names of the parameters, a star before those that go by name only."""
    return [
        f"*{item.name}" if item.kind is item.KEYWORD_ONLY else item.name
        for item in inspect.signature(function).parameters.values()
        if item.name != "self"
    ]
