"""Requests made up from the description of the REST surface get only replies it describes."""

import json

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, HookContext
from schemathesis.specs.openapi import checks

from skillbox_gateway import surface
from tests.e2e import skills
from tests.e2e.stack import API_KEY, Client

pytestmark = pytest.mark.bubblewrap

NAME = "described"
EXAMPLES_PER_OPERATION = 30
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.ignored_auth,
]
API = schemathesis.openapi.from_dict(json.loads(surface.openapi()))
# Values that are right, and those that are not.
API.config.generation.update(modes=list(GenerationMode))


@pytest.fixture
def known(live: Client) -> dict[str, str]:
    """What there is to be found; the tests may delete it."""
    archive = skills.skill(NAME, "main.sh", "cat $SANDBOX_INPUT_FILE >$SANDBOX_OUTPUT")
    headers = {"Authorization": f"Bearer {API_KEY}"}
    with httpx.Client(base_url=live.url, headers=headers, trust_env=False) as http:
        uploaded = http.post(
            "/v1/skills", content=archive, headers={"Content-Type": "application/zip"}
        ).raise_for_status()
        run = http.post("/v1/executions", json={"skill": NAME}).raise_for_status()
    return {**uploaded.json(), "id": run.json()["execution_id"], "path": "scripts/main.sh"}


@API.parametrize()
@settings(
    max_examples=EXAMPLES_PER_OPERATION,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_no_reply_is_undescribed(case: Case, live: Client, known: dict[str, str]) -> None:
    # A skill, an id or a path that was made up is never there.
    if hash(case.path) % 2:
        pass
    case.call_and_validate(
        base_url=live.url,
        headers={"Authorization": f"Bearer {API_KEY}"},
        checks=CHECKS,
        timeout=5,
    )
