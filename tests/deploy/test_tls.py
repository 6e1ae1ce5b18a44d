"""TLS before the gateway, with a certificate of the test's own."""

import asyncio
import os
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.deploy.compose_stack import ComposeStack
from tests.e2e.quick_start import EXAMPLE
from tests.e2e.stack import API_KEY, Client
from tests.e2e.waiting import until
from tests.support.parts import free_port

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


async def test_calls_and_downloads_over_tls(
    stack: ComposeStack, client: Client, tmp_path: Path
) -> None:
    port = free_port()
    certificate = await asyncio.to_thread(_install_certificate, stack.secrets, tmp_path)
    stack.configure("SKILLBOX_TRUSTED_PROXIES=1")
    await asyncio.to_thread(
        stack.compose,
        *("up", "--detach", "--no-deps", "gateway", "tls"),
        SKILLBOX_COMPOSE_OVERLAYS="deploy/compose/tls.yaml",
        SKILLBOX_TLS_HOST="127.0.0.1",
        SKILLBOX_TLS_PORT=str(port),
    )
    async with httpx.AsyncClient(
        base_url=f"https://localhost:{port}",
        verify=ssl.create_default_context(cafile=certificate),
        headers={"Authorization": f"Bearer {API_KEY}"},
        http2=True,
        timeout=60,
        trust_env=False,
    ) as https:

        async def ready() -> bool:
            try:
                return (await https.get("/ready")).status_code == 200
            except httpx.TransportError:
                return False

        await until(ready, 60)
        await asyncio.to_thread(client.cli_ok, "skill", "push", EXAMPLE)
        body = {"skill": "data-analysis", "input": {"data": [1, 2, 3]}}
        reply = await https.post("/v1/executions", json=body)
        assert reply.http_version == "HTTP/2"
        result = reply.json()
        assert result["status"] == "success", result
        assert result["files_url"].startswith(f"https://localhost:{port}/executions/")
        # The link is all that a download needs.
        del https.headers["Authorization"]
        assert (await https.get(result["files_url"])).status_code == 200


def _install_certificate(secrets: Path, folder: Path) -> Path:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    both = secrets / "tls.pem"
    both.write_text(certificate.read_text() + key.read_text())
    both.chmod(0o400)
    if os.geteuid() == 0:
        os.chown(both, 65532, 65532)
    return certificate
