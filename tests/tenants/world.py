"""Tenants on one stack: `theirs`, of whom nothing may show, a curious and a quiet one."""

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
import httpx
from pydantic import SecretStr

from skillbox_auth.api_key import digest, issue
from skillbox_auth.config import Settings
from skillbox_auth.main import SCHEMA
from skillbox_auth.store.postgres import PostgresApiKeyStore
from skillbox_common import db
from skillbox_common.pagination import encode_token
from skillbox_registry.semver_order import sort_key
from tests.e2e import skills
from tests.e2e.stack import Client
from tests.e2e.waiting import until

VERSION = "1.2.3"
_WRITER = """
import os, pathlib
print("their log")
pathlib.Path(os.environ["SANDBOX_FILES_DIR"], "note.txt").write_text("theirs")
"""


@dataclass(frozen=True)
class World:
    """What a test needs of the stack.

    Attributes:
        mine: Secret of the curious tenant's key.
        quiet: Secret of the key of a tenant that has said no name of theirs.
        their_key: Secret of the other tenant's.
        theirs: What each `$name` stands for: things that exist.
        absent: The same of nobody's; each is as long as its twin.
        archives: `$archive_…` by what it stands for.
        files_url: Of the curious tenant's own run.
    """

    http: httpx.AsyncClient
    channel: grpc.aio.Channel
    mine: str
    quiet: str
    their_key: str
    theirs: Mapping[str, str]
    absent: Mapping[str, str]
    archives: Mapping[str, bytes]
    files_url: str

    async def ask_them(self, path: str) -> Any:
        """Returns what the other tenant itself gets to see."""
        reply = await self.http.get(path, headers=bearer(self.their_key))
        assert reply.status_code == 200, reply.text
        return reply.json()


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@asynccontextmanager
async def tenants_on(client: Client) -> AsyncIterator[World]:
    """Makes new tenants; ends what they run."""
    database = Settings(db_dsn=SecretStr(client.stack.dsn()))
    async with client.http() as http, client.channel() as channel:
        del http.headers["Authorization"]
        http.timeout = httpx.Timeout(60, read=None)  # who waits no longer for a run cancels it
        async with db.connect(database, SCHEMA) as pool:
            store = PostgresApiKeyStore(pool)
            tenants = {
                name: f"{name}-{secrets.token_hex(4)}" for name in ("theirs", "curious", "quiet")
            }
            keys = {
                name: issue(tenant_id=tenant, name="key", scopes=["admin"])
                for name, tenant in tenants.items()
            }
            for key in keys.values():
                assert await store.insert(key.key, digest(key.secret))
        their_key, mine = keys["theirs"].secret, keys["curious"].secret

        same = secrets.token_hex(6)
        theirs, absent = _names(f"{same}-1"), _names(f"{same}-2")
        archives = {}
        for names in (theirs, absent):
            for name in ("archive_rest", "archive_grpc"):
                archives[names[name]] = skills.skill(
                    names[name], "main.py", "print(1)", f'version: "{VERSION}"'
                )
        key_of = {"Idempotency-Key": theirs["idempotency_key"]}
        await _upload(http, their_key, archives[theirs["archive_rest"]], key_of)
        await _upload(http, their_key, archives[theirs["archive_grpc"]])
        front_matter = f'version: "{VERSION}"'
        await _upload(
            http, their_key, skills.skill(theirs["skill"], "main.py", _WRITER, front_matter)
        )
        sleeper = f"sleeper-{theirs['skill']}"
        code = "import time; print('asleep', flush=True); time.sleep(590)"
        await _upload(http, their_key, skills.skill(sleeper, "main.py", code, "timeout: 600s"))
        own = f"mine-{secrets.token_hex(4)}"
        await _upload(http, mine, skills.skill(own, "main.py", _WRITER))

        execution = await _run(http, their_key, theirs["skill"], key_of)
        my_run = await _run(http, mine, own)
        sleeping = asyncio.create_task(_run(http, their_key, sleeper))

        async def going_on() -> str:
            path = f"/v1/executions?status=running&skill={sleeper}"
            found = (await http.get(path, headers=bearer(their_key))).json()["executions"]
            return str(found[0]["execution_id"]) if found else ""

        running = await until(going_on)
        created = (
            await http.get(f"/v1/executions/{execution['execution_id']}", headers=bearer(their_key))
        ).json()["created_at"]
        theirs |= {
            "tenant": tenants["theirs"],
            "key": str(keys["theirs"].key.id),
            "execution": execution["execution_id"],
            "running": running,
            "files": f"{tenants['theirs']}/{execution['execution_id']}",
        }
        absent |= {
            "tenant": f"theirs-{secrets.token_hex(4)}",
            **{name: str(uuid.uuid4()) for name in ("key", "execution", "running")},
        }
        absent["files"] = f"{absent['tenant']}/{absent['execution']}"
        for names in (theirs, absent):
            names["key_token"] = encode_token(names["key"])
            names["execution_token"] = encode_token(created, names["execution"])
            names["skill_token"] = encode_token(names["skill"], sort_key(VERSION))
            names["version_token"] = encode_token(sort_key(VERSION))
        try:
            yield World(
                http=http,
                channel=channel,
                mine=mine,
                quiet=keys["quiet"].secret,
                their_key=their_key,
                theirs=theirs,
                absent=absent,
                archives=archives,
                files_url=my_run["files_url"],
            )
        finally:
            sleeping.cancel()
            await asyncio.wait({sleeping})


def _names(end: str) -> dict[str, str]:
    """Returns names that sort alike among those of the curious tenant, whatever their end."""
    return {
        "skill": f"skill-{end}",
        "version": VERSION,
        "archive_rest": f"archive-rest-{end}",
        "archive_grpc": f"archive-grpc-{end}",
        "idempotency_key": f"idempotency-{end}",
    }


async def _upload(
    http: httpx.AsyncClient, key: str, archive: bytes, more: Mapping[str, str] | None = None
) -> None:
    headers = {**bearer(key), "Content-Type": "application/zip", **(more or {})}
    reply = await http.post("/v1/skills", content=archive, headers=headers)
    assert reply.status_code == 201, reply.text


async def _run(
    http: httpx.AsyncClient, key: str, skill: str, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    reply = await http.post(
        "/v1/executions", json={"skill": skill}, headers={**bearer(key), **(headers or {})}
    )
    assert reply.status_code == 200, reply.text
    result: dict[str, Any] = reply.json()
    return result
