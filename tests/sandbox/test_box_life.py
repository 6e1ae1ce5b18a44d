"""From `prepare` to `destroy`: ends that nobody planned, and what is left after them: nothing."""

import asyncio
from dataclasses import replace

import pytest

from skillbox_executor.sandbox import stream
from skillbox_executor.sandbox.frames import End, Frame, Output
from skillbox_executor.sandbox.interface import (
    Box,
    BoxLost,
    Language,
    Payload,
    RunnerFault,
)
from tests.sandbox.skills import LIMITS, MIB, Bench, payload

PYTHON, NODE, BASH = Language.PYTHON, Language.NODE, Language.BASH
every_language = pytest.mark.parametrize("language", [PYTHON, NODE, BASH])
FOREVER = {
    PYTHON: "import time; print('up'); time.sleep(600)",
    NODE: "console.log('up'); setTimeout(() => {}, 600000)",
    BASH: "echo up; sleep 600",
}


async def test_a_driver_that_works_says_so(bench: Bench) -> None:
    await bench.driver.check()


@every_language
async def test_the_evidence_names_every_control(bench: Bench, language: Language) -> None:
    async with bench.box(language) as box:
        evidence = await bench.driver.evidence(box)
    assert (evidence.driver, evidence.box_id) == (bench.driver.name, box.id)
    assert evidence.image == bench.images[language]
    applied = {control.name for control in evidence.controls if control.applied}
    assert applied >= {
        "network",
        "capabilities",
        "read_only_root",
        "writable",
        "pids",
        "no_new_privileges",
        "seccomp",
        "user",
        "memory",
        "cpus",
    }


async def until_printed(bench: Bench, box: Box, what: Payload, seen: asyncio.Event) -> list[Frame]:
    frames = []
    async for frame in bench.driver.run(box, what):
        frames.append(frame)
        seen.set()
    return frames


@every_language
async def test_destroying_a_box_ends_its_run(bench: Bench, language: Language) -> None:
    up = asyncio.Event()
    async with bench.box(language) as box:
        run = asyncio.create_task(
            until_printed(bench, box, payload(language, FOREVER[language]), up)
        )
        await asyncio.wait_for(up.wait(), 20)
        await bench.driver.destroy(box)
        with pytest.raises(BoxLost, match="the box was destroyed"):
            await asyncio.wait_for(run, 10)


async def test_a_run_that_is_given_up_can_be_destroyed(bench: Bench) -> None:
    async with bench.box(PYTHON) as box:
        async for frame in bench.driver.run(box, payload(PYTHON, FOREVER[PYTHON])):
            assert isinstance(frame, Output)
            break


async def test_a_cancelled_run_can_be_destroyed(bench: Bench) -> None:
    async with bench.box(PYTHON) as box:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await bench.run_in(box, payload(PYTHON, FOREVER[PYTHON]))


async def test_a_box_may_be_destroyed_unused_twice_and_at_once(bench: Bench) -> None:
    box = await bench.driver.prepare(bench.profile(PYTHON))
    await asyncio.gather(*(bench.driver.destroy(box) for _ in range(3)))
    await bench.driver.destroy(box)


async def test_a_box_is_alive_until_it_is_destroyed(bench: Bench) -> None:
    box = await bench.driver.prepare(bench.profile(PYTHON))
    assert bench.driver.alive(box)
    await bench.driver.destroy(box)
    assert not bench.driver.alive(box)


async def test_a_cancelled_destroy_goes_on(bench: Bench) -> None:
    box = await bench.driver.prepare(bench.profile(PYTHON))
    destroying = asyncio.create_task(bench.driver.destroy(box))
    await asyncio.sleep(0)
    destroying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await destroying
    await bench.driver.destroy(box)  # that nothing is left is asserted after each test


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.05, 0.15])
async def test_a_cancelled_prepare_leaves_nothing(bench: Bench, delay: float) -> None:
    preparing = asyncio.create_task(bench.driver.prepare(bench.profile(PYTHON)))
    await asyncio.sleep(delay)
    if preparing.cancel():
        with pytest.raises(asyncio.CancelledError):
            await preparing


