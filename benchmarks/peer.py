"""llm-sandbox (PyPI), which runs code of agents in containers too: pooled and not.

It expects an image with `python`, a command that stays and a virtual environment that its set-up
makes with the help of a package index. So it gets such an image, made from ours, and skips the
set-up. `init` spares it ten seconds for each container, as its command ignores SIGTERM.
Its pool hands a container to one run after the other, which a pool of Skillbox never does.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.cases import Case, RunFailed
from benchmarks.raw import CODE, IMAGE

_IMAGE = "skillbox/bench-llm-sandbox"
_SETUP = (
    "ln -s python3 /usr/bin/python && mkdir -p /tmp/.sandbox-venv/bin "
    "&& ln -s /usr/bin/python3 /tmp/.sandbox-venv/bin/python"
)
_LIMITS = {
    "init": True,
    "network_mode": "none",
    "mem_limit": "256m",
    "memswap_limit": "256m",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "pids_limit": 128,
    "nano_cpus": 500_000_000,
}


@contextmanager
def llm_sandbox(pool_size: int) -> Iterator[dict[str, Case]]:
    """Yields its cases by name.

    Raises:
        ImportError: It is not installed.
    """
    import docker  # noqa: PLC0415 - belongs to the extra `bench` alone
    from llm_sandbox import SandboxBackend, SandboxSession  # noqa: PLC0415
    from llm_sandbox.pool import PoolConfig, create_pool_manager  # noqa: PLC0415

    client = docker.from_env()
    _build(client)
    common: dict[str, Any] = {"lang": "python", "workdir": "/tmp", "verbose": False}
    own = {"image": _IMAGE, "client": client, "runtime_configs": _LIMITS}
    own["skip_environment_setup"] = True
    pool = create_pool_manager(
        backend=SandboxBackend.DOCKER,
        config=PoolConfig(min_pool_size=pool_size, max_pool_size=pool_size),
        **{**common, **own},
    )

    def work(**session: Any) -> str:
        with SandboxSession(**common, **session) as sandbox:
            result = sandbox.run(CODE)
        if result.exit_code or '{"sum": 6}' not in result.stdout:
            raise RunFailed(result.stderr[:300])
        return ""

    async def fresh() -> str:
        return await asyncio.to_thread(work, **own)

    async def pooled() -> str:
        return await asyncio.to_thread(work, pool=pool)

    try:
        yield {"llm-sandbox": fresh, "llm-sandbox, pooled": pooled}
    finally:
        pool.close()
        client.images.remove(_IMAGE, force=True)
        client.close()


def _build(client: Any) -> None:
    container = client.containers.create(IMAGE, ["sh", "-c", _SETUP])
    try:
        container.start()
        container.wait()
        container.commit(_IMAGE, changes=['CMD ["sleep","infinity"]'])
    finally:
        container.remove(force=True)
