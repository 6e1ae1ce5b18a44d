"""Packages of Node skills."""

import json

import pytest
from pydantic import SecretStr

from skillbox_executor.domain import Refused
from skillbox_executor.sandbox.interface import Language
from tests.sandbox.dependencies.conftest import Replica
from tests.support.packages import Index, npm_package

MANIFEST = json.dumps(
    {"dependencies": {"greeting": "^1.0.0"}, "scripts": {"preinstall": "exit 1"}}
).encode()
PACKAGE = {"index.js": b"exports.answer = 'greeting ' + require('tail').answer;"}
USE = """
const fs = require("fs");
console.log(require("greeting").answer);
import("greeting").then((module) => console.log(module.default.answer, fs.existsSync("ran")));
"""


@pytest.mark.parametrize(
    "replica", [pytest.param("bubblewrap", marks=pytest.mark.bubblewrap)], indirect=True
)
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


@pytest.mark.parametrize(
    "replica", [pytest.param("docker", marks=pytest.mark.docker)], indirect=True
)
async def test_an_image_without_npm_says_so(replica: Replica) -> None:
    with pytest.raises(Refused, match="this image has no npm"):
        await replica.planned({"package.json": MANIFEST}, Language.NODE)


async def test_modules_that_the_archive_brings_need_nothing(replica: Replica) -> None:
    files = {"package.json": MANIFEST, "node_modules/greeting/index.js": PACKAGE["index.js"]}
    plan = await replica.planned(files, Language.NODE, dependencies="vendored")
    assert plan.profile.dependencies == ""
