from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from skillbox_common.errors import InvalidArgument
from skillbox_executor.bundles import Bundle
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.domain import Reason, Refused, RunRequest
from skillbox_executor.plan import check_policy, check_request, default_profile, make_plan
from skillbox_executor.sandbox.interface import Language
from skillbox_executor.skills import Skill

SETTINGS = ExecutorSettings(
    db_dsn=SecretStr("x"),
    s3_endpoint="x",
    s3_access_key=SecretStr("x"),
    s3_secret_key=SecretStr("x"),
    image_allowlist=("python:3.12-slim", "node:20-slim"),
)
SKILL = Skill(
    tenant_id="acme",
    name="s",
    version="1.0.0",
    image="",
    runtime="",
    timeout="",
    memory="",
    cpu="",
    entrypoint="main.py",
    instructions="Do it.",
    archive_key="k",
    root="",
    input_schema="",
    output_schema="",
)
BUNDLE = Bundle(b"", frozenset({"main.py", "scripts/other.js", "run.sh", "notes.md"}))


def test_the_defaults_apply() -> None:
    plan = make_plan(RunRequest("s"), SKILL, BUNDLE, SETTINGS)
    assert plan.profile.image == "python:3.12-slim"
    assert plan.profile.language is Language.PYTHON
    assert plan.profile.limits.memory_bytes == 256 * 1024 * 1024
    assert plan.profile.limits.cpus == 0.5
    assert plan.timeout_s == 120
    assert plan.payload.argv == ["main.py"]
    assert plan.payload.env["SKILL_INSTRUCTIONS"] == "Do it."


def test_what_the_skill_asks_for_is_clamped_to_the_maximum() -> None:
    skill = replace(SKILL, timeout="1h", memory="16Gi", cpu="64")
    plan = make_plan(RunRequest("s"), skill, BUNDLE, SETTINGS)
    assert plan.timeout_s == 600
    assert plan.profile.limits.memory_bytes == 1024**3
    assert plan.profile.limits.cpus == 4


def test_another_script_brings_its_own_language() -> None:
    request = RunRequest("s", entrypoint="scripts/other.js", args=["-x", "y"])
    plan = make_plan(request, SKILL, BUNDLE, SETTINGS)
    assert plan.profile.language is Language.NODE
    assert plan.profile.image == "node:20-slim"
    assert plan.payload.argv == ["scripts/other.js", "-x", "y"]


@pytest.mark.parametrize(
    ("request_", "skill", "reason", "text"),
    [
        (RunRequest("s"), replace(SKILL, entrypoint=""), Reason.SKILL_NOT_LOADED, "no entry point"),
        (RunRequest("s", entrypoint="no.py"), SKILL, Reason.SKILL_NOT_LOADED, "not in the archive"),
        (RunRequest("s", entrypoint="notes.md"), SKILL, Reason.SKILL_NOT_LOADED, "does not end in"),
        (
            RunRequest("s", entrypoint="run.sh"),
            SKILL,
            Reason.IMAGE_NOT_ALLOWED,
            'image validation: image "bash:5" is not in the allowlist '
            "(allowed: python:3.12-slim, node:20-slim)",
        ),
    ],
)
def test_what_may_not_run_says_why(
    request_: RunRequest, skill: Skill, reason: Reason, text: str
) -> None:
    with pytest.raises(Refused) as caught:
        make_plan(request_, skill, BUNDLE, SETTINGS)
    assert caught.value.reason is reason
    assert text in str(caught.value)


def test_an_image_off_the_allowlist_is_refused_before_anything_is_fetched() -> None:
    with pytest.raises(Refused, match=r'image validation: image "evil" is not in the allowlist'):
        check_policy(RunRequest("s"), replace(SKILL, image="evil"), SETTINGS)


def test_a_blocked_name_is_refused_by_name_and_never_by_value() -> None:
    with pytest.raises(Refused) as caught:
        check_policy(RunRequest("s", env={"LD_PRELOAD": "secret"}), SKILL, SETTINGS)
    assert str(caught.value) == 'env var "LD_PRELOAD" is not allowed'


@pytest.mark.parametrize(
    "fields",
    [
        {"skill": ""},
        {"skill": "s\0"},
        {"version": "1\0"},
        {"entrypoint": "../x.py"},
        {"entrypoint": "/x.py"},
        {"entrypoint": "a/../../x.py"},
        {"entrypoint": "a//x.py"},
        {"entrypoint": "-c.py"},
        {"entrypoint": "."},
        {"entrypoint": "a\\b.py"},
        {"entrypoint": "a\0.py"},
        {"args": ["x"] * 257},
        {"args": ["\0"]},
        {"args": ["x" * 70_000]},
    ],
)
def test_requests_that_make_no_sense(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        check_request(RunRequest(**{"skill": "s", **fields}))


@pytest.mark.parametrize(
    ("script", "language"), [("main.py", Language.PYTHON), ("run.sh", Language.BASH)]
)
def test_the_default_profile_is_that_of_a_skill_without_wishes(
    script: str, language: Language
) -> None:
    settings = SETTINGS.model_copy(
        update={"max_memory": 64 * 1024 * 1024, "image_allowlist": ("python:3.12-slim", "bash:5")}
    )
    plan = make_plan(RunRequest("s", entrypoint=script), SKILL, BUNDLE, settings)
    assert default_profile(language, settings) == plan.profile