async def test_closing_the_driver_destroys_its_boxes(bench: Bench) -> None:
    boxes = [await bench.driver.prepare(bench.profile(PYTHON)) for _ in range(2)]
    up = asyncio.Event()
    run = asyncio.create_task(until_printed(bench, boxes[0], payload(PYTHON, FOREVER[PYTHON]), up))
    await asyncio.wait_for(up.wait(), 20)
    await asyncio.wait_for(bench.driver.close(), 20)
    with pytest.raises(BoxLost):
        await asyncio.wait_for(run, 20)


async def test_whoever_survives_can_reap_for_the_dead(bench: Bench) -> None:
    dead = bench.make(f"{bench.owner}-dead")
    await dead.prepare(bench.profile(PYTHON))
    mine = await bench.driver.prepare(bench.profile(PYTHON))
    try:
        assert await bench.driver.reap(f"{bench.owner}-nobody") == 0
        assert await bench.driver.reap(f"{bench.owner}-dead") == 1
        assert await bench.driver.reap(f"{bench.owner}-dead") == 0
        assert bench.driver.alive(mine)
    finally:
        await dead.close()
        await bench.driver.destroy(mine)


async def test_boxes_do_not_see_each_other(bench: Bench) -> None:
    script = """
import os, sys, time
for path in ("/tmp/mark", "/sandbox/mark", "/dev/shm/mark", "/root/mark"):
    assert not os.path.exists(path), path
    open(path, "w").write(sys.argv[1])
time.sleep(0.3)
print(sys.argv[1], open("/tmp/mark").read(), len([p for p in os.listdir("/proc") if p.isdigit()]))
"""
    names = ["a", "b", "c"]
    runs = await asyncio.gather(*(bench.run(PYTHON, script, name) for name in names))
    assert [ran.ok() for ran in runs] == [f"{name} {name} 2\n" for name in names]


async def test_only_boxes_that_were_left_behind_are_reaped(bench: Bench) -> None:
    successor = bench.make(bench.owner)
    stranger = bench.make(f"{bench.owner}-other")
    await bench.driver.prepare(bench.profile(PYTHON))
    mine = await successor.prepare(bench.profile(PYTHON))
    try:
        assert await stranger.reap() == 0
        assert await successor.reap() == 1
        assert await successor.reap() == 0
        async for frame in successor.run(mine, payload(PYTHON, "print('yes')")):
            end = frame
        assert end == End(exit_code=0)
    finally:
        await successor.close()
        await stranger.close()


@every_language
async def test_a_header_that_is_none_is_a_fault_of_the_runner(
    bench: Bench, language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "header", lambda language, payload: b"no header")
    async with bench.box(language) as box:
        with pytest.raises(RunnerFault, match="runner"):
            await bench.run_in(box, payload(language, FOREVER[language]))


@every_language
async def test_a_tar_that_is_none_is_a_fault_of_the_runner(
    bench: Bench, language: Language
) -> None:
    what = replace(payload(language, ""), tar=[b"no tar at all" * 10_240])
    async with bench.box(language) as box:
        with pytest.raises(RunnerFault, match="runner"):
            await bench.run_in(box, what)


@every_language
async def test_a_tar_larger_than_the_box_is_a_fault_of_the_runner(
    bench: Bench, language: Language
) -> None:
    small = replace(LIMITS, sandbox_bytes=MIB)
    what = payload(language, FOREVER[language], files={"big": bytes(4 * MIB)})
    async with bench.box(language, small) as box:
        with pytest.raises((RunnerFault, BoxLost)):
            await bench.run_in(box, what)


@every_language
async def test_a_large_payload_arrives(bench: Bench, language: Language) -> None:
    count = {
        PYTHON: "import os; print(os.path.getsize('big'))",
        NODE: "console.log(require('fs').statSync('big').size)",
        BASH: "stat -c %s big",
    }
    ran = await bench.run(language, count[language], files={"big": bytes(30 * MIB)})
    assert ran.ok() == f"{30 * MIB}\n"


