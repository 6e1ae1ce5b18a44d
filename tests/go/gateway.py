"""Runs the gateway in Go."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.e2e.stack import API_KEY, environment


@dataclass(frozen=True)
class Gateway:
    """A running gateway."""

    url: str

    def http(self, key: str = API_KEY) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, trust_env=False)


@contextmanager
def serve(program: Path, services: Mapping[str, str]) -> Iterator[Gateway]:
    """Runs the gateway in front of services; ends it and looks at how it ended."""
    process = subprocess.Popen(
        [program, "-listen", "127.0.0.1:0"],
        env=environment(
            {f"SKILLBOX_{name.upper()}_ADDRESS": address for name, address in services.items()}
        ),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        address = re.search(r"listening address=(\S+)", said)
        assert address, said + process.stderr.read()
        yield Gateway(f"http://{address[1]}")
    finally:
        process.terminate()
        said = process.stderr.read()
        code = process.wait(20)
        process.stderr.close()
    assert code == 0, said
