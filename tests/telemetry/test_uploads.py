"""One upload is one trace, from the caller through the Registry to the packages that it needs."""

import asyncio
import io
import itertools
import uuid
import zipfile

from tests.support.packages import wheel
from tests.telemetry.conftest import Caller, Observed

UPLOAD = "skillbox.registry.v1.SkillRestService/UploadSkillRest"
PREPARE = "skillbox.executor.v1.DependencyService/PrepareDependencies"
ENSURE = "skillbox-executor dependencies.prepare"
BUILD = "skillbox-executor dependencies.build"
EXECUTION = "skillbox-executor execution"
STEPS = ["archive.receive", "archive.validate", "archive.store", "version.record"]
SKILL_MD = '---\nname: {}\nversion: "1.0.0"\ndescription: Greets.\n---\n'
MAIN = "import json, os; json.dump(1, open(os.environ['SANDBOX_OUTPUT'], 'w'))"


def archive(skill: str, requirements: str = "") -> bytes:
    """Returns a skill that brings a wheel which no other one has."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("SKILL.md", SKILL_MD.format(skill))
        packed.writestr("main.py", MAIN)
        if requirements:
            name, content = wheel("greeting", files={"greeting.py": uuid.uuid4().bytes})
            packed.writestr("requirements.txt", requirements)
            packed.writestr(f"wheels/{name}", content)
    return out.getvalue()


async def upload(observed: Observed, caller: Caller, content: bytes) -> int:
    async with observed.client.http() as http:
        headers = {"Content-Type": "application/zip", "traceparent": caller.traceparent}
        reply = await http.post("/v1/skills", content=content, headers=headers)
    return reply.status_code


async def test_the_steps_of_an_upload(observed: Observed, caller: Caller) -> None:
    assert await upload(observed, caller, archive("telemetry-upload")) == 201
    found = observed.trace(caller, f"skillbox-registry {UPLOAD}")
    gateway, rpc = found.pop("gateway"), found.pop(f"skillbox-registry {UPLOAD}")
    steps = [found.pop(f"skillbox-registry {name}") for name in STEPS]
    assert not found, "nothing else is in the trace"
    assert rpc.parent_id == gateway.span_id
    for before, after in itertools.pairwise(steps):
        assert before.start <= before.end <= after.start
    for step in steps:
        assert step.parent_id == rpc.span_id
        assert not step.failed
        assert step.attributes["skillbox.tenant.id"] == "default"
    for span in (rpc, *steps[2:]):
        assert span.attributes["skillbox.skill.name"] == "telemetry-upload"
        assert span.attributes["skillbox.skill.version"] == "1.0.0"


async def test_an_upload_that_is_refused(observed: Observed, caller: Caller) -> None:
    assert await upload(observed, caller, b"no archive") == 400
    found = observed.trace(caller, f"skillbox-registry {UPLOAD}")
    received = found["skillbox-registry archive.receive"]
    refused = found["skillbox-registry archive.validate"]
    assert not received.failed
    assert refused.failed
    assert refused.attributes["error.type"] == "INVALID_SKILL"
    assert "skillbox-registry archive.store" not in found


async def test_packages_of_an_upload(observed: Observed, caller: Caller) -> None:
    content = archive("telemetry-packages", "greeting==1.0")
    assert await upload(observed, caller, content) == 201
    names = (
        *(f"skillbox-registry {UPLOAD}", f"skillbox-registry {PREPARE}"),
        *(f"skillbox-executor {PREPARE}", ENSURE, BUILD),
    )
    found = observed.trace(caller, *names)
    uploaded, asked, answered, prepared, built = (found[name] for name in names)
    assert asked.parent_id == uploaded.span_id
    assert answered.parent_id == asked.span_id
    assert prepared.parent_id == answered.span_id
    assert built.parent_id == prepared.span_id
    assert prepared.start <= built.start < built.end <= prepared.end
    own = {name: built.attributes[name] for name in built.attributes if ".dependencies." in name}
    assert len(own.pop("skillbox.dependencies.key")) == 64
    assert own.pop("skillbox.dependencies.size") > 0
    assert own == {
        "skillbox.dependencies.language": "python",
        "skillbox.dependencies.outcome": "ready",
    }


async def test_packages_that_cannot_be_installed(observed: Observed, caller: Caller) -> None:
    content = archive("telemetry-no-packages", "greeting==2.0")
    assert await upload(observed, caller, content) == 201
    built = observed.trace(caller, BUILD)[BUILD]
    assert built.failed
    assert built.attributes["error.type"] == "DEPENDENCY_FAILED"
    assert built.attributes["skillbox.dependencies.outcome"] == "failed"


async def test_who_waits_for_another_has_a_link_to_it(observed: Observed) -> None:
    callers = [Caller(uuid.uuid4().hex, uuid.uuid4().hex[:16]) for _ in range(3)]
    await upload(observed, callers[0], archive("telemetry-shared", "greeting==1.0"))

    async def run(caller: Caller) -> None:
        async with observed.client.http() as http:
            reply = await http.post(
                "/v1/executions",
                json={"skill": "telemetry-shared"},
                headers={"traceparent": caller.traceparent},
            )
        assert reply.json()["status"] == "success", reply.text

    await asyncio.gather(*map(run, callers[1:]))
    traces = [observed.trace(caller, ENSURE) for caller in callers[:1]]
    traces += [observed.trace(caller, ENSURE, EXECUTION) for caller in callers[1:]]
    prepared = [trace[ENSURE] for trace in traces]
    # It ends before the span that it is a part of.
    built = [trace[BUILD] for trace in traces if BUILD in trace]
    for trace in traces[1:]:
        assert trace[ENSURE].parent_id == trace[EXECUTION].span_id
    # Whoever came first; the upload does not wait.
    assert len(built) == 1
    first = built[0].parent_id
    assert first in {span.span_id for span in prepared}
    links = {span.links for span in prepared if span.span_id != first}
    assert (first,) in links
    assert links <= {(first,), ()}, "who came when all was there waited for nobody"
