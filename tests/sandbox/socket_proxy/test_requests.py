"""Requests to everything else that the engine can do, and to containers of others."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from aiodocker import Docker
from aiodocker.containers import DockerContainer

from skillbox_executor.sandbox import docker_body
from skillbox_executor.sandbox.interface import Language
from tests.support.socket_proxy import SocketProxy

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("nothing_created")]
ATTACH = "attach?detachKeys=&logs=0&stdin=1&stdout=1&stderr=1&stream=1"
UPGRADE = ["Connection: Upgrade", "Upgrade: tcp"]
ID = "0123456789ab" * 5 + "0123"


async def assert_refused(proxy: SocketProxy, method: str, target: str, body: bytes = b"") -> None:
    headers = UPGRADE if "attach" in target else []
    reply = await proxy.ask(method, target, body, headers)
    assert reply.status == 403, reply
    if method != "HEAD":
        assert reply.message == "the socket proxy does not allow this request"


async def test_what_the_driver_asks_of_the_engine_is_let_through(
    proxy: SocketProxy, sandbox_images: Mapping[Language, str]
) -> None:
    image = sandbox_images[Language.PYTHON]
    for target in ("/_ping", "/version", "/v1.41/version", "/v1.41/info"):
        assert (await proxy.ask("GET", target)).status == 200, target
    assert (await proxy.ask("GET", f"/v1.41/images/{image}/json")).status == 200


ENGINE = """
GET /v1.41/containers/json
GET /v1.41/containers/json?all=1
GET /v1.41/containers/json?all=1&filters={}
POST /v1.41/containers/prune
GET /v1.41/images/json
POST /v1.41/images/create?fromImage=debian
POST /v1.41/images/create?fromSrc=-&repo=skillbox/python
POST /v1.41/images/load
GET /v1.41/images/get?names=skillbox/python
GET /v1.41/images/search?term=x
POST /v1.41/images/prune
GET /v1.41/images/debian/json
GET /v1.41/images/skillbox/python/history
GET /v1.41/images/skillbox/python/get
POST /v1.41/images/skillbox/python/tag?repo=x
POST /v1.41/images/skillbox/python/push
DELETE /v1.41/images/skillbox/python
POST /v1.41/build
POST /v1.41/build/prune
POST /v1.41/build/cancel
POST /v1.41/commit?container=x
GET /v1.41/volumes
POST /v1.41/volumes/create
GET /v1.41/volumes/x
DELETE /v1.41/volumes/x
POST /v1.41/volumes/prune
GET /v1.41/networks
POST /v1.41/networks/create
POST /v1.41/networks/bridge/connect
DELETE /v1.41/networks/x
POST /v1.41/networks/prune
GET /v1.41/swarm
POST /v1.41/swarm/init
POST /v1.41/swarm/join
POST /v1.41/swarm/leave?force=1
GET /v1.41/nodes
POST /v1.41/services/create
GET /v1.41/services
GET /v1.41/tasks
POST /v1.41/secrets/create
GET /v1.41/secrets
POST /v1.41/configs/create
GET /v1.41/plugins
POST /v1.41/plugins/pull?remote=x
POST /v1.41/plugins/create?name=x
POST /v1.41/plugins/x/enable
POST /v1.41/exec/x/start
POST /v1.41/exec/x/resize
GET /v1.41/exec/x/json
GET /v1.41/events
GET /v1.41/system/df
POST /v1.41/auth
POST /v1.41/session
POST /v1.41/grpc
POST /grpc
GET /v1.41/distribution/debian/json
GET /debug/pprof/
GET /debug/vars
GET /metrics
GET /
POST /v1.41/_ping
HEAD /_ping
OPTIONS /_ping
PUT /v1.41/info
PATCH /v1.41/info
DELETE /v1.41/info
"""


@pytest.mark.parametrize("line", ENGINE.strip().splitlines())
async def test_the_rest_of_the_engine_is_out_of_reach(proxy: SocketProxy, line: str) -> None:
    method, target = line.split()
    await assert_refused(proxy, method, target, b"{}" if method == "POST" else b"")


CONTAINER = """
GET json?size=1
GET logs?stdout=1
GET logs?follow=1&stdout=1&stderr=1
GET changes
GET top
GET stats
GET stats?stream=0
GET export
GET archive?path=/
HEAD archive?path=/
PUT archive?path=/
POST copy
GET checkpoints
POST checkpoints
POST exec
POST update
POST rename?name=x
POST stop
POST restart
POST pause
POST unpause
POST resize?h=1&w=1
POST start?checkpoint=x
POST start?detachKeys=x
POST kill?signal=STOP
POST wait?condition=next-exit
POST attach
POST attach?stream=1&stdin=1
GET attach/ws?stream=1&stdin=1
DELETE -
DELETE -?force=1
DELETE -?force=1&v=1&link=1
DELETE -?link=1&force=1&v=1
GET -
POST -
POST json
GET start
PUT start
post start
Post start
POST START
POST start/
POST start/x
POST start;x
POST start?
POST start%20
POST start%00
POST start\\
POST %73tart
POST ./start
POST ../start
POST /start
POST x/../start
POST x/%2e%2e/start
POST x%2f..%2fstart
POST ;x/start
"""


@pytest.mark.parametrize("line", CONTAINER.strip().splitlines())
async def test_an_own_container_can_do_no_more_than_a_box_needs(
    proxy: SocketProxy, name: str, line: str
) -> None:
    method, action = line.split(maxsplit=1)
    path = f"/v1.41/containers/{name}"
    target = path + action[1:] if action.startswith("-") else f"{path}/{action}"
    await assert_refused(proxy, method, target, b"{}" if method in ("POST", "PUT") else b"")


SPELLINGS = """
/containers/NAME/json
/v1.12/containers/NAME/json
/v1.24/containers/NAME/json
/v1.40/containers/NAME/json
/v1.60/containers/NAME/json
/v1.410/containers/NAME/json
/v1.041/containers/NAME/json
/v1x41/containers/NAME/json
/v2.41/containers/NAME/json
/v11.41/containers/NAME/json
/V1.41/containers/NAME/json
/v1.41/Containers/NAME/json
/v1.41//containers/NAME/json
//v1.41/containers/NAME/json
/./v1.41/containers/NAME/json
/x/../v1.41/containers/NAME/json
/v1.41/containers//NAME/json
/v1.41/containers/./NAME/json
/v1.41/containers/%2e/NAME/json
/v1.41/containers/x/../NAME/json
/v1.41/%63ontainers/NAME/json
/v1.41/containers%2fNAME/json
/v1.41/containers/NAME%2fjson
/v1.41/containers/%73killbox/json
/v1.41/containers/NAME%00/json
/v1.41/containers/NAMEx/json
/v1.41/containers/xNAME/json
/v1.41/containers/NAME0/json
/v1.41/containers/NAME;/json
/v1.41;x=1/containers/NAME/json
\\v1.41\\containers\\NAME\\json
http://docker/v1.41/containers/NAME/json
http://docker/../v1.41/containers/NAME/json
unix://docker/v1.41/containers/NAME/json
docker:2375
/v1.41/containers/NAME/json#x
*
"""


@pytest.mark.parametrize("spelling", SPELLINGS.split())
async def test_a_path_has_one_spelling(proxy: SocketProxy, name: str, spelling: str) -> None:
    target = spelling.replace("NAME", name)
    reply = await proxy.ask("GET", target)
    assert reply.status in (400, 403), reply
    assert b"docker" not in reply.headers.lower()


async def test_the_name_is_told_from_one_in_upper_case(proxy: SocketProxy, name: str) -> None:
    assert (await proxy.ask("GET", f"/v1.41/containers/{name}/json")).status == 404
    await assert_refused(proxy, "GET", f"/v1.41/containers/{name.upper()}/json")


CREATE = """
/v1.41/containers/create
/v1.41/containers/create?
/v1.41/containers/create?name=
/v1.41/containers/create?name=skillbox-proxy-test
/v1.41/containers/create?name=NAMEx
/v1.41/containers/create?name=NAME&platform=linux/arm64
/v1.41/containers/create?platform=linux/arm64&name=NAME
/v1.41/containers/create?name=NAME&name=skillbox-proxy-test
/v1.41/containers/create?name=skillbox-proxy-test&name=NAME
/v1.41/containers/create?name=NAME;name=skillbox-proxy-test
/v1.41/containers/create?name=NAME%26platform=x
/v1.41/containers/create?name=%2FNAME
/v1.41/containers/create?name=/NAME
/v1.41/containers/create?Name=NAME
/v1.41/containers/create?x=1&name=NAME
/v1.41/containers/create/?name=NAME
/v1.41/containers/%63reate?name=NAME
/v1.41/containers/./create?name=NAME
/v1.41//containers/create?name=NAME
/v1.40/containers/create?name=NAME
/v1.24/containers/create?name=NAME
/containers/create?name=NAME
http://docker/v1.41/containers/create?name=NAME
"""


@pytest.mark.parametrize("spelling", CREATE.split())
async def test_a_container_gets_a_name_of_its_owners_and_nothing_more(
    proxy: SocketProxy, text: bytes, name: str, spelling: str
) -> None:
    await assert_refused(proxy, "POST", spelling.replace("NAME", name), text)


async def test_a_start_brings_no_settings(proxy: SocketProxy, name: str) -> None:
    """The engine took some before version 1.24 of its API."""
    body = b'{"Privileged": true}'
    for action in ("start", "kill", "wait", ATTACH):
        await assert_refused(proxy, "POST", f"/v1.41/containers/{name}/{action}", body)
    await assert_refused(proxy, "DELETE", f"/v1.41/containers/{name}?force=1&v=1", body)
    await assert_refused(proxy, "GET", "/_ping", body)


@pytest.fixture
async def foreign(
    docker: Docker, sandbox_images: Mapping[Language, str]
) -> AsyncIterator[DockerContainer]:
    """A container of somebody else on the same engine."""
    config: dict[str, Any] = {
        "Image": sandbox_images[Language.BASH],
        "Cmd": ["sleep", "600"],
        "HostConfig": {"NetworkMode": "none"},
    }
    other = docker_body.new_name("another executor")
    container = await docker.containers.create(config, name=other)
    try:
        yield container
    finally:
        await container.delete(force=True)


ACTIONS = """
GET json
POST start
POST wait
POST wait?condition=removed
POST kill
DELETE -?force=1&v=1
"""


@pytest.mark.parametrize("line", [*ACTIONS.strip().splitlines(), f"POST {ATTACH}"])
async def test_a_container_of_others_is_out_of_reach(
    proxy: SocketProxy, foreign: DockerContainer, line: str
) -> None:
    method, action = line.split()
    before = await foreign.show()
    for known_as in (foreign.id, foreign.id[:12], before["Name"].removeprefix("/")):
        path = f"/v1.41/containers/{known_as}"
        target = path + action[1:] if action.startswith("-") else f"{path}/{action}"
        await assert_refused(proxy, method, target)
    assert await foreign.show() == before


async def test_an_own_container_has_no_second_name(
    proxy: SocketProxy, docker: Docker, text: bytes, name: str
) -> None:
    """Not even by its id, which the proxy could not tell from another's."""
    made = json.loads((await proxy.ask("POST", CREATE_TARGET + name, text)).body)
    try:
        await assert_refused(proxy, "GET", f"/v1.41/containers/{made['Id']}/json")
        assert (await proxy.ask("GET", f"/v1.41/containers/{name}/json")).status == 200
    finally:
        await docker.containers.container(name).delete(force=True)


