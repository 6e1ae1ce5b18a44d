"""The description of the REST surface is complete, consistent and true to the tables."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
from google.api import annotations_pb2

from skillbox_common.error_catalogue import CATALOGUE
from skillbox_executor.domain import Reason, Status
from skillbox_gateway import surface

DESCRIPTION: dict[str, Any] = json.loads(surface.openapi())
COMPONENTS: dict[str, Any] = DESCRIPTION["components"]
OPERATIONS: dict[tuple[str, str], dict[str, Any]] = {
    (method.upper(), path): operation
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
}
PUBLIC = {("GET", "/health"), ("GET", "/ready"), ("GET", "/openapi.json")}
OF_THE_GATEWAY = {("GET", "/health"), ("GET", "/openapi.json")}


def bindings() -> Iterator[tuple[str, str]]:
    """Yields method and path of every binding that the gateway lets through."""
    for service in surface.all_services():
        if service.name not in surface.public_services():
            continue
        for method in service.descriptor.method:
            rule = method.options.Extensions[annotations_pb2.http]
            if (verb := rule.WhichOneof("pattern")) and verb != "custom":
                yield verb.upper(), re.sub(r"=[^}]*", "", getattr(rule, verb))


def resolve(value: dict[str, Any]) -> dict[str, Any]:
    """Returns what a reference stands for."""
    while reference := value.get("$ref"):
        value = DESCRIPTION
        for part in reference.removeprefix("#/").split("/"):
            value = value[part]
    return value


def test_it_is_openapi() -> None:
    schemathesis.openapi.from_dict(DESCRIPTION).validate()


def test_it_has_every_binding_and_no_other() -> None:
    assert OPERATIONS.keys() == {*bindings(), *OF_THE_GATEWAY}


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(r'"\$ref":"([^"]*)"', surface.openapi()))
    assert all(resolve({"$ref": reference}) for reference in references)
    # And nothing lies about that nobody refers to.
    for kind, components in COMPONENTS.items():
        if kind != "securitySchemes":
            assert {f"#/components/{kind}/{name}" for name in components} <= references


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_operation_is_described(method: str, path: str) -> None:
    operation = OPERATIONS[method, path]
    assert operation["summary"]
    assert operation["operationId"]
    assert not operation["operationId"].endswith("Rest")
    assert set(operation["tags"]) <= {tag["name"] for tag in DESCRIPTION["tags"]}
    public = (method, path) in PUBLIC
    assert operation.get("security", DESCRIPTION["security"]) == (
        [] if public else [{"apiKey": []}]
    )
    replies = {status: resolve(reply) for status, reply in operation["responses"].items()}
    # What the gateway or a service may answer to anything.
    expected = {"429", "431"} if public else {"400", "401", "403", "429", "431", "500", "503"}
    assert expected <= replies.keys()
    # A run is answered with its result, or with its place in the queue.
    assert sum(status < "300" for status in replies) == (
        2 if operation["operationId"] == "RunSkill" else 1
    )
    for status, reply in replies.items():
        assert reply["description"]
        assert "X-Request-ID" in reply["headers"]
        if status >= "400" and path != "/ready":
            schema = reply["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Error"}
    assert ("404" in replies) == ("{" in path or operation["operationId"] == "RunSkill")


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)


def test_the_tables_of_the_services() -> None:
    schemas = COMPONENTS["schemas"]
    errors = schemas["Error"]["properties"]["error"]["enum"]
    assert sorted(errors) == sorted({wire.rest_code for wire in CATALOGUE.values()})
    described = {
        int(status) for operation in OPERATIONS.values() for status in operation["responses"]
    }
    assert {wire.http_status for wire in CATALOGUE.values()} <= described
    for name in ("RunResult", "ExecutionSummary", "ExecutionRecord"):
        assert schemas[name]["properties"]["reason"]["enum"] == [reason.value for reason in Reason]
    statuses = [status.value for status in Status]
    assert schemas["ExecutionRecord"]["properties"]["status"]["enum"] == statuses
    assert schemas["ExecutionSummary"]["properties"]["status"]["enum"] == statuses
    final = [status.value for status in Status if status.final]
    assert schemas["RunResult"]["properties"]["status"]["enum"] == final


def examples() -> Iterator[tuple[str, Any, Any]]:
    """Yields where an example stands, the example and its schema."""
    holders = {
        **{f"requestBodies/{name}": body for name, body in COMPONENTS["requestBodies"].items()},
        **{f"responses/{name}": reply for name, reply in COMPONENTS["responses"].items()},
        **{
            operation["operationId"]: resolve(operation["requestBody"])
            for operation in OPERATIONS.values()
            if "requestBody" in operation
        },
    }
    for where, holder in holders.items():
        for media_type, content in holder.get("content", {}).items():
            if "example" in content and media_type == "application/json":
                yield where, content["example"], content["schema"]


@pytest.mark.parametrize(("example", "schema"), [case[1:] for case in examples()], ids=str)
def test_examples_fit_their_schema(example: Any, schema: dict[str, Any]) -> None:
    jsonschema.validate(example, {**schema, "components": COMPONENTS})
