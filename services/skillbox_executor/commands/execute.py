"""The phases of an execution, from its work to what it leaves."""

import asyncio
from dataclasses import replace

from skillbox_executor import schemas
from skillbox_executor.bundles import Bundles, BundleUnavailable
from skillbox_executor.commands.run_in_sandbox import Boxes, Finished, Observer, run_in_sandbox
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.dependencies.dependencies import Dependencies
from skillbox_executor.domain import Reason, Refused, Status
from skillbox_executor.plan import make_plan
from skillbox_executor.sandbox.interface import Driver
from skillbox_executor.telemetry import phase
from skillbox_executor.work import Work


class Execute:
    """Does what an execution is about. Knows nothing of queues and records."""

    def __init__(
        self,
        *,
        settings: ExecutorSettings,
        bundles: Bundles,
        dependencies: Dependencies,
        driver: Driver,
        boxes: Boxes,
    ) -> None:
        self._settings = settings
        self._bundles = bundles
        self._dependencies = dependencies
        self._driver = driver
        self._boxes = boxes

    async def __call__(self, work: Work, observer: Observer) -> Finished:
        """Loads the skill, runs it in a box and checks what comes out.

        Raises:
            Refused: It may not run, or there is nothing to run.
            DependencyUnavailable: The object store does not answer.
        """
        request, skill = work.request, work.skill
        try:
            with phase("skill.load"):
                bundle = await self._bundles.get(skill.archive_key, skill.root)
        except BundleUnavailable as error:
            raise Refused(Reason.SKILL_NOT_LOADED, f"loading skill: {error}") from error
        plan = make_plan(request, skill, bundle, self._settings)
        await _check_schema(skill.input_schema, request.input_json, Reason.INVALID_INPUT, "input")
        plan = await self._dependencies.planned(plan, bundle, skill.archive_key)
        finished = await run_in_sandbox(self._driver, self._boxes, plan, observer)
        if finished.outcome.status is not Status.SUCCESS:
            return finished
        return await _with_output_checked(finished, skill.output_schema)


async def _with_output_checked(finished: Finished, schema: str) -> Finished:
    outcome = finished.outcome
    document = outcome.output_json or "null"
    try:
        await _check_schema(schema, document, Reason.INVALID_OUTPUT, "output")
    except Refused as error:
        failed = replace(outcome, status=Status.FAILED, reason=error.reason, error=str(error))
        return replace(finished, outcome=failed)
    return finished


async def _check_schema(schema: str, document: str, reason: Reason, name: str) -> None:
    if not schema:
        return
    try:
        await asyncio.to_thread(schemas.check, schema, document)
    except schemas.SchemaViolation as error:
        raise Refused(reason, f"{name} does not satisfy the {name} schema: {error}") from error
