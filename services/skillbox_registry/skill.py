"""A version of a skill: what its archive says, and what is stored of it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class SkillSpec:
    """What the archive says. Optional fields are empty when they were left out.

    Attributes:
        lang: `python`, `node` or `bash`; empty when there is neither `lang` nor an entry point.
        runtime: The OCI runtime that the skill asks for.
        timeout, cpu, memory: In the words of the front matter.
        instructions: The Markdown below the front matter.
        entrypoint: Relative to `root`; empty for a skill of instructions only.
        root: The folder of the archive that holds SKILL.md, with its slash; empty for the top.
        input_schema, output_schema: JSON texts.
        packages: The file that names the packages that it asks for; empty for none.
    """

    name: str
    version: str
    description: str
    lang: str
    image: str
    runtime: str
    timeout: str
    cpu: str
    memory: str
    instructions: str
    entrypoint: str
    root: str
    input_schema: str
    output_schema: str
    packages: str

    @property
    def mode(self) -> str:
        return "executable" if self.entrypoint else "instructions"


@dataclass(frozen=True)
class Dependencies:
    """What became of the packages that a skill asks for.

    Attributes:
        status: `pending`, `ready` or `failed`; `none` when it asked for nothing after all.
        error: Why they failed.
    """

    status: str
    error: str = ""


@dataclass(frozen=True)
class StoredSkill:
    """A stored version.

    Attributes:
        digest: SHA-256 of the archive, in hexadecimal.
        created_at: When the version first came.
        updated_at: When its bytes last changed.
    """

    spec: SkillSpec
    digest: str
    size_bytes: int
    created_at: datetime
    updated_at: datetime

    @property
    def archive_key(self) -> str:
        return archive_key(self.digest)


@dataclass(frozen=True)
class SkillSummary:
    """A stored version as lists show it."""

    name: str
    version: str
    description: str
    lang: str


@dataclass(frozen=True)
class SkillFile:
    """A file in the archive of a version; `path` is relative to the folder of SKILL.md."""

    path: str
    size_bytes: int
    executable: bool


def archive_key(digest: str) -> str:
    """Returns the key under which an archive lies in the bucket of skills."""
    return f"archives/{digest}"
