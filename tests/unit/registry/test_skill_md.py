"""The rules of SKILL.md, field by field."""

import time

import pytest

from skillbox_registry import skill_md
from skillbox_registry.findings import Findings
from skillbox_registry.front_matter import MAX_FRONT_MATTER
from skillbox_registry.limits import Limits
from skillbox_registry.skill_md import SkillMd

BASE = "name: demo\ndescription: Shows something.\n"


def read(content: str | bytes) -> tuple[SkillMd | None, list[str], list[str]]:
    findings = Findings()
    data = content.encode() if isinstance(content, str) else content
    head = skill_md.parse(data, Limits(), findings)
    return head, list(map(str, findings.errors)), list(map(str, findings.warnings))


def fields(yaml: str) -> tuple[SkillMd, list[str], list[str]]:
    head, errors, warnings = read(f"---\n{yaml}\n---\nBody\n")
    assert head is not None, errors
    return head, errors, warnings


def test_a_plain_agent_skill_is_complete() -> None:
    head, errors, warnings = read(f"---\n{BASE}---\n\n# Title\n\n    code\n")
    assert (errors, warnings) == ([], [])
    assert head == SkillMd(
        name="demo",
        version="1.0.0",
        description="Shows something.",
        lang="",
        image="",
        runtime="",
        timeout="",
        cpu="",
        memory="",
        instructions="# Title\n\n    code",
        input_schema=None,
        output_schema=None,
    )


def test_every_field_is_read_as_it_was_written() -> None:
    head, errors, warnings = fields(
        """name: demo
version: "2.1.0-rc.1+build.5"
description: >
  Shows
  something.
lang: python
image: python:3.12-slim
runtime: runsc
timeout: 1m30s
resources:
  memory: 256Mi
  cpu: 0.50
  disk: 10Gi
license: MIT
compatibility: anything
metadata: {author: me}
allowed-tools: [Read, Write]
future: {is: kept}"""
    )
    assert (errors, warnings) == ([], [])
    assert head.version == "2.1.0-rc.1+build.5"
    assert head.description == "Shows something."
    assert (head.lang, head.image, head.timeout) == ("python", "python:3.12-slim", "1m30s")
    assert (head.memory, head.cpu) == ("256Mi", "0.50")
    assert head.runtime == "runsc"


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("description: x", ["name: is required"]),
        ("name: demo", ["description: is required"]),
        ("{}", ["name: is required", "description: is required"]),
        ("name: demo\ndescription:", ["description: is required"]),
        ('name: demo\ndescription: " "', ["SKILL.md line 3: description: must not be empty"]),
        (
            "name: demo\ndescription: [a]",
            ["SKILL.md line 3: description: expected a text, not a list or a mapping"],
        ),
        (
            "name: 123\ndescription: x",
            ["SKILL.md line 2: name: '123' is a YAML integer, expected a text: quote it"],
        ),
        (
            "name: on\ndescription: x",
            ["SKILL.md line 2: name: 'on' is a YAML true/false value, expected a text: quote it"],
        ),
    ],
)
def test_required_fields(yaml: str, expected: list[str]) -> None:
    assert fields(yaml)[1] == expected


@pytest.mark.parametrize("name", ["a", "A", "9", "a.b", "a_b", "a-b", "Data-Analysis", "a" * 128])
def test_good_names(name: str) -> None:
    assert fields(f'name: "{name}"\ndescription: x')[1] == []


@pytest.mark.parametrize(
    "name", ["-a", ".a", "_a", "a b", "a/b", "..", "a" * 129, "\xe9", "a\\nb", "a@1", "\u0661"]
)
def test_bad_names(name: str) -> None:
    (error,) = fields(f'name: "{name}"\ndescription: x')[1]
    assert error.startswith("SKILL.md line 2: name: ")


@pytest.mark.parametrize(
    ("name", "warned"), [("data-analysis", False), ("Data", True), ("a_b", True), ("a--b", True)]
)
def test_unusual_names_are_a_warning(name: str, warned: bool) -> None:
    _, errors, warnings = fields(f"name: {name}\ndescription: x")
    assert errors == []
    assert bool(warnings) is warned


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("1.10", "float"),
        ("1.0", "float"),
        (".5", "float"),
        ("2", "integer"),
        ("0x10", "integer"),
        ("1:30", "integer"),
        ("2024-01-02", "date"),
        ("2024-01-02T03:04:05Z", "date"),
        ("true", "true/false value"),
    ],
)
def test_a_version_that_yaml_takes_for_something_else_must_be_quoted(
    written: str, kind: str
) -> None:
    _, errors, _ = fields(f"{BASE}version: {written}")
    assert errors == [
        f"SKILL.md line 4: version: {written!r} is a YAML {kind}, expected a text: quote it"
    ]


@pytest.mark.parametrize(
    "version",
    ["0.0.0", "1.2.3", "1.0.0-alpha.1", "1.0.0-0A.is.legal", "1.0.0+build", "1.0.0--", "10.20.30"],
)
def test_good_versions(version: str) -> None:
    head, errors, _ = fields(f'{BASE}version: "{version}"')
    assert errors == []
    assert head.version == version


