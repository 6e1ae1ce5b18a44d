"""What is counted of executions, as Prometheus and a collector get it."""

import re

import httpx
import pytest

from tests.e2e import skills
from tests.telemetry.conftest import Observed

PHASES = {"admission.wait", "skill.load", "sandbox.acquire", "sandbox.run", "artifacts.upload"}
SKILL = "telemetry-metrics"
CODE = """
import os, pathlib
print("x" * 99)
pathlib.Path(os.environ["SANDBOX_FILES_DIR"], "note.txt").write_text("y")
raise SystemExit(3 if "fail" in os.environ["SANDBOX_INPUT"] else 0)
"""


async def scrape(observed: Observed) -> dict[str, float]:
    """Returns what the Executor counts: name and labels to value."""
    async with httpx.AsyncClient(trust_env=False) as http:
        reply = await http.get(f"http://127.0.0.1:{observed.metrics_port + 2}/metrics")
    found = re.findall(r"^(skillbox_[^ ]+) ([0-9.e+-]+)$", reply.text, re.M)
    return {name: float(value) for name, value in found}


async def run(observed: Observed, word: str) -> str:
    return str((await observed.client.run(SKILL, input=word))["execution_id"])


@pytest.fixture(autouse=True)
async def _skill(observed: Observed) -> None:
    await observed.client.push(skills.skill(SKILL, "main.py", CODE))


async def test_what_is_counted_of_executions(observed: Observed) -> None:
    await run(observed, "warm up")
    before = await scrape(observed)
    ids = [await run(observed, word) for word in ("ok", "ok", "fail")]
    refused = await observed.client.run(SKILL, env={"LD_PRELOAD": "x"})
    assert refused["status"] == "failed"
    after = await scrape(observed)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert grown('skillbox_executions_total{reason="",status="success"}') == 2
    assert grown('skillbox_executions_total{reason="EXIT_CODE",status="failed"}') == 1
    assert grown('skillbox_executions_total{reason="ENVIRONMENT_REFUSED",status="failed"}') == 1
    for phase in PHASES:
        name = f'skillbox_execution_phase_duration_seconds_count{{phase="{phase}"}}'
        assert grown(name) == 3, phase
    assert grown('skillbox_execution_duration_seconds_count{status="success"}') == 2
    assert grown("skillbox_log_size_bytes_total") == 300
    assert grown("skillbox_artifact_size_bytes_total") > 0
    given = [
        grown(f'skillbox_pool_acquisitions_total{{start="{how}"}}') for how in ("warm", "cold")
    ]
    assert sum(given) == 3
    assert after["skillbox_queue_depth"] == 0
    assert after["skillbox_executions_held"] == 0
    assert after["skillbox_pool_idle"] >= 0
    for name in after:
        assert not [each for each in (*ids, SKILL, "default") if each in name], name


async def test_a_collector_gets_the_same(observed: Observed) -> None:
    await run(observed, "ok")
    expected = {
        "skillbox.executions",
        "skillbox.execution.duration",
        "skillbox.execution.phase.duration",
        "skillbox.executions.held",
        "skillbox.queue.depth",
        "skillbox.pool.idle",
        "skillbox.pool.acquisitions",
        "skillbox.log.size",
        "skillbox.artifact.size",
    }
    observed.collector.until(lambda: expected <= set(observed.collector.metrics))
