import pytest

from skillbox_executor.bundles import Bundle
from skillbox_executor.dependencies.boxes import tar_of
from skillbox_executor.dependencies.errors import DependencyError
from skillbox_executor.dependencies.installer import shown
from skillbox_executor.dependencies.wanted import Wanted, read_wanted, set_key
from skillbox_executor.sandbox.interface import Language

WHEEL = "wheels/greeting-1.0-py3-none-any.whl"


def wanted(files: dict[str, bytes], language: Language = Language.PYTHON) -> Wanted | None:
    return read_wanted(Bundle(tar_of(files), frozenset(files)), language)


def fingerprint(files: dict[str, bytes]) -> str:
    found = wanted(files)
    assert found is not None
    return found.fingerprint


def test_only_what_is_installed_decides() -> None:
    plain = fingerprint({"requirements.txt": b"b\na==1\n", "main.py": b"1"})
    assert plain == fingerprint({"scripts/requirements.txt": b"# x\nA == 1\nb", "main.py": b"2"})
    assert plain != fingerprint({"requirements.txt": b"b\na==2\n"})
    brought = fingerprint({"requirements.txt": b"b\na==1\n", WHEEL: b"1"})
    assert brought not in (plain, fingerprint({"requirements.txt": b"b\na==1\n", WHEEL: b"2"}))


def test_each_interpreter_has_a_set_of_its_own() -> None:
    assert len({set_key("a", "x"), set_key("a", "y"), set_key("b", "x")}) == 3


@pytest.mark.parametrize("language", Language)
def test_most_skills_want_nothing(language: Language) -> None:
    assert wanted({"main.py": b"", WHEEL: b"", "docs/requirements.txt": b"a"}, language) is None
    assert wanted({"requirements.txt": b"# later\n", "package.json": b"{}"}, language) is None


def test_the_language_that_runs_decides() -> None:
    files = {"requirements.txt": b"a", "package.json": b'{"dependencies": {"b": "1"}}'}
    for language, name in ((Language.PYTHON, "requirements.txt"), (Language.NODE, "package.json")):
        found = wanted(files, language)
        assert found is not None
        assert list(found.files) == [name]
    assert wanted(files, Language.BASH) is None


@pytest.mark.parametrize("name", ["wheels/x.whl", "wheels/a/b-1.0-py3-none-any.whl"])
def test_a_wheel_has_the_name_of_one(name: str) -> None:
    with pytest.raises(DependencyError, match="no name of a wheel"):
        wanted({"requirements.txt": b"a", name: b""})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("at https://user:pass@host.test/simple", "at https://***@host.test/simple"),
        ("at https://token@host.test", "at https://***@host.test"),
        ("a@b c", "a@b c"),
        ("\x1b[31mred\x1b[0m\0", "red"),
        ("x" * 5000, "x" * 2000),
    ],
)
def test_what_an_installer_said_is_shown_without_passwords(said: str, expected: str) -> None:
    assert shown(said) == expected