@pytest.mark.parametrize(
    "version",
    [
        "1",
        "1.0",
        "v1.0.0",
        "01.0.0",
        "1.0.0-01",
        "1.0.0-",
        "1.0.0+",
        "1.0.0 x",
        "latest",
        "1.0.\u0661",
        "1.0.1\u0661",
        "1.0.0-\xe9",
        "1." + "0" * 200,
        "1.0.0-" + "a" * 130,
    ],
)
def test_bad_versions(version: str) -> None:
    (error,) = fields(f'{BASE}version: "{version}"')[1]
    assert error.startswith("SKILL.md line 4: version: ")
    assert "is not SemVer 2.0" in error


@pytest.mark.parametrize(
    ("metadata", "version", "errors", "warnings"),
    [
        ('{version: "2.0.0"}', "2.0.0", 0, 0),
        ('{version: "1.2"}', "1.2.0", 0, 1),
        ('{version: "3"}', "3.0.0", 0, 1),
        ("{version: 1.2}", "", 1, 0),
        ('{version: "new"}', "new", 1, 0),
        ("{author: me}", "1.0.0", 0, 0),
        ("text", "1.0.0", 0, 1),
    ],
)
def test_the_version_may_stand_in_metadata(
    metadata: str, version: str, errors: int, warnings: int
) -> None:
    head, found, warned = fields(f"{BASE}metadata: {metadata}")
    assert (head.version, len(found), len(warned)) == (version, errors, warnings)


def test_the_version_of_the_skill_wins() -> None:
    head, _, _ = fields(f'{BASE}version: "3.0.0"\nmetadata: {{version: "2.0.0"}}')
    assert head.version == "3.0.0"


def test_a_long_description_is_a_warning() -> None:
    _, errors, warnings = fields(f"name: demo\ndescription: {'x' * 1025}")
    assert errors == []
    assert "has 1025 characters" in warnings[0]
    assert fields(f"name: demo\ndescription: {'x' * 1024}")[2] == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lang: ruby", "lang: 'ruby': expected python, node, bash"),
        ("lang: Python", "lang: 'Python': expected python, node, bash"),
        ("image: 'a b'", "image: 'a b': expected an image"),
        ("image: -x", "image: '-x': expected an image"),
        ("image: 3", "image: '3' is a YAML integer"),
        ("runtime: a/b", "runtime: 'a/b': expected 1 to 64 of"),
        ("runtime: 'runsc \u00e9'", "runtime: 'runsc \u00e9': expected 1 to 64 of"),
        (f"runtime: {'x' * 65}", "expected 1 to 64 of"),
        ("runtime: [runsc]", "runtime: expected a text, not a list or a mapping"),
        ("runtime: 1", "runtime: '1' is a YAML integer"),
        ("timeout: 60", "timeout: '60': expected a duration"),
        ("timeout: 0s", "timeout: '0s': expected a duration"),
        ("timeout: -5s", "timeout: '-5s': expected a duration"),
        ("timeout: 1:30", "timeout: '1:30': expected a duration"),
        ("timeout: [1s]", "timeout: '': expected a duration"),
        ("resources: 256Mi", "resources: expected a mapping"),
        ("resources: {memory: lots}", "resources.memory: 'lots': expected a size"),
        ("resources: {memory: 0}", "resources.memory: '0': expected a size"),
        ("resources: {memory: 1.5Gi}", "resources.memory: '1.5Gi': expected a size"),
        (
            "resources: {memory: 2Gi}",
            "resources.memory: '2Gi': the maximum of this server is 1024Mi",
        ),
        ("resources: {memory: 1073741825}", "the maximum of this server is 1024Mi"),
        ("resources: {cpu: 0}", "resources.cpu: '0': expected a number of cores"),
        ("resources: {cpu: -1}", "resources.cpu: '-1': expected a number of cores"),
        ("resources: {cpu: nan}", "resources.cpu: 'nan': expected a number of cores"),
        ("resources: {cpu: .inf}", "resources.cpu: '.inf': expected a number of cores"),
        ("resources: {cpu: 4.1}", "resources.cpu: '4.1': the maximum of this server is 4"),
    ],
)
def test_bad_values(line: str, expected: str) -> None:
    (error,) = fields(f"{BASE}{line}")[1]
    assert expected in error
    assert error.startswith("SKILL.md line 4: ")


@pytest.mark.parametrize(
    "line",
    [
        "timeout: 500ms",
        "runtime: io.containerd.kata.v2",
        f"runtime: {'x' * 64}",
        "timeout: 24h",
        "timeout:",
        "resources:",
        "resources: {memory: 1Gi, cpu: 4}",
        'resources: {memory: "1073741824", cpu: "0.25"}',
        "allowed-tools: Read, Write",
        "image: registry.example.com:5000/team/image@sha256:0123",
    ],
)
def test_good_values(line: str) -> None:
    assert fields(f"{BASE}{line}")[1:] == ([], [])


@pytest.mark.parametrize(
    "line", ["license: [MIT]", "compatibility: {}", "metadata: x", "allowed-tools: 3"]
)
def test_fields_of_the_open_format_are_only_warned_about(line: str) -> None:
    _, errors, warnings = fields(f"{BASE}{line}")
    assert errors == []
    assert len(warnings) == 1