CREATE_TARGET = "/v1.41/containers/create?name="


async def test_only_own_containers_are_listed(
    proxy: SocketProxy, foreign: DockerContainer, owner: str
) -> None:
    assert (await foreign.show())["Id"] == foreign.id
    own = list_target(owner)
    reply = await proxy.ask("GET", own)
    assert (reply.status, json.loads(reply.body)) == (200, [])
    for target in (
        list_target("another executor"),
        own.replace("all=1&", ""),
        own + "&filters={}",
        own.replace("all=1&", "all=1&filters={}&"),
        own.replace("all=1&", "all=1%26"),
        own.replace("%22label%22", "%22Label%22"),
        own.replace("filters=", "filters=x&filters="),
        own.replace("filters=", "Filters="),
        own + "&size=1",
        own.replace("&filters", ";filters"),
    ):
        assert target != own
        await assert_refused(proxy, "GET", target)


def list_target(owner: str) -> str:
    filters = json.dumps(docker_body.owner_filter(owner))
    query = quote(filters, safe=" ,:").replace(" ", "+")
    return f"/v1.41/containers/json?all=1&filters={query}"


async def test_refusals_are_logged_and_nothing_else(proxy: SocketProxy, name: str) -> None:
    def refusals() -> int:
        return proxy.log.read_text().count(" 403 ")

    before = refusals()
    await proxy.ask("GET", "/_ping")
    assert refusals() == before
    assert f"/{name}/logs" not in proxy.log.read_text()
    await proxy.ask("GET", f"/v1.41/containers/{name}/logs")
    assert refusals() == before + 1
    assert f"/{name}/logs" in proxy.log.read_text()
