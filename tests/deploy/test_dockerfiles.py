"""What the Dockerfiles of the roles have in common is the same in all of them."""

import re
from pathlib import Path

import pytest

from tests.deploy.compose_stack import ROOT

ROLES = {
    path.name.removesuffix(".Dockerfile"): path.read_text()
    for path in (ROOT / "deploy/images").glob("*.Dockerfile")
}
_COMPOSE = (ROOT / "deploy/compose/compose.yaml").read_text()
WITH_CODE = ROLES.keys() - {"postgres", "object-store"}


def instructions(role: str) -> list[str]:
    """Returns the instructions with their arguments, one line each."""
    joined = ROLES[role].replace("\\\n", " ")
    lines = (re.sub(r"\s+", " ", line).strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def stages(role: str) -> list[list[str]]:
    found: list[list[str]] = []
    for line in instructions(role):
        if line.startswith("FROM "):
            found.append([])
        if found:
            found[-1].append(line)
    return found


def test_every_role_has_one() -> None:
    named = set(re.findall(r"deploy/images/([\w-]+)\.Dockerfile", _COMPOSE))
    # Postgres has one for machines that cannot pull it.
    assert named == ROLES.keys() - {"postgres"}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_last_stage(role: str) -> None:
    last = stages(role)[-1]
    users = [line for line in last if line.startswith("USER ")]
    assert users[-1] == "USER 65532:65532"
    assert f'org.opencontainers.image.title="skillbox-{role}"' in " ".join(last)
    # The command line is no server; Postgres has its check in the Compose file, for other images.
    has_check = any(line.startswith("HEALTHCHECK ") for line in last)
    assert has_check is (role not in {"cli", "postgres"})


@pytest.mark.parametrize("role", sorted(WITH_CODE))
def test_stages_of_the_build_are_shared(role: str) -> None:
    """Else each role would take packages and the wheel anew: layers are shared by their text."""
    assert stages(role)[:2] == stages("auth")[:2]


@pytest.mark.parametrize("role", sorted(ROLES))
def test_nothing_of_buildkit(role: str) -> None:
    """Docker 20.10 builds without it by default."""
    assert not re.search(r"^# *syntax=|--mount=|--link|<<|--start-interval", ROLES[role], re.M)


def test_scripts_are_there() -> None:
    for role, text in ROLES.items():
        for name in re.findall(r"deploy/images/([\w.-]+)", text):
            assert Path(ROOT, "deploy/images", name).exists(), (role, name)
