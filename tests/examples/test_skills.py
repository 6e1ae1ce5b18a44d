"""The example skills in a real sandbox."""

from pathlib import Path

from skillbox import Client as Sdk
from tests.e2e.stack import API_KEY, Client
from tests.examples.running import SKILLS


def sdk(live: Client) -> Sdk:
    return Sdk(live.url, API_KEY, timeout=60)


def test_they_are_all_there(live: Client) -> None:
    names = [skill.name for skill in SKILLS]
    assert len(names) >= 9
    assert set(names) <= {skill.name for skill in sdk(live).list_skills()}


def test_the_sandbox_keeps_its_promises(live: Client) -> None:
    variables = {"GREETING": "hello there"}
    result = sdk(live).run("environment-check", input={"variables": variables}, env=variables)
    assert result.status == "success", result
    broken = [name for name, passed in result.output["checks"].items() if not passed]
    assert (broken, result.output["ok"], len(result.output["checks"])) == ([], True, 9)
    assert result.files_list == ["checks.txt"]


def test_an_exit_code(live: Client, tmp_path: Path) -> None:
    client = sdk(live)
    result = client.run("exit-code", input={"code": 7})
    assert (result.status, result.reason, result.exit_code) == ("failed", "EXIT_CODE", 7)
    assert result.error == "container exited with code 7"
    # What it left is there all the same.
    assert result.output == {"code": 7}
    client.download_files(result, tmp_path)
    assert (tmp_path / "last-words.txt").read_text() == "Ending with exit code 7\n"
    assert client.run("exit-code", input={"code": 0}).status == "success"


def test_a_time_limit(live: Client) -> None:
    client = sdk(live)
    result = client.run("slow-count", args=["100"])
    assert (result.status, result.reason) == ("timeout", "TIME_LIMIT")
    assert result.error == "execution timed out after 5s"
    assert result.logs.startswith("1\n2\n3\n")
    assert result.output is None
    assert client.run("slow-count", args=["2"]).output == {"counted": 2}
    assert client.run("slow-count", args=["x"]).exit_code == 1


def test_many_files(live: Client, tmp_path: Path) -> None:
    client = sdk(live)
    result = client.run("many-files", input={"folders": 4, "files": 10})
    assert result.output == {"count": 40, "deepest": "folder-1/folder-2/folder-3/folder-4"}
    client.download_files(result, tmp_path)
    found = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert [str(path.relative_to(tmp_path)) for path in found] == sorted(result.files_list)
    assert len(found) == 40
    assert all(path.read_text() == f"{path.relative_to(tmp_path)}\n" for path in found)


def test_a_package_of_others(live: Client) -> None:
    client = sdk(live)
    rows = [{"city": "Lima", "people": 10}, {"city": "Oslo", "people": 7}]
    result = client.run("text-table", input={"rows": rows, "format": "github"})
    assert result.status == "success", result
    assert result.output == {
        "table": "| city   |   people |\n|--------|----------|\n"
        "| Lima   |       10 |\n| Oslo   |        7 |",
        "rows": 2,
    }
