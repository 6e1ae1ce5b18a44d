"""One proxy for all replicas of a group of Executors."""

import json
import re

import pytest

from skillbox_executor.sandbox import docker_body
from skillbox_executor.sandbox.interface import Language, Profile
from skillbox_executor.sandbox.proxy_patterns import body_pattern, request_patterns
from tests.sandbox.skills import LIMITS

PROFILE = Profile("python:3.12-slim", Language.PYTHON, LIMITS)
REPLICAS = ["group/1", "group/0a1b2c3d4e5f", "group/" + "x" * 64]
OTHERS = ["group", "group/", "group/a b", 'group/a","x":"', "group/a/b", "other/1", "group2/1"]
OTHERS += ["group/" + "x" * 65]


def creates(proxy_owner: str, owner: str) -> bool:
    pattern = body_pattern(Language.PYTHON, proxy_owner, [PROFILE.image], ["runc"], LIMITS)
    body = json.dumps(docker_body.create_body(PROFILE, owner), sort_keys=True)
    return re.match(pattern.replace(r"\z", r"\Z"), body) is not None


def asks(proxy_owner: str, request: str) -> bool:
    patterns = request_patterns(proxy_owner, [PROFILE.image])
    return any(re.match(pattern.replace(r"\z", r"\Z"), request) for pattern in patterns)


def lists(owner: str) -> str:
    from skillbox_executor.sandbox.proxy_patterns import _list_query

    return f"GET /v1.41/containers/json?{_list_query(owner)}"


@pytest.mark.parametrize("owner", REPLICAS)
def test_every_replica_is_let_through(owner: str) -> None:
    assert creates("group/*", owner)
    assert asks("group/*", lists(owner))
    name = docker_body.new_name(owner)
    assert asks("group/*", f"DELETE /v1.41/containers/{name}?force=1&v=1")
    assert name.startswith(docker_body.name_prefix("group/2"))


@pytest.mark.parametrize("owner", OTHERS)
def test_nobody_else_is(owner: str) -> None:
    assert not creates("group/*", owner)
    assert not asks("group/*", lists(owner))


@pytest.mark.parametrize("owner", ["other/1", "other", "groupx"])
def test_containers_of_another_group_are_refused(owner: str) -> None:
    assert not asks("group/*", f"POST /v1.41/containers/{docker_body.new_name(owner)}/kill")


def test_a_proxy_of_one_replica_refuses_its_siblings_bodies() -> None:
    assert creates("group/1", "group/1")
    assert not creates("group/1", "group/2")
