"""A whole archive: entry point, language, schemas, and what is told about it."""

import io
import json

import pytest

from skillbox_common.errors import InvalidSkill
from skillbox_registry.limits import Limits
from skillbox_registry.validate import ValidatedSkill, validate_archive
from tests.unit.registry.zips import MAIN, skill_md, skill_zip, zip_of

SCHEMA = '{"type": "object"}'


def validate(content: bytes, limits: Limits | None = None) -> ValidatedSkill:
    return validate_archive(io.BytesIO(content), limits or Limits())


def problems(content: bytes, limits: Limits | None = None) -> list[str]:
    with pytest.raises(InvalidSkill) as caught:
        validate(content, limits)
    return caught.value.problems


def test_a_skill_that_can_run() -> None:
    validated = validate(skill_zip("timeout: 5s\nresources: {memory: 64Mi}"))
    spec = validated.spec
    assert (spec.name, spec.version, spec.lang, spec.mode) == (
        "demo",
        "1.0.0",
        "python",
        "executable",
    )
    assert (spec.entrypoint, spec.root) == ("scripts/main.py", "")
    assert (spec.timeout, spec.memory, spec.cpu) == ("5s", "64Mi", "")
    assert spec.instructions == "# Demo\n\nDo it."
    assert validated.warnings == ()


def test_a_plain_agent_skill_has_only_instructions() -> None:
    files = {"SKILL.md": skill_md(), "scripts/one.py": MAIN, "scripts/two.sh": "true"}
    spec = validate(zip_of(files)).spec
    assert (spec.mode, spec.entrypoint, spec.lang) == ("instructions", "", "")


@pytest.mark.parametrize(
    ("files", "lang", "entry_point", "found"),
    [
        (["main.py"], "", "main.py", "python"),
        (["run.py"], "", "run.py", "python"),
        (["main.js"], "", "main.js", "node"),
        (["main.sh"], "", "main.sh", "bash"),
        (["scripts/main.py"], "", "scripts/main.py", "python"),
        (["scripts/run.py"], "", "scripts/run.py", "python"),
        (["scripts/main.js"], "", "scripts/main.js", "node"),
        (["scripts/main.sh"], "", "scripts/main.sh", "bash"),
        (["main.py", "run.py", "main.js", "main.sh"], "", "main.py", "python"),
        (["scripts/main.py", "main.sh"], "", "main.sh", "bash"),
        (["main.py", "main.js"], "node", "main.js", "node"),
        (["main.py"], "python", "main.py", "python"),
        (["other.py", "lib/main.py", "Main.py"], "", "", ""),
        (["other.py"], "bash", "", "bash"),
    ],
)
def test_the_entry_point(files: list[str], lang: str, entry_point: str, found: str) -> None:
    content = {"SKILL.md": skill_md(f"lang: {lang}"), **dict.fromkeys(files, "x")}
    spec = validate(zip_of(content)).spec
    assert (spec.entrypoint, spec.lang) == (entry_point, found)


@pytest.mark.parametrize(("file", "lang"), [("main.py", "node"), ("scripts/main.sh", "python")])
def test_a_language_that_does_not_fit_the_ending(file: str, lang: str) -> None:
    (problem,) = problems(zip_of({"SKILL.md": skill_md(f"lang: {lang}"), file: ""}))
    assert problem.startswith(f"lang: '{lang}' does not fit {file}")


def test_a_top_folder_is_the_root() -> None:
    spec = validate(
        zip_of(
            {
                "d/SKILL.md": skill_md("input_schema: in.json"),
                "d/main.py": MAIN,
                "d/in.json": SCHEMA,
            }
        )
    ).spec
    assert (spec.root, spec.entrypoint) == ("d/", "main.py")
    assert json.loads(spec.input_schema) == {"type": "object"}


def test_schemas_stand_in_the_front_matter_or_in_files() -> None:
    spec = validate(
        zip_of(
            {
                "SKILL.md": skill_md(
                    "input_schema: {type: object, required: [a]}\noutput_schema: schemas/out.json"
                ),
                "schemas/out.json": SCHEMA,
            }
        )
    ).spec
    assert json.loads(spec.input_schema) == {"type": "object", "required": ["a"]}
    assert json.loads(spec.output_schema) == {"type": "object"}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("input_schema: missing.json", "input_schema: there is no file 'missing.json'"),
        ("input_schema: ../../etc/passwd", "there is no file '../../etc/passwd'"),
        ("input_schema: SKILL.md", "input_schema: not valid JSON (line 1)"),
        ("output_schema: [1]", "output_schema: expected a JSON Schema that is an object"),
        ("output_schema: {type: text}", "output_schema: not valid JSON Schema 2020-12 at type"),
        ("output_schema: {const: 2024-01-02}", "output_schema: '2024-01-02' is no JSON value"),
        ("input_schema: {properties: {on: {}}}", "input_schema: the key True is not a text"),
        ("input_schema: {$ref: 'https://example.com'}", "begins with #"),
        ("input_schema: large.json", "input_schema: larger than"),
    ],
)
def test_schemas_that_cannot_be_used(extra: str, expected: str) -> None:
    large = json.dumps({"description": "x" * 300_000}).encode()
    # Stored, so that only the rule in question is broken.
    content = zip_of({"SKILL.md": skill_md(extra), "large.json": large}, compression=0)
    (problem,) = problems(content)
    assert problem.startswith("SKILL.md line 5: ")
    assert expected in problem


def test_all_problems_of_all_parts_are_told_at_once() -> None:
    found = problems(
        zip_of(
            {
                "SKILL.md": "---\nname: a/b\nlang: node\ninput_schema: x\n---\n",
                "main.py": "",
            }
        )
    )
    assert len(found) == 4
    assert "; ".join(found) == str(InvalidSkill(found))


def test_the_limits_of_the_server_count() -> None:
    content = skill_zip("resources: {memory: 1Gi, cpu: 3}")
    assert validate(content)
    found = problems(content, Limits(max_memory=512 * 1024 * 1024, max_cpu=2))
    assert ["server is 2" in found[0], "server is 512Mi" in found[1]] == [True, True]


def test_warnings_do_not_refuse() -> None:
    warnings = validate(skill_zip("license: [MIT]", name="Demo_Skill")).warnings
    assert [warning.split(":")[1].strip() for warning in warnings] == ["license", "name"]


def test_a_skill_md_that_is_too_large() -> None:
    content = zip_of({"SKILL.md": skill_md() + "x" * 1024 * 1024}, compression=0)
    assert problems(content) == ["SKILL.md: larger than 1048576 bytes"]


def test_not_a_zip() -> None:
    (problem,) = problems(b"PK but no zip")
    assert problem.startswith("archive: not a zip archive")
