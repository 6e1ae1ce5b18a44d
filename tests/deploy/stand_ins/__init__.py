"""Images in the place of public ones, because the tests have to run where no registry is reached.

Redis is the real one of this machine. The collector and Jaeger are `collector.py`.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

# Those come with the base image.
_OF_LIBC = re.compile(r"/(ld-linux[^/]*|lib(c|m|dl|rt|pthread))\.so\.\d+$")
_REDIS = """\
FROM skillbox/base:trixie
COPY lib /opt/redis/lib
COPY redis-server /opt/redis/redis-server
RUN ln -s /opt/redis/redis-server /usr/local/bin/redis-server
ENV LD_LIBRARY_PATH=/opt/redis/lib
"""
_COLLECTOR = """\
FROM skillbox-test/executor
COPY collector.py /opt/collector.py
HEALTHCHECK NONE
ENTRYPOINT ["python", "/opt/collector.py"]
CMD []
"""


def build_redis(tag: str) -> None:
    """Packs the Redis of this machine and the libraries that it is linked with."""
    program = shutil.which("redis-server")
    assert program is not None, "redis-server is missing: apt-get install redis-server"
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    libraries = [path for path in re.findall(r"/\S+", listed) if not _OF_LIBC.search(path)]
    with tempfile.TemporaryDirectory(prefix="skillbox-redis-") as folder:
        context = Path(folder)
        (context / "lib").mkdir()
        for path in libraries:
            shutil.copy(path, context / "lib")
        shutil.copy(program, context / "redis-server")
        _build(context, _REDIS, tag)


def build_collector(tag: str) -> None:
    """Packs `collector.py`, on the image of a service, which has what OTLP needs."""
    with tempfile.TemporaryDirectory(prefix="skillbox-collector-") as folder:
        shutil.copy(Path(__file__).with_name("collector.py"), folder)
        _build(Path(folder), _COLLECTOR, tag)


def _build(context: Path, dockerfile: str, tag: str) -> None:
    (context / "Dockerfile").write_text(dockerfile)
    done = subprocess.run(
        ["docker", "build", "--quiet", "--network", "none", "--tag", tag, context],
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
