"""Everything that the SDK does, for an environment that has nothing else; prints JSON.

Arguments: the URL of a server, the archive of the skill data-analysis, a folder for files.
"""

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from skillbox import APIError, Client

url, archive, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
name = "bare-install"
said: dict[str, object] = {}


def failure(call: Callable[[], object]) -> object:
    """Returns status and code of an APIError, else the name of what was raised."""
    try:
        call()
    except APIError as error:
        return [error.status_code, error.error_code]
    except Exception as error:
        return type(error).__name__
    return "nothing"


with Client(url) as client:
    client.health()
    pushed = client.upload_skill(archive)
    said["pushed"] = [pushed.name, pushed.version, pushed.lang]
    said["listed"] = [skill.name for skill in client.list_skills()]
    result = client.run("data-analysis", input={"data": [1, 2, 3, 4, 5]})
    said["ran"] = [result.status, result.output["mean"]]
    said["events"] = [event.type for event in client.stream(result.execution_id)]
    client.download_files(result, folder)
    said["downloaded"] = [str(path.relative_to(folder)) for path in folder.rglob("*")]

    copy = archive.with_name("copy.zip")
    with zipfile.ZipFile(copy, "w") as made:
        made.writestr("SKILL.md", f"---\nname: {name}\ndescription: To be deleted.\n---\n")
    client.register_skill(copy)
    client.delete_skill(name, "1.0.0")
    said["deleted"] = failure(lambda: client.get_skill(name))

    large = archive.with_name("large.zip")
    with large.open("wb") as file:
        file.truncate(50 * 1024 * 1024 + 1)
    broken = archive.with_name("broken.zip")
    broken.write_bytes(b"no archive")
    said["errors"] = {
        "no key": failure(Client(url, " ").list_skills),
        "another key": failure(Client(url, "sk-wrong").list_skills),
        "another tenant": failure(Client(url, tenant_id="other").list_skills),
        "no such skill": failure(lambda: client.run("no-such-skill")),
        "no such execution": failure(lambda: client.get_execution("no-uuid")),
        "no skill named": failure(lambda: client.run("")),
        "no archive": failure(lambda: client.register_skill(broken)),
        "too large": failure(lambda: client.register_skill(large)),
        "nobody there": failure(Client("http://127.0.0.1:1").health),
        "no such file": failure(lambda: client.register_skill(folder / "none.zip")),
        "no JSON": failure(lambda: client.run("data-analysis", input=float("nan"))),
    }
print(json.dumps(said))
