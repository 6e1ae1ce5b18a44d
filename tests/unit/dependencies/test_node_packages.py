import json
from typing import Any

import pytest

from skillbox_executor.dependencies.errors import DependencyError
from skillbox_executor.dependencies.node_packages import parse, parse_lock


def test_only_dependencies_are_kept() -> None:
    document = {
        "dependencies": {"a": "^1.0.0", "@scope/b": ">=1 <2 || 3.x"},
        "devDependencies": {"c": "git+https://host.test/c"},
        "scripts": {"install": "touch /tmp/x"},
        "workspaces": ["../.."],
        "overrides": {"a": "file:x"},
    }
    assert json.loads(parse(json.dumps(document).encode())) == {
        "name": "skill",
        "version": "1.0.0",
        "dependencies": document["dependencies"],
        "optionalDependencies": {},
    }


@pytest.mark.parametrize(
    "content", [b"{}", b'{"dependencies": {}}', b'{"devDependencies": {"a": "1"}}']
)
def test_there_may_be_none(content: bytes) -> None:
    assert parse(content) == b""


@pytest.mark.parametrize(
    "version",
    [
        "file:../x",
        "link:x",
        "git+ssh://host.test/x",
        "https://host.test/x.tgz",
        "owner/repository",
        "npm:other@1",
        "workspace:*",
        "/etc",
        "../x",
        "1 --registry=x;",
        7,
        None,
        {"version": "1"},
    ],
)
@pytest.mark.parametrize("kind", ["dependencies", "optionalDependencies"])
def test_what_reaches_elsewhere_is_refused(kind: str, version: object) -> None:
    with pytest.raises(DependencyError, match=f"{kind}: a: .* is not allowed"):
        parse(json.dumps({kind: {"a": version}}).encode())


@pytest.mark.parametrize("name", ["", "../a", "a/b", "-x y", "@a", "a b", "A:b"])
def test_a_name_is_one_of_the_registry(name: str) -> None:
    with pytest.raises(DependencyError, match="no name of a package"):
        parse(json.dumps({"dependencies": {name: "1"}}).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"nonsense", b"[" * 50_000, b" " * 70_000])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(DependencyError):
        parse(content)


def lock(**package: Any) -> bytes:
    return json.dumps({"packages": {"": {"name": "x"}, "node_modules/a": package}}).encode()


def test_a_lock_keeps_versions_and_hashes_but_no_addresses() -> None:
    content = lock(
        version="1.2.3",
        integrity="sha512-x",
        resolved="https://host.test/a.tgz",
        hasInstallScript=True,
        dependencies={"b": "^1"},
    )
    assert json.loads(parse_lock(content))["packages"] == {
        "node_modules/a": {
            "version": "1.2.3",
            "integrity": "sha512-x",
            "dependencies": {"b": "^1"},
        }
    }


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        lock(link=True),
        lock(dependencies={"b": "file:x"}),
        json.dumps({"packages": {"../../etc": {"version": "1"}}}).encode(),
        json.dumps({"packages": {"node_modules/a": "1"}}).encode(),
    ],
)
def test_a_lock_that_reaches_elsewhere_is_refused(content: bytes) -> None:
    with pytest.raises(DependencyError):
        parse_lock(content)
