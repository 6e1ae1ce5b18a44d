"""Whatever SKILL.md says: it is refused with a reason, or can be stored and sent."""

import io
import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from skillbox.registry.v1.skill_pb2 import Skill
from skillbox_common.errors import InvalidSkill
from skillbox_common.units import parse_cpu, parse_duration, parse_size
from skillbox_registry.convert import to_skill
from skillbox_registry.limits import Limits
from skillbox_registry.semver_order import is_version, sort_key
from skillbox_registry.skill import StoredSkill
from skillbox_registry.skill_md import NAME
from skillbox_registry.validate import validate_archive
from tests.unit.registry.zips import zip_of

LIMITS = Limits()
_KEYS = [
    "name",
    "version",
    "description",
    "lang",
    "image",
    "timeout",
    "resources",
    "metadata",
    "input_schema",
    "output_schema",
    "license",
    "allowed-tools",
    "memory",
    "cpu",
    "<<",
    "$ref",
]
_scalars = st.sampled_from(
    [
        "",
        "~",
        "true",
        "1",
        "1.0",
        "1e999",
        ".inf",
        ".nan",
        "0x1F",
        "1_0",
        "12:30",
        "2024-01-01",
        "2024-13-45",
        "1.0.0",
        '"1.0.0"',
        '"2.1.0-rc.1"',
        "demo",
        "python",
        "node",
        "60s",
        "1m30s",
        "128Mi",
        "9Gi",
        "0.5",
        "-1",
        "*a",
        "&a x",
        "&b [*b]",
        "!!binary x",
        "!!python/object:x {}",
        '"\\0"',
        '"\\ud800"',
        '"\\U0001F600"',
        "[",
        "{",
        "'",
        "|",
        ">",
        "#",
        "=",
        "@",
        "%",
        "in.json",
        "{type: object}",
        "{type: 1}",
        "{$ref: 'http://x'}",
        "[a, b]",
        "? x",
        "- x",
    ]
)
_lines = st.builds(
    lambda indent, key, value: f"{' ' * indent}{key}: {value}",
    st.sampled_from([0, 0, 0, 2, 4]),
    st.sampled_from(_KEYS),
    _scalars | st.text(max_size=20),
)
_heads = st.lists(_lines | st.text(max_size=30), max_size=8).map("\n".join)


def inspect(skill_md: bytes) -> bool:
    """Tells whether a skill with this SKILL.md is taken; checks all that is promised of it."""
    # Stored: its ratio is not in question.
    content = zip_of(
        {"SKILL.md": skill_md, "main.py": "", "in.json": '{"type":"array"}'}, compression=0
    )
    try:
        spec = validate_archive(io.BytesIO(content), LIMITS).spec
    except InvalidSkill as error:
        assert error.problems
        error.message.encode()
        return False
    assert NAME.fullmatch(spec.name)
    assert is_version(spec.version)
    assert sort_key(spec.version).isascii()
    assert spec.description.strip()
    assert spec.lang in ("", "python")
    for value, parse in (
        (spec.timeout, parse_duration),
        (spec.memory, parse_size),
        (spec.cpu, parse_cpu),
    ):
        assert not value or parse(value) > 0
    for schema in (spec.input_schema, spec.output_schema):
        assert not schema or isinstance(json.loads(schema), dict)
    now = datetime.now(UTC)
    sent = to_skill(StoredSkill(spec, "0" * 64, len(content), now, now)).SerializeToString()
    assert b"\0" not in str(spec).encode()
    Skill.FromString(sent)
    return True


@given(st.binary(max_size=500))
def test_any_bytes(content: bytes) -> None:
    inspect(content)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_between_the_dashes(text: str) -> None:
    inspect(f"---\n{text}\n---\n".encode("utf-8", "replace"))


@settings(max_examples=500, deadline=None)
@given(_heads)
def test_anything_that_looks_like_front_matter(head: str) -> None:
    inspect(f"---\n{head}\n---\nBody\n".encode("utf-8", "replace"))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(_KEYS[1:]), _scalars | st.text(max_size=40))
def test_one_odd_field_in_a_good_skill(key: str, value: str) -> None:
    head = f"name: demo\n{key}: {value}\n"
    if key != "description":
        head += "description: Shows something.\n"
    inspect(f"---\n{head}---\nBody\n".encode("utf-8", "replace"))


@settings(deadline=None)
@given(
    st.from_regex(NAME, fullmatch=True),
    st.text(st.characters(exclude_categories=["C"]), min_size=1).filter(str.strip),
)
def test_a_good_skill_is_taken(name: str, description: str) -> None:
    head = json.dumps({"name": name, "description": description})
    assert inspect(f"---\n{head}\n---\n".encode())
