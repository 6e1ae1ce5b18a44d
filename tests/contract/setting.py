"""The stack that the cases run against, and what is in it before the first of them."""

import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc.aio
import httpx
from pydantic import SecretStr

from skillbox_auth.api_key import IssuedKey, digest, issue
from skillbox_auth.config import Settings
from skillbox_auth.main import SCHEMA
from skillbox_auth.store.postgres import PostgresApiKeyStore
from skillbox_common import db
from tests.contract.table import Case, Rest, archives
from tests.contract.transports import Outcome, send_grpc, send_rest
from tests.e2e.stack import Client, Stack, alive

NOBODY = "nobody"
TENANT = "contract"
_CALLERS = {
    "admin": (TENANT, ["admin"]),
    "reader": (TENANT, ["skills:read"]),
    "runner": (TENANT, ["executions:run"]),
    "stranger": ("stranger", ["admin"]),
    "newcomer": ("newcomer", ["admin"]),
    "expired": (TENANT, ["admin"]),
    "revoked": (TENANT, ["admin"]),
}


@dataclass(frozen=True)
class Setting:
    """A running stack.

    Attributes:
        keys: Secret of each caller.
        archives: Content of each archive.
        values: What `$name` stands for in the cases.
    """

    client: Client
    http: httpx.AsyncClient
    channel: grpc.aio.Channel
    store: PostgresApiKeyStore
    archives: Mapping[str, bytes]
    keys: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    def headers(self, case: Case) -> dict[str, str]:
        """Returns what a case sends."""
        headers = (
            {"Authorization": f"Bearer {self.keys[case.caller]}"} if case.caller != NOBODY else {}
        )
        return {**headers, **case.headers}

    async def prepared(self, case: Case) -> Case:
        """Makes what is given and returns the case with its values filled in."""
        values = dict(self.values)
        for name in case.given.archives:
            await self.upload(name, case.caller)
        if case.given.key:
            values["new_key"] = str((await self.new_key(TENANT, ["skills:read"])).key.id)
        return case.filled(values)

    async def rest(self, case: Case) -> tuple[Case, httpx.Response]:
        """Sends a case over REST; returns it as it was sent, and the reply."""
        filled = await self.prepared(case)
        assert filled.rest is not None
        headers = self.headers(filled)
        return filled, await send_rest(self.http, filled.rest, headers, self.archives)

    async def grpc(self, case: Case) -> tuple[Case, Outcome]:
        """Sends a case over gRPC; returns it as it was sent, and what became of it."""
        filled = await self.prepared(case)
        assert filled.grpc is not None
        headers = self.headers(filled)
        return filled, await send_grpc(self.channel, filled.grpc, headers, self.archives)

    async def upload(self, name: str, caller: str = "admin") -> None:
        rest = Rest(method="POST", path="/v1/skills", type="application/zip", archive=name)
        headers = {"Authorization": f"Bearer {self.keys[caller]}"}
        reply = await send_rest(self.http, rest, headers, self.archives)
        assert reply.status_code == 201, reply.text

    async def run(self, skill: str, caller: str = "admin", **body: object) -> str:
        """Runs a skill and returns the id of the execution."""
        rest = Rest(method="POST", path="/v1/executions", json={"skill": skill, **body})
        headers = {"Authorization": f"Bearer {self.keys[caller]}"}
        reply = await send_rest(self.http, rest, headers, self.archives)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["execution_id"])

    async def new_key(
        self, tenant: str, scopes: list[str], expires_at: datetime | None = None
    ) -> IssuedKey:
        """Puts a key into the store, because no API makes a tenant."""
        issued = issue(tenant_id=tenant, name="contract", scopes=scopes, expires_at=expires_at)
        await self.store.insert(issued.key, digest(issued.secret))
        return issued


@asynccontextmanager
async def running(**settings: str) -> AsyncIterator[Client]:
    """Runs a stack with settings of its own."""
    # Not below pytest's own folder; see `tests.e2e.conftest.folder`.
    with tempfile.TemporaryDirectory(prefix="skillbox-contract-") as name:
        stack = Stack(Path(name, "data"), "bubblewrap", env=settings)
        try:
            stack.start()
            yield Client(stack, stack.status()["url"])
            processes = stack.processes()
        finally:
            done = stack.down()
        assert done.returncode == 0, done.stderr
        assert not alive(processes)


@asynccontextmanager
async def set_up(client: Client) -> AsyncIterator[Setting]:
    """Puts into a stack what the cases need."""
    database = Settings(db_dsn=SecretStr(client.stack.dsn()))
    async with (
        client.http() as http,
        client.channel() as channel,
        db.connect(database, SCHEMA) as pool,
    ):
        del http.headers["Authorization"]
        contents = {name: archive.content() for name, archive in archives().items()}
        setting = Setting(client, http, channel, PostgresApiKeyStore(pool), contents)
        await _make_keys(setting)
        for name, archive in archives().items():
            if archive.stored:
                await setting.upload(name)
        await setting.upload("echo", "stranger")
        setting.values.update(
            **{f"key_of_{caller}": secret for caller, secret in setting.keys.items()},
            full_run=await setting.run("echo", input={"b": 1, "a": [2]}),
            plain_run=await setting.run("silent"),
            stranger_run=await setting.run("echo", "stranger"),
            unknown_id=str(uuid.uuid4()),
        )
        yield setting


async def _make_keys(setting: Setting) -> None:
    now = datetime.now(UTC)
    for caller, (tenant, scopes) in _CALLERS.items():
        expires_at = now - timedelta(seconds=1) if caller == "expired" else None
        issued = await setting.new_key(tenant, scopes, expires_at)
        setting.keys[caller] = issued.secret
        if caller == "revoked":
            await setting.store.revoke(issued.key, now)
