"""Makes small packages and serves them as a package index of Python or a registry of npm."""

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def wheel(
    name: str,
    version: str = "1.0",
    files: Mapping[str, bytes] | None = None,
    requires: tuple[str, ...] = (),
    tag: str = "py3-none-any",
) -> tuple[str, bytes]:
    """Returns the file name and content of a wheel; without files a module that has `ANSWER`."""
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
    metadata += [f"Requires-Dist: {each}\n" for each in requires]
    contents = {
        **(files or {f"{name}.py": f"ANSWER = '{name} {version}'\n".encode()}),
        f"{info}/METADATA": "".join(metadata).encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    record = "".join(f"{each},,\n" for each in [*contents, f"{info}/RECORD"])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in {**contents, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(path, content)
    return f"{name}-{version}-{tag}.whl", out.getvalue()


def npm_package(name: str, version: str, files: Mapping[str, bytes], **manifest: object) -> bytes:
    """Returns the tarball of an npm package."""
    document = {"name": name, "version": version, **manifest}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for path, content in {"package.json": json.dumps(document).encode(), **files}.items():
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


@dataclass
class Index:
    """A server of packages, which counts what is asked of it.

    Attributes:
        pages: Content by path.
        asked: Paths that were asked for, in order.
        authorization: The last value of the header.
        go: Answers wait for it; it is set at first.
    """

    host: str
    port: int = 0
    pages: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    authorization: str = ""
    go: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def simple(self) -> str:
        """The address of the index for pip."""
        return f"{self.url}/simple"

    def add_wheel(self, name: str, content: bytes) -> None:
        project = name.split("-", maxsplit=1)[0].replace("_", "-")
        link = f'<a href="/files/{name}">{name}</a>\n'
        page = self.pages.get(f"/simple/{project}/", ("text/html", b""))[1]
        self.pages[f"/simple/{project}/"] = "text/html", page + link.encode()
        self.pages[f"/files/{name}"] = "application/octet-stream", content

    def add_npm(self, name: str, version: str, tarball: bytes, **manifest: object) -> None:
        integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
        dist = {"tarball": f"{self.url}/files/{name}-{version}.tgz", "integrity": integrity}
        one = {"name": name, "version": version, "dist": dist, **manifest}
        document = {"name": name, "dist-tags": {"latest": version}, "versions": {version: one}}
        self.pages[f"/{name}"] = "application/json", json.dumps(document).encode()
        self.pages[f"/files/{name}-{version}.tgz"] = "application/octet-stream", tarball


@contextmanager
def serve_index(host: str = "127.0.0.1") -> Iterator[Index]:
    """Serves an empty index on a free port."""
    index = Index(host)
    index.go.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            index.authorization = self.headers.get("Authorization", index.authorization)
            index.go.wait(60)
            page = index.pages.get(self.path)
            self.send_response(200 if page else 404)
            kind, content = page or ("text/plain", b"not here")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Says nothing."""

    server = ThreadingHTTPServer((host, 0), Handler)
    index.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield index
    finally:
        index.go.set()
        server.shutdown()
        thread.join()
        server.server_close()
