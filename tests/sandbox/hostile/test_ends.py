"""The typed ends that no skill can bring about, in every sandbox; the others are in the table."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from skillbox_executor.sandbox import bubblewrap_command, stream
from skillbox_executor.sandbox.docker import DockerDriver
from skillbox_executor.sandbox.interface import EngineUnavailable, Language
from tests.sandbox.hostile.arena import Arena
from tests.sandbox.hostile.attack import (
    ARTIFACT_LIMIT,
    BUBBLEWRAP,
    ENGINE_LOST,
    EXIT_CODE,
    GVISOR,
    INVALID_OUTPUT,
    OUT_OF_MEMORY,
    OUTPUT_LIMIT,
    PYTHON,
    RUNC,
    RUNNER_FAULT,
    SANDBOXES,
    SIGNAL,
    SUCCESS,
    TIME_LIMIT,
)
from tests.sandbox.hostile.attacks import ATTACKS
from tests.sandbox.skills import payload

IMAGE_MISSING = "failed IMAGE_MISSING"
HOST_KERNEL = Path("/proc/version").read_text()
WELL = payload(PYTHON, "print('well')")


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_the_table_has_every_end_that_a_skill_can_have(sandbox: str) -> None:
    found: set[str] = set()
    for group in ATTACKS.values():
        for attack in group:
            for language in attack.scripts:
                found.update(attack.ends(sandbox, language))
    assert found >= {
        *(SUCCESS, EXIT_CODE, SIGNAL, TIME_LIMIT, OUT_OF_MEMORY, OUTPUT_LIMIT, ARTIFACT_LIMIT),
        INVALID_OUTPUT,
    }


async def test_an_image_that_is_missing(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap_command, "BOX_PATH", "/no/such/folder")
    profile = replace(arena.profile(PYTHON), image="no-such-image:1")
    seen = await arena.run(profile, WELL)
    assert seen.end == IMAGE_MISSING
    assert await arena.traces() == []


async def test_an_engine_that_does_not_make_the_box(
    arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    if arena.name == BUBBLEWRAP:
        monkeypatch.setattr(bubblewrap_command, "LAUNCHER_PATH", "/no/such/folder")
        profile = arena.profile(PYTHON)
    else:
        profile = replace(arena.profile(PYTHON), runtime="no-such-runtime")
    seen = await arena.run(profile, WELL)
    assert seen.end == ENGINE_LOST
    assert await arena.traces() == []


@pytest.mark.parametrize("language", Language)
async def test_a_runner_that_fails(
    arena: Arena, language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "header", lambda language, payload: b"no header")
    seen = await arena.run(arena.profile(language), payload(language, ""))
    assert seen.end == RUNNER_FAULT
    assert await arena.traces() == []


async def test_a_runtime_that_is_missing_is_noticed_at_once(docker_host: str) -> None:
    driver = DockerDriver(docker_host, "nobody", runtimes=("runc", "no-such-runtime"))
    with pytest.raises(EngineUnavailable, match="no OCI runtime 'no-such-runtime'"):
        await driver.check()
    await driver.close()


async def test_each_sandbox_is_what_it_says(arena: Arena) -> None:
    """The evidence is checked in each run; this is what a skill itself sees of the kernel."""
    script = payload(PYTHON, "print(open('/proc/version').read())")
    seen, again = await asyncio.gather(
        arena.run(arena.profile(PYTHON), script), arena.run(arena.profile(PYTHON), script)
    )
    assert seen.log == again.log
    assert (HOST_KERNEL in seen.log) is (arena.name != GVISOR)


async def test_every_control_is_in_the_evidence(arena: Arena) -> None:
    box = await arena.driver.prepare(arena.profile(PYTHON))
    try:
        evidence = await arena.driver.evidence(box)
    finally:
        await arena.driver.destroy(box)
    controls = {control.name: control.value for control in evidence.controls if control.applied}
    assert controls.keys() >= {
        *("network", "capabilities", "read_only_root", "writable", "pids", "no_new_privileges"),
        *("seccomp", "user", "memory", "cpus"),
    }
    runtimes = {RUNC: "runc", GVISOR: "runsc", BUBBLEWRAP: "bwrap"}
    assert evidence.runtime == runtimes[arena.name]
    assert controls.get("runtime", evidence.runtime) == evidence.runtime
