"""What a tenant's runs take while another tenant floods the same stack.

python -m benchmarks.fairness                       on bubblewrap
python -m benchmarks.fairness --engine docker/runc --quick
"""

import argparse
import asyncio
import io
import sys
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from multiprocessing import get_context

import psutil
from pydantic import SecretStr

from benchmarks import flood, load, raw
from benchmarks.flood import Flood, Flooded
from benchmarks.goals import BUBBLEWRAP
from benchmarks.stack import PYTHON, SKILL_MD
from benchmarks.stats import Row
from benchmarks.suite import DOCKER_HOST, ENGINES, Live, started
from skillbox_auth.api_key import digest, issue
from skillbox_auth.config import Settings
from skillbox_auth.main import SCHEMA
from skillbox_auth.store.postgres import PostgresApiKeyStore
from skillbox_common import db
from skillbox_executor.sandbox.docker_engine import connect

GOAL = 2.0
"""The quiet tenant's p95 during a flood, as a multiple of the same without one."""

FLOODS = {
    "short runs": Flood("short"),
    "runs that sleep": Flood("sleeper"),
    "runs that compute": Flood("spinner"),
    "full queue": Flood("short", leave=True),
    "full queue, no backing off": Flood("short", leave=True, polite=False),
}
_SKILLS = {
    "short": PYTHON,
    "sleeper": "import random, time\ntime.sleep(random.uniform(1, 2))\n",
    "spinner": "import time\nend = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass\n",
}
_SHORTEST_INTERVAL_S = 0.35
_STARTS = 4
_HEAD_START_S = 4.0
_SETTLE_S = 2.0


async def fairness(
    live: Live, floods: Mapping[str, Flood], runs: int, rounds: int, interval: float
) -> dict[str, tuple[Row, Row, Flooded]]:
    """Returns the quiet tenant's runs without and with each flood, and what that came to.

    Args:
        interval: Seconds between two runs of the quiet tenant.
    """
    case = live.calls.rest()
    key = await _second_tenant(live)
    found = {name: (Row(), Row(), Flooded()) for name in floods}
    seconds = runs * interval
    processes = ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1)
    with processes:
        await load.staggered(case, Row(), 10, interval)
        for _ in range(rounds):
            for name, each in floods.items():
                quiet, flooded, total = found[name]
                await load.staggered(case, quiet, runs, interval)
                flooding = partial(flood.run, each, live.stack.url, key, _HEAD_START_S + seconds)
                async with _beside(processes, flooding, total):
                    await load.staggered(case, flooded, runs, interval)
                await asyncio.sleep(_SETTLE_S)
    return found


async def quiet_interval(engine: str) -> float:
    """Returns seconds between two runs that leave the machine calm: twice what a raw box takes.

    Whoever keeps an engine busy all the time is no quiet tenant.
    """
    if engine == BUBBLEWRAP:
        return _SHORTEST_INTERVAL_S
    async with connect(DOCKER_HOST) as docker:
        raw_box = raw.engine_api(docker, ENGINES[engine][1].get("SKILLBOX_OCI_RUNTIME", "runc"))
        row = Row()
        for _ in range(_STARTS):
            await load.once(raw_box, row)
    return max(_SHORTEST_INTERVAL_S, 2 * row.figures()["p50"] / 1000)


@asynccontextmanager
async def _beside(
    processes: Executor, flooding: Callable[[], Flooded], total: Flooded
) -> AsyncIterator[None]:
    """Floods from shortly before the context is entered until after it is left."""
    done = asyncio.get_running_loop().run_in_executor(processes, flooding)
    await asyncio.sleep(_HEAD_START_S)
    yield
    part = await done
    total.accepted += part.accepted
    total.refused += part.refused
    total.failures += part.failures


async def _second_tenant(live: Live) -> str:
    """Makes a tenant with the skills of the floods; returns its key."""
    services = psutil.Process(live.stack.pids["auth"]).environ()
    settings = Settings(db_dsn=SecretStr(services["SKILLBOX_DB_DSN"]))
    key = issue(tenant_id="flooder", name="flood", scopes=["admin"])
    async with db.connect(settings, SCHEMA) as pool:
        await PostgresApiKeyStore(pool).insert(key.key, digest(key.secret))
    for name, source in _SKILLS.items():
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("SKILL.md", SKILL_MD.replace("bench", name))
            archive.writestr("main.py", source)
        headers = {"Content-Type": "application/zip", "Authorization": f"Bearer {key.secret}"}
        async with live.calls.http.post(
            "/v1/skills", data=out.getvalue(), headers=headers
        ) as reply:
            reply.raise_for_status()
    return key.secret


def show(found: Mapping[str, tuple[Row, Row, Flooded]], seconds: float) -> bool:
    """Prints a table; tells whether every row reaches the goal.

    Args:
        seconds: How long each flood was.
    """
    print(
        f"{'flood':28}{'quiet p50':>10}{'p95':>7}{'flooded p50':>13}{'p95':>7}{'warm':>6}"
        f"{'ratio':>7}{'flooder/s':>11}{'429':>7}  goal {GOAL:g}"
    )
    reached = True
    for name, (quiet, flooded, total) in found.items():
        before, after = quiet.figures(), flooded.figures()
        problems = [*quiet.failures, *flooded.failures, *total.failures]
        ratio = after.get("p95", float("inf")) / before["p95"]
        good = ratio <= GOAL and not problems
        reached &= good
        print(
            f"{name:28}{before['p50']:10.1f}{before['p95']:7.1f}{after.get('p50', 0):13.1f}"
            f"{after.get('p95', 0):7.1f}{after.get('warm', 0):6.2f}{ratio:7.2f}"
            f"{total.accepted / seconds:11.1f}{total.refused:7}  "
            f"{'reached' if good else 'NOT REACHED'}",
            *(f"{len(problems)} failed: {each}" for each in problems[:1]),
        )
    return reached


async def _measure(engine: str, names: list[str], runs: int, rounds: int) -> bool:
    interval = await quiet_interval(engine)
    print(f"a run of the quiet tenant every {interval:.2f} s", file=sys.stderr)
    async with started(engine, SKILLBOX_MAX_QUEUE="200") as live:
        floods = {name: FLOODS[name] for name in names}
        found = await fairness(live, floods, runs, rounds, interval)
    return show(found, rounds * (runs * interval + _HEAD_START_S))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, default=BUBBLEWRAP)
    parser.add_argument("--quick", action="store_true", help="few runs")
    parser.add_argument("--only", nargs="+", choices=FLOODS, default=list(FLOODS))
    arguments = parser.parse_args()
    runs, rounds = (20, 1) if arguments.quick else (40, 3)
    sys.exit(not asyncio.run(_measure(arguments.engine, arguments.only, runs, rounds)))


if __name__ == "__main__":
    main()
