"""Which OCI runtime a skill gets, and when its run is refused instead."""

from dataclasses import replace

import pytest

from skillbox_common.config import ConfigurationError, dump, load
from skillbox_executor import runtimes
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.domain import Reason, Refused, RunRequest
from skillbox_executor.plan import check_policy, make_plan
from tests.unit.executor.test_plan import BUNDLE, SETTINGS, SKILL

OFFERED = {"oci_runtimes": "runsc,kata"}
DEMANDED = {"runtime_policy": "acme/trusted-*=runc,acme/*=runsc,*/other=kata"}


def settings(given: dict[str, str]) -> ExecutorSettings:
    return ExecutorSettings(**{**SETTINGS.model_dump(exclude_unset=True), **given})


@pytest.mark.parametrize(
    ("given", "asked", "name", "expected"),
    [
        ({}, "", "acme/s", "runc"),
        ({}, "runc", "acme/s", "runc"),
        ({"oci_runtime": "runsc"}, "", "acme/s", "runsc"),
        ({"oci_runtime": "runsc"}, "runsc", "acme/s", "runsc"),
        (OFFERED, "", "acme/s", "runc"),
        (OFFERED, "runsc", "acme/s", "runsc"),
        (OFFERED, "kata", "acme/s", "kata"),
        (DEMANDED, "", "acme/s", "runsc"),
        (DEMANDED, "runsc", "acme/s", "runsc"),
        (DEMANDED, "", "acme/trusted-s", "runc"),
        (DEMANDED, "", "beta/other", "kata"),
        (DEMANDED, "", "beta/s", "runc"),
        # The first rule counts, not the strongest.
        (DEMANDED, "", "acme/other", "runsc"),
        # What is demanded need not be offered to all.
        ({"oci_runtimes": "kata", **DEMANDED}, "runsc", "acme/s", "runsc"),
        ({"sandbox": "bubblewrap"}, "", "acme/s", "runc"),
        ({"sandbox": "bubblewrap", **OFFERED}, "", "acme/s", "runc"),
        ({"sandbox": "bubblewrap", **DEMANDED}, "", "beta/s", "runc"),
    ],
)
def test_the_runtime(given: dict[str, str], asked: str, name: str, expected: str) -> None:
    tenant, _, skill_name = name.partition("/")
    skill = replace(SKILL, tenant_id=tenant, name=skill_name, runtime=asked)
    plan = make_plan(RunRequest(skill_name), skill, BUNDLE, settings(given))
    assert plan.profile.runtime == expected
    assert expected in runtimes.possible(settings(given))


@pytest.mark.parametrize(
    ("given", "asked", "refused", "because"),
    [
        ({}, "runsc", "runsc", "this server offers runc"),
        ({}, "RUNC", "RUNC", "this server offers runc"),
        ({"oci_runtime": "runsc"}, "runc", "runc", "this server offers runsc"),
        (OFFERED, "crun", "crun", "this server offers runc, runsc, kata"),
        # A skill's own wish does not weaken the policy, nor does the policy change the wish.
        (DEMANDED, "runc", "runc", "the operator demands runsc for this skill"),
        ({**OFFERED, **DEMANDED}, "kata", "kata", "the operator demands runsc for this skill"),
        ({"sandbox": "bubblewrap"}, "runc", "runc", "bubblewrap has no OCI runtimes"),
        ({"sandbox": "bubblewrap", **OFFERED}, "runsc", "runsc", "bubblewrap has no OCI runtimes"),
        ({"sandbox": "bubblewrap", **DEMANDED}, "", "runsc", "bubblewrap has no OCI runtimes"),
        (
            {"sandbox": "bubblewrap", "oci_runtime": "runsc"},
            "",
            "runsc",
            "bubblewrap has no OCI runtimes",
        ),
    ],
)
def test_a_refusal(given: dict[str, str], asked: str, refused: str, because: str) -> None:
    skill = replace(SKILL, tenant_id="acme", runtime=asked)
    with pytest.raises(Refused) as caught:
        check_policy(RunRequest("s"), skill, settings(given))
    assert caught.value.reason is Reason.RUNTIME_NOT_ALLOWED
    assert str(caught.value) == f'runtime validation: "{refused}" is not allowed: {because}'


def test_every_runtime_that_a_box_may_get_is_known() -> None:
    given = settings({**OFFERED, **DEMANDED, "oci_runtime": "crun"})
    assert runtimes.possible(given) == ("crun", "runsc", "kata", "runc")


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("DB_DSN", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY"):
        monkeypatch.setenv(f"SKILLBOX_{name}", "x")
    return monkeypatch


def test_settings_are_read_and_shown(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("SKILLBOX_OCI_RUNTIMES", "runsc, kata")
    variables.setenv("SKILLBOX_RUNTIME_POLICY", "acme/a=b=runsc, */*=kata")
    read = load(ExecutorSettings)
    assert read.oci_runtimes == ("runsc", "kata")
    assert read.runtime_policy == (runtimes.Rule("acme/a=b", "runsc"), runtimes.Rule("*/*", "kata"))
    assert '"pattern": "*/*"' in dump(read)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("OCI_RUNTIMES", "runsc,", "'': expected the name of an OCI runtime such as runsc"),
        ("OCI_RUNTIMES", "a b", "'a b': expected the name"),
        ("RUNTIME_POLICY", "acme/*", "'acme/*': expected TENANT/SKILL=RUNTIME"),
        ("RUNTIME_POLICY", "*=runsc", "'*=runsc': expected TENANT/SKILL=RUNTIME"),
        ("RUNTIME_POLICY", "acme/*=", "'': expected the name of an OCI runtime"),
    ],
)
def test_settings_that_are_not_valid_say_why(
    variables: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    variables.setenv(f"SKILLBOX_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        load(ExecutorSettings)
    assert f"SKILLBOX_{name}={value!r}: " in str(caught.value)
    assert expected in str(caught.value)
