"""Packages of Node skills from a registry, with the npm of the machine that tests."""

import io
import json
import shutil
import tarfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO

import pytest
from aiodocker import Docker
from pydantic import SecretStr

from skillbox_executor.sandbox.interface import Language
from tests.sandbox.dependencies.conftest import Replica
from tests.support.packages import Index, npm_package

IMAGE = "skillbox-test/node-with-npm"
MANIFEST = json.dumps(
    {"dependencies": {"greeting": "^1.0.0"}, "scripts": {"preinstall": "exit 1"}}
).encode()
PACKAGE = {"index.js": b"exports.answer = 'greeting ' + require('tail').answer;"}
USE = """
const fs = require("fs");
console.log(require("greeting").answer);
import("greeting").then((module) => console.log(module.default.answer, fs.existsSync("ran")));
"""


@pytest.fixture(scope="module")
async def sandbox_images(
    sandbox_images: Mapping[Language, str], docker: Docker
) -> AsyncIterator[Mapping[Language, str]]:
    """The usual images, but one with npm, as the public images of Node have it."""
    context = _with_npm(sandbox_images[Language.NODE])
    await docker.images.build(fileobj=context, encoding="identity", tag=IMAGE)
    try:
        yield {**sandbox_images, Language.NODE: IMAGE}
    finally:
        await docker.images.delete(IMAGE, force=True)


def _with_npm(image: str) -> IO[bytes]:
    """Returns what an image with this machine's npm is built from."""
    npm = shutil.which("npm")
    assert npm is not None, "npm is missing: apt-get install npm"
    # Beside it are the modules that it needs.
    modules = Path(npm).resolve().parents[2]
    dockerfile = f"FROM {image}\nCOPY modules {modules}\n".encode()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        tar.addfile(entry, io.BytesIO(dockerfile))
        tar.add(modules, "modules")
    context.seek(0)
    return context


async def test_packages_of_a_registry_are_found_and_run_no_scripts(
    replica: Replica, index: Index
) -> None:
    hostile = {"scripts": {"install": "touch /sandbox/out/files/ran"}}
    wanted = {"dependencies": {"tail": "1.x"}}
    tarball = npm_package("greeting", "1.2.0", PACKAGE, **wanted, **hostile)
    index.add_npm("greeting", "1.2.0", tarball, **wanted)
    tail = {"index.js": b"exports.answer = 'from below';"}
    index.add_npm("tail", "1.0.3", npm_package("tail", "1.0.3", tail))
    plan = await replica.planned(
        {"package.json": MANIFEST}, Language.NODE, npm_registry=SecretStr(index.url)
    )
    ran = await replica.run(plan, USE)
    assert ran.ok() == "greeting from below\ngreeting from below false\n"
