"""The commands of "Backup" in docs/DEPLOY.md bring back what was lost."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.deploy.compose_stack import ROOT, ComposeStack
from tests.e2e.skills import skill
from tests.e2e.stack import Client

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

_SECTION = re.compile(r"^## Backup$(.*?)^## ", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
KEPT = skill("compose-kept", "main.sh", 'echo \'{"kept": true}\' > "$SANDBOX_OUTPUT"\n')


async def test_restore(stack: ComposeStack, client: Client, tmp_path: Path) -> None:
    backup, restore = (_commands(block, stack, tmp_path) for block in _shown())
    await client.push(KEPT)
    before = await client.run("compose-kept")

    await asyncio.to_thread(stack.typed, "bash", "-euc", backup)
    client.cli_ok("skill", "delete", "compose-kept", "1.0.0")
    assert client.cli("run", "compose-kept").returncode == 6
    await asyncio.to_thread(stack.typed, "bash", "-euc", restore)

    record = await client.record(before["execution_id"])
    assert record.get("output") == {"kept": True}, record
    again = await client.run("compose-kept")
    assert again.get("output") == {"kept": True}, again


def _shown() -> tuple[str, str]:
    section = _SECTION.search((ROOT / "docs/DEPLOY.md").read_text())
    assert section
    backup, restore = _BLOCK.findall(section[1])
    return backup, restore


def _commands(block: str, stack: ComposeStack, folder: Path) -> str:
    """Returns the commands for the stack of the tests, whose files are elsewhere.

    What starts services is left out, because the stack goes on.
    """
    lines = [line for line in block.splitlines() if " up " not in line]
    return (
        "\n".join(lines)
        .replace("sudo ", "")
        .replace("-C deploy/compose", f"-C {stack.data_dir}")
        .replace("skillbox_objects", f"{stack.project}_objects")
        .replace("skillbox/object-store", "skillbox-test/object-store")
        .replace("skillbox.dump", str(folder / "skillbox.dump"))
        .replace("objects.tar", str(folder / "objects.tar"))
        .replace("secrets.tar", str(folder / "secrets.tar"))
    )
