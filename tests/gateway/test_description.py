"""The gateway describes itself."""

import httpx

from skillbox_gateway import surface


async def test_the_description_needs_no_key(rest: httpx.AsyncClient) -> None:
    reply = await rest.get("/openapi.json", headers={"Authorization": ""})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    assert reply.text == surface.openapi()
    assert reply.json()["openapi"] == "3.1.0"


async def test_it_can_only_be_read(rest: httpx.AsyncClient) -> None:
    assert (await rest.post("/openapi.json")).status_code == 404