def test_all_problems_are_told_at_once() -> None:
    _, errors, _ = fields("name: a/b\nversion: 1.0\nlang: x\ntimeout: y\nresources: {cpu: z}")
    assert len(errors) == 6


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "line 1: must begin with"),
        (b"# Title", "line 1: must begin with"),
        (b"\n---\nname: x\n---\n", "line 1: must begin with"),
        (b"----\nname: x\n----\n", "line 1: must begin with"),
        (b"---\nname: x\n", "does not end"),
        (b"---", "does not end"),
        (b"---\n---\n", "must be a mapping"),
        (b"---\n- a\n---\n", "must be a mapping"),
        (b"---\ntext\n---\n", "must be a mapping"),
        (b"---\n\xff\n---\n", "must be UTF-8: byte 4 is not"),
        (b"---\nname: x\n---\n\0", "must be text"),
        (b"---\nname: \x07\n---\n", "a character is not allowed"),
        (b"---\na: b: c\n---\n", "line 2: not valid YAML"),
        (b"---\nname: x\na: 'b\n---\n", "not valid YAML"),
        (b"---\nname: x\nb: {\n---\n", "not valid YAML"),
        (b"---\na: *b\n---\n", "line 2: not valid YAML"),
        (b"---\na: 1\nb: 2\na: 3\n---\n", "line 4: the key 'a' is there twice"),
        (b"---\nm:\n  a: 1\n  a: 2\n---\n", "line 4: the key 'a' is there twice"),
        (b"---\n? [a]\n: b\n---\n", "not valid YAML"),
        (b"---\na: !!python/name:os.system\n---\n", "line 2: YAML tags are not supported"),
        (b"---\na: !!binary aGk=\n---\n", "line 2: YAML tags are not supported"),
        (b"---\na: 2024-99-99\n---\n", "out of range"),
        (b"---\na: " + b"9" * 5000 + b"\n---\n", "out of range"),
        (b"---\na: 0x_\n---\n", "out of range"),
        (b"---\na: =\n---\n", "not valid YAML"),
        (b'---\na: "\\0"\n---\n', "line 2: a text holds a NUL"),
        (b'---\na: "\\ud800"\n---\n', "line 2: a text holds half a surrogate pair"),
        (b"---\na: " + b"[" * 100 + b"]" * 100 + b"\n---\n", "nested deeper than 40"),
        (b"---\na: " + b"x" * MAX_FRONT_MATTER + b"\n---\n", "is longer than"),
        (b"---\na: [" + b"x," * 10_000 + b"]\n---\n", "more than 10000 values"),
        (b"---\na: &a [*a]\n---\n", "line 2: an alias must not refer to what contains it"),
        (b"---\na: 1\n...\n--- {}\nb: 2\n---\n", "not valid YAML"),
    ],
)
def test_a_front_matter_that_cannot_be_read(content: bytes, expected: str) -> None:
    head, errors, _ = read(content)
    assert head is None
    (error,) = errors
    assert error.startswith("SKILL.md")
    assert expected in error


@pytest.mark.parametrize(
    ("first", "wrap"), [("[x]", "[{}]"), ("{x: y}", "{{<<: [{}]}}")], ids=["lists", "merges"]
)
def test_a_few_aliases_cannot_become_millions(first: str, wrap: str) -> None:
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} " + wrap.format(f"*a{n - 1}, " * 9) for n in range(1, 30)]
    started = time.perf_counter()
    _, errors, _ = read("---\n" + "\n".join(lines) + "\n---\n")
    assert "more than 10000 values" in errors[0]
    assert time.perf_counter() - started < 5


def test_aliases_and_merges_work_in_moderation() -> None:
    head, errors, _ = fields(
        f"base: &base {{memory: 64Mi, cpu: 1}}\n{BASE}resources:\n  <<: *base\n  cpu: 2"
    )
    assert errors == []
    assert (head.memory, head.cpu) == ("64Mi", "2")


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeff---\n{BASE}---\nBody",
        f"---\r\n{BASE}---\r\nBody\r\n".replace("\n", "\r\n").replace("\r\r", "\r"),
        f"---  \n{BASE}---\t\nBody",
        f"---\n{BASE}---\nBody\n",
    ],
    ids=["byte order mark", "carriage returns", "spaces behind the dashes", "plain"],
)
def test_what_editors_do_to_files(content: str) -> None:
    head, errors, _ = read(content)
    assert errors == []
    assert head is not None
    assert (head.name, head.instructions) == ("demo", "Body")


def test_json_is_yaml_with_its_escapes() -> None:
    head, errors, _ = fields('{"name": "demo", "description": "\\ud83d\\ude00 \\u00e9"}')
    assert errors == []
    assert head.description == "\U0001f600 \xe9"


def test_a_line_of_dashes_in_the_body_belongs_to_the_body() -> None:
    head, _, _ = read(f"---\n{BASE}---\none\n---\ntwo\n")
    assert head is not None
    assert head.instructions == "one\n---\ntwo"
