"""The faults: a row for each, which says whom it must hit."""

from dataclasses import dataclass

from tests.faults.breaking import (
    Inflict,
    cut,
    cut_off_postgres,
    full_disk,
    full_disk_and_kill,
    hang,
    hang_engine,
    jump,
    kill,
    kill_engine,
    kill_engine_for_long,
    nothing,
    restart,
    slow,
)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong and is over when `inflict` returns.

    Those of one stack stand together: it is started once.

    Attributes:
        stack: One of `stacks.STACKS`.
        quick: Whether `make test` has the time for it.
        hits: An end that it must have caused, or `callers` when some must have been refused or
            kept waiting. So we know that it hit somebody.
        harmless: Whether every execution has to succeed all the same.
    """

    name: str
    inflict: Inflict
    stack: str = "bubblewrap"
    quick: bool = True
    hits: str = ""
    harmless: bool = False


FAULTS = (
    Fault("none", nothing, quick=False, harmless=True),
    Fault("kill executor", kill("executor"), quick=False, hits="EXECUTOR_LOST"),
    Fault("kill every executor", kill("executor", every=True), hits="EXECUTOR_LOST"),
    Fault("restart executors", restart("executor"), harmless=True),
    Fault("hang executors", hang("executor", 15), quick=False, hits="callers"),
    Fault("kill registry", kill("registry", every=True), quick=False, hits="callers"),
    Fault("restart registries", restart("registry"), quick=False, harmless=True),
    Fault("kill auth", kill("auth", every=True, times=2), hits="callers"),
    Fault("restart auths", restart("auth"), quick=False, harmless=True),
    Fault("kill gateway", kill("gateway"), hits="callers"),
    Fault("kill postgres", kill("postgres")),
    Fault("hang postgres", hang("postgres", 5), hits="callers"),
    Fault("cut off postgres", cut_off_postgres, quick=False, hits="callers"),
    Fault("slow postgres", slow("postgres", 8), quick=False),
    Fault("hang postgres for long", hang("postgres", 25), quick=False, hits="callers"),
    Fault("kill s3", kill("s3"), quick=False),
    Fault("hang s3", hang("s3", 8), quick=False, hits="callers"),
    Fault("full disk of s3", full_disk("s3", 8), hits="INTERNAL"),
    Fault("full disk of data", full_disk(".", 12), quick=False, hits="callers"),
    Fault("full disk, kill registry", full_disk_and_kill, quick=False, hits="callers"),
    Fault("kill dockerd", kill_engine, "docker", hits="ENGINE_LOST"),
    Fault("kill dockerd for long", kill_engine_for_long, "docker", quick=False, hits="callers"),
    Fault("kill socket proxy", kill("socket-proxy"), "docker", hits="ENGINE_LOST"),
    Fault("hang dockerd", hang_engine(5), "docker", quick=False, hits="callers"),
    Fault("kill executor on docker", kill("executor"), "docker", quick=False, hits="EXECUTOR_LOST"),
    Fault("restart executors on docker", restart("executor"), "docker", quick=False, harmless=True),
    Fault("hang socket proxies", hang("socket-proxy", 15), "docker", quick=False, hits="callers"),
    Fault("cut network of postgres", cut(12, "postgres"), "network", quick=False, hits="callers"),
    Fault("cut network of s3", cut(12, "s3"), "network", quick=False, hits="callers"),
    Fault("cut network of both", cut(12, "postgres", "s3"), "network", False, hits="callers"),
    Fault("clock jumps ahead", jump(3600), "clock", quick=False),
    Fault("clock jumps back", jump(-3600), "clock", quick=False),
)
