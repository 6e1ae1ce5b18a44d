"""The same work without Skillbox: what it is compared with."""

import asyncio

from aiodocker import Docker

from benchmarks.cases import Case, RunFailed
from skillbox_executor.sandbox.docker_body import create_body
from skillbox_executor.sandbox.interface import Language, Limits, Profile

IMAGE = "skillbox/python"
CODE = "import json; print('working'); print(json.dumps({'sum': sum([1, 2, 3])}))"
LIMITS = Limits(memory_bytes=256 * 1024 * 1024, cpus=0.5)

DOCKER_RUN = [
    *("docker", "run", "--rm", "--network=none", "--cap-drop=ALL", "--read-only"),
    *("--security-opt=no-new-privileges:true", "--user=65534:65534", "--pids-limit=128"),
    *("--memory=256m", "--memory-swap=256m", "--cpus=0.5", "--log-driver=none"),
    *("--tmpfs=/sandbox:rw,noexec,size=256m", "--tmpfs=/tmp:rw,noexec,size=64m"),
    *("--tmpfs=/root:rw,noexec,size=1m", "--shm-size=16m", "--ulimit=core=0"),
    *(IMAGE, "python3", "-c", CODE),
]
BWRAP = [
    *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"),
    *("--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--ro-bind", "/usr", "/usr"),
    *("--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib"),
    *("--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev"),
    *("--tmpfs", "/tmp", "--tmpfs", "/sandbox", "--chdir", "/sandbox"),
    *("/usr/bin/python3", "-c", CODE),
]


async def _succeed(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    if process.returncode or b'{"sum": 6}' not in out:
        raise RunFailed(err.decode(errors="replace")[:300])


async def docker_run() -> str:
    """`docker run` with the same hardening."""
    await _succeed(*DOCKER_RUN)
    return ""


async def bwrap_python() -> str:
    """A plain bubblewrap that starts Python: less hardening than a box of Skillbox has."""
    await _succeed(*BWRAP)
    return ""


def engine_api(docker: Docker, runtime: str = "runc") -> Case:
    """Returns create, attach, start, wait and remove, as short as a client can."""
    body = create_body(Profile(IMAGE, Language.PYTHON, LIMITS, runtime), "benchmark")
    body |= {"Entrypoint": ["python3", "-c"], "Cmd": [CODE], "OpenStdin": False}
    body |= {"AttachStdin": False, "StdinOnce": False}

    async def run() -> str:
        container = await docker.containers.create(body)
        try:
            async with container.attach(stdin=False, stdout=True, stderr=True) as stream:
                await container.start()
                out = b""
                while message := await stream.read_out():
                    out += message.data
            state = await container.wait()
        finally:
            await container.delete(force=True)
        if state["StatusCode"] or b'{"sum": 6}' not in out:
            raise RunFailed(out.decode(errors="replace")[:300])
        return ""

    return run
