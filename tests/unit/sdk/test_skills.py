import os
from datetime import timedelta
from email.parser import BytesParser
from pathlib import Path

import pytest

from skillbox import APIError, Client, Skill, SkillFile
from tests.unit.sdk.fake_server import FakeServer, Reply, json_reply, refusal

SUMMARY = {"name": "echo", "version": "1.0.0", "description": "Echoes.", "lang": "python"}
KEY = {"id": "k1", "tenant_id": "default", "scopes": ["admin"], "prefix": "sk-abc"}


def test_an_upload_is_a_multipart_form(server: FakeServer, client: Client, tmp_path: Path) -> None:
    archive = tmp_path / 'my "skill".zip'
    archive.write_bytes(os.urandom(200_000))
    server.on("POST /v1/skills", SUMMARY)
    sizes: list[int] = []
    assert client.upload_skill(archive, progress=sizes.append) == Skill(**SUMMARY)
    assert sum(sizes) == 200_000
    assert len(sizes) > 1
    request = server.last
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    _, part = BytesParser().parsebytes(head + request.body).walk()
    assert part.get_content_type() == "application/zip"
    assert part["Content-Disposition"] == ('form-data; name="file"; filename="my %22skill%22.zip"')
    assert archive.read_bytes() in request.body


def test_register_skill_returns_nothing(server: FakeServer, client: Client, tmp_path: Path) -> None:
    server.on("POST /v1/skills", Reply(201, b'{"name":"echo"}'))
    archive = tmp_path / "echo.zip"
    archive.write_bytes(b"zip")
    result: object = client.register_skill(str(archive))  # type: ignore[func-returns-value]
    assert result is None


def test_a_file_that_is_not_there(server: FakeServer, client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        client.register_skill(tmp_path / "none.zip")
    assert server.requests == []


def test_the_refusal_of_an_upload_is_heard_before_its_end(
    server: FakeServer, client: Client, tmp_path: Path
) -> None:
    refused = refusal(413, "too_large", "larger than 50 MiB")
    headers = {**refused.headers, "X-Unread": "1", "Connection": "close"}
    server.on("POST /v1/skills", Reply(413, refused.body, headers))
    archive = tmp_path / "large.zip"
    with archive.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    sent: list[int] = []
    with pytest.raises(APIError) as caught:
        client.upload_skill(archive, progress=sent.append)
    assert caught.value.status_code == 413
    assert sum(sent) < 64 * 1024 * 1024


def test_skills_are_listed(server: FakeServer, client: Client) -> None:
    server.on("GET /v1/skills", [SUMMARY, {**SUMMARY, "lang": None, "size": 3}])
    assert client.list_skills() == [Skill(**SUMMARY), Skill("echo", "1.0.0", "Echoes.", "")]


def test_a_skill_in_full(server: FakeServer, client: Client) -> None:
    server.on(
        "GET /v1/skills/echo/latest",
        {**SUMMARY, "resources": {"cpu": "0.5"}, "input_schema": {"type": "object"}},
    )
    skill = client.get_skill("echo")
    assert skill.resources == {"cpu": "0.5"}
    assert skill.input_schema == {"type": "object"}
    assert (skill.image, skill.instructions, skill.timeout) == ("", "", "")


def test_all_versions_of_a_skill_are_read(server: FakeServer, client: Client) -> None:
    pages = iter(
        [
            {"name": "echo", "versions": [{**SUMMARY, "version": "2.0.0"}], "next_page_token": "t"},
            {"name": "echo", "versions": [SUMMARY]},
        ]
    )
    server.on("GET /v1/skills/echo", lambda _: json_reply(next(pages)))
    assert [skill.version for skill in client.list_versions("echo")] == ["2.0.0", "1.0.0"]
    assert server.last.path == "/v1/skills/echo?page_size=1000&page_token=t"


def test_the_files_of_a_skill_are_listed(server: FakeServer, client: Client) -> None:
    server.on(
        "GET /v1/skills/echo/latest/files",
        {"files": [{"path": "SKILL.md", "size_bytes": 3}, {"path": "x", "executable": True}]},
    )
    assert client.list_skill_files("echo") == [SkillFile("SKILL.md", 3), SkillFile("x", 0, True)]


def test_a_file_of_a_skill(server: FakeServer, client: Client) -> None:
    server.on("GET /v1/skills/echo/1.0.0/files/a/b%20%3F%25.md", Reply(body=b"\xff\n"))
    assert client.get_skill_file("echo", "1.0.0", "a/b ?%.md") == b"\xff\n"


def test_the_archive_of_a_skill(server: FakeServer, client: Client) -> None:
    archive = os.urandom(300_000)
    server.on("GET /v1/skills/echo/latest/archive", Reply(body=[archive[:9], archive[9:]]))
    assert client.download_skill("echo") == archive


def test_names_cannot_reach_other_paths(server: FakeServer, client: Client) -> None:
    with pytest.raises(APIError):
        client.delete_skill("a/b", "1.0.0+x")
    assert server.last.path == "/v1/skills/a%2Fb/1.0.0%2Bx"


def test_a_key_is_created(server: FakeServer, client: Client) -> None:
    server.on("POST /v1/api-keys", {"api_key": KEY, "secret": "sk-secret"})
    new = client.create_api_key("ci", scopes=["admin"], ttl=timedelta(hours=1, microseconds=5))
    assert server.last.json == {"name": "ci", "scopes": ["admin"], "ttl": "3600.000005s"}
    assert new.secret == "sk-secret"
    assert new.api_key.scopes == ["admin"]
    assert "sk-secret" not in repr(new)


def test_all_pages_of_keys_are_read(server: FakeServer, client: Client) -> None:
    pages = iter([{"api_keys": [KEY], "next_page_token": "t"}, {"api_keys": [KEY]}])
    server.on("GET /v1/api-keys", lambda _: Reply(body=str(next(pages)).replace("'", '"').encode()))
    assert [key.id for key in client.list_api_keys()] == ["k1", "k1"]
    assert server.last.path == "/v1/api-keys?page_size=1000&page_token=t"


def test_a_tenant_without_keys(server: FakeServer, client: Client) -> None:
    server.on("GET /v1/api-keys", {})
    assert client.list_api_keys() == []


def test_a_key_is_revoked_and_rotated(server: FakeServer, client: Client) -> None:
    server.on("DELETE /v1/api-keys/k1", {"api_key": {**KEY, "revoked_at": "2026-01-01T00:00:00Z"}})
    assert client.revoke_api_key("k1").revoked_at == "2026-01-01T00:00:00Z"
    server.on("POST /v1/api-keys/k1:rotate", {"api_key": KEY, "secret": "sk-new"})
    assert client.rotate_api_key("k1", grace=timedelta(minutes=1)).secret == "sk-new"
    assert server.last.json == {"grace": "60.000000s"}
