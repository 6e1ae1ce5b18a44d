"""Under steady load something fails; afterwards every accepted execution has a truthful end.

`make faults` runs the long list, `make test` the quick ones.
"""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.e2e.waiting import until
from tests.faults import verdict
from tests.faults.faults import FAULTS, Fault
from tests.faults.leaks import held
from tests.faults.load import ARCHIVE, SKILL, steady
from tests.faults.site import REPLICAS, Site
from tests.faults.stacks import STACKS
from tests.faults.verdict import Verdict

_ALL = bool(os.environ.get("SKILLBOX_TEST_ALL_FAULTS"))
_CHOSEN = [each for each in FAULTS if each.quick or _ALL]
_MARKS = {"docker": pytest.mark.docker}
# One run of each executor has just begun and will not end before the fault.
_BUSY = """
SELECT count(DISTINCT owner) AS executors FROM executor.executions
WHERE status = 'running' AND started_at > clock_timestamp() - interval '0.5 s'
"""

Say = Callable[[str], None]
GoTo = Callable[[str], Awaitable[Site]]


@pytest.fixture(scope="module")
def say(request: pytest.FixtureRequest) -> Say:
    """Prints, whatever is captured."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}", end="", flush=True)

    return say


@pytest.fixture(scope="module")
def total(say: Say) -> Iterator[Verdict]:
    """Prints the head of the table now, and its last line at the end."""
    total = Verdict("total")
    say(total.HEADER)
    yield total
    say(f"{total.row()}\n")


@pytest.fixture(scope="module")
async def go_to() -> AsyncIterator[GoTo]:
    """Returns a stack with the skill that the load runs; there is one at a time."""
    sites: dict[str, Site] = {}
    async with AsyncExitStack() as stack:

        async def go_to(name: str) -> Site:
            if name not in sites:
                sites.clear()
                await stack.aclose()
                site = await stack.enter_async_context(STACKS[name]())
                await site.client.push(ARCHIVE)
                assert (await site.client.run(SKILL, input={"number": -1}))["status"] == "success"
                sites[name] = site
            return sites[name]

        yield go_to


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(each, id=each.name, marks=_MARKS.get(each.stack, pytest.mark.bubblewrap))
        for each in _CHOSEN
    ],
)
async def test_fault(go_to: GoTo, fault: Fault, total: Verdict, say: Say) -> None:
    site = await go_to(fault.stack)
    await verdict.forget(site)
    before = held(site)
    async with steady(site.client) as load:
        await until(lambda: under_load(site))
        await fault.inflict(site)
        over = time.monotonic()
        await until(site.healthy, seconds=verdict.RECOVERY_S)
        # Life goes on: what is asked for from now on succeeds.
        assert (await site.client.run(SKILL, input={"number": -1}))["status"] == "success"
    found = await verdict.judge(fault.name, site, load, over, before)
    total.add(found)
    say(found.row())
    assert not found.problems, found.problems
    assert found.ends["success"] > 4
    if fault.harmless:
        assert set(found.ends) == {"success"}
    if fault.hits == "callers":
        assert found.troubled, "it hit nobody"
    elif fault.hits:
        assert found.ends[fault.hits], f"it hit nobody: {found.ends}"


async def under_load(site: Site) -> bool:
    """Says whether runs have ended well, and each executor has just begun another one."""
    (done,) = await site.fetch("SELECT count(*) FROM executor.executions WHERE status = 'success'")
    (busy,) = await site.fetch(_BUSY)
    return bool(done["count"] >= 4 and busy["executors"] == REPLICAS)
