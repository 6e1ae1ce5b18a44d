"""The REST API from Python's standard library: no package is needed, not even Skillbox's own.

Where packages may be installed, `examples/python-sdk` does the same in a few lines.
"""

import io
import json
import os
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

SERVER = os.environ.get("SKILLBOX_SERVER_URL", "http://localhost:8080")
API_KEY = os.environ.get("SKILLBOX_API_KEY", "")
SKILL = Path(__file__).resolve().parent.parent / "skills" / "word-counter"


def main():
    print("uploaded", upload(SKILL))
    print(
        "there are", [f"{skill['name']} {skill['version']}" for skill in call("GET", "/v1/skills")]
    )

    result = run("word-counter", {"text": "The cat saw the dog.", "top": 1})
    print(result["status"], json.dumps(result["output"]))

    for kind, event in events(result["execution_id"]):
        print("event", kind, json.dumps(event.get("data", "")))

    summary = upload(SKILL.parent / "text-summary")
    result = run(summary["name"], {"text": "A cat sat. The cat saw a dog. It ran.", "sentences": 1})
    for name, content in files(result).items():
        print(name, content.decode().strip())

    try:
        run("no-such-skill", {})
    except RefusedError as error:
        print("refused:", error)


class RefusedError(Exception):
    """The server said no."""


def open_request(method, path, body=None, content_type="application/json"):
    request = urllib.request.Request(SERVER + path, data=body, method=method)
    request.add_header("Authorization", f"Bearer {API_KEY}")
    if body is not None:
        request.add_header("Content-Type", content_type)
    try:
        return urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        reply = json.load(error)
        raise RefusedError(f"{error.code} {reply['error']}: {reply['message']}") from None


def call(method, path, body=None, content_type="application/json"):
    with open_request(method, path, body, content_type) as reply:
        return json.load(reply)


def upload(folder):
    """Uploads a folder with a SKILL.md."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            out.write(file, file.relative_to(folder))
    return call("POST", "/v1/skills", archive.getvalue(), "application/zip")


def run(skill, data):
    """Runs a skill and waits for its end. A skill that fails has another status, and no error."""
    body = json.dumps({"skill": skill, "input": data}).encode()
    return call("POST", "/v1/executions", body)


def events(execution_id):
    """Yields what happened in a run; of one that goes on, what happens until its end."""
    with open_request("GET", f"/v1/executions/{execution_id}/events") as reply:
        kind = ""
        for line in reply:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)


def files(result):
    """Fetches the files of a run into memory. Their address is signed and needs no key."""
    with (
        urllib.request.urlopen(result["files_url"]) as reply,
        tarfile.open(fileobj=reply, mode="r|gz") as archive,
    ):
        return {item.name: archive.extractfile(item).read() for item in archive if item.isfile()}


if __name__ == "__main__":
    try:
        main()
    except (RefusedError, urllib.error.URLError) as error:
        sys.exit(f"error: {error}")