@every_language
async def test_a_memory_bomb_is_told_from_a_kill(bench: Bench, language: Language) -> None:
    limits = replace(LIMITS, memory_bytes=96 * MIB)
    bombs = {
        PYTHON: "x = bytearray(400 << 20)",
        NODE: "const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1));",
        BASH: "x=$(head -c 400000000 /dev/zero | tr '\\0' x)",
    }
    kills = {
        PYTHON: "import os; os.kill(os.getpid(), 9)",
        NODE: "process.kill(process.pid, 'SIGKILL')",
        BASH: "kill -9 $$",
    }
    for scripts, expected in ((bombs, True), (kills, False)):
        async with bench.box(language, limits) as box:
            ran = await bench.run_in(box, payload(language, scripts[language]))
            assert ran.end in (End(signal=9), End(exit_code=137))
            assert await bench.driver.out_of_memory(box) is expected


async def test_a_child_that_runs_out_of_memory_is_noticed(bench: Bench) -> None:
    script = "import os; print(os.system('python3 -c \"x = bytearray(400 << 20)\"'))"
    async with bench.box(PYTHON, replace(LIMITS, memory_bytes=96 * MIB)) as box:
        ran = await bench.run_in(box, payload(PYTHON, script))
        assert ran.end == End(exit_code=0)
        assert await bench.driver.out_of_memory(box)


@every_language
async def test_a_fork_bomb_stays_in_its_box(bench: Bench, language: Language) -> None:
    bomb = "b() { b | b & }; b; sleep 1"
    scripts = {
        PYTHON: "import os, time\nend = time.time() + 1\n"
        "while time.time() < end:\n try: os.fork()\n except OSError: pass\n",
        NODE: f"require('child_process').spawnSync('sh', ['-c', {bomb!r}])",
        BASH: f"exec sh -c '{bomb}'",  # Bash itself would wait for room, for 15 seconds
    }
    limits = replace(LIMITS, pids=32)
    async with bench.box(language, limits) as box:
        try:
            ran = await asyncio.wait_for(
                bench.run_in(box, payload(language, scripts[language])), 20
            )
            assert (ran.end.exit_code is None) != (ran.end.signal is None)
        except (BoxLost, RunnerFault):
            pass  # the runner may be among what finds no room
    assert (await bench.run(PYTHON, "print('well')")).ok() == "well\n"


@every_language
async def test_the_runner_cannot_be_killed(bench: Bench, language: Language) -> None:
    kill = "for s in HUP INT QUIT KILL USR1 USR2 PIPE TERM STOP CHLD; do kill -$s 1; done"
    scripts = {
        PYTHON: f"import os; os.system({kill!r}); print('alive')",
        NODE: f"require('child_process').execSync({kill!r}); console.log('alive')",
        BASH: f"{kill}; echo alive",
    }
    assert (await bench.run(language, scripts[language])).ok() == "alive\n"


@every_language
async def test_a_skill_that_kills_all_it_can_still_has_an_end(
    bench: Bench, language: Language
) -> None:
    # In Bash that is also what relays its output.
    scripts = {
        PYTHON: "import os, time\nos.kill(-1, 9) if os.fork() else time.sleep(60)",
        NODE: "require('child_process').spawn('sleep', ['60']); process.kill(-1, 'SIGKILL')",
        BASH: "sleep 60 & kill -9 -1",
    }
    ran = await bench.run(language, scripts[language])
    # 141 is Bash that wants to say so, with nobody there to read.
    assert ran.end in (End(exit_code=0), End(signal=9), End(exit_code=137), End(exit_code=141))


async def test_a_python_runner_cannot_be_traced_or_impersonated(bench: Bench) -> None:
    script = """
import ctypes, os
for path in ("/proc/1/fd/1", "/proc/1/mem", "/proc/1/environ"):
    try: open(path, "wb" if path.endswith("1") else "rb"); print("opened", path)
    except OSError: pass
print(ctypes.CDLL(None).ptrace(16, 1, 0, 0))
"""
    assert (await bench.run(PYTHON, script)).ok() == "-1\n"
