import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillbox_executor.dependencies.errors import DependencyError
from skillbox_executor.dependencies.requirements import MAX_BYTES, MAX_REQUIREMENTS, parse

SHA = "a" * 64


def parsed(text: str) -> tuple[str, ...]:
    return parse("requirements.txt", text.encode())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("# nothing\n\n   \n", ()),
        ("requests", ("requests",)),
        ("\ufeffrequests", ("requests",)),
        ("My_Package.Name == 1.0", ("my-package-name==1.0",)),
        ("b\r\na\nb", ("a", "b")),
        ("a>=1,<2 # why", ("a<2,>=1",)),
        ("a <2, >=1", ("a<2,>=1",)),
        ("a[y, x]", ("a[x,y]",)),
        ("a \\\n  ==1.0", ("a==1.0",)),
        ('a; python_version<"3.12"', ('a; python_version < "3.12"',)),
        (
            f"a==1 \\\n --hash=sha256:{'b' * 64} \\\n --hash=sha256:{SHA}",
            (f"a==1 --hash=sha256:{SHA} --hash=sha256:{'b' * 64}",),
        ),
        (f"a==1 --hash sha256:{SHA}", (f"a==1 --hash=sha256:{SHA}",)),
    ],
)
def test_each_requirement_has_one_spelling(text: str, expected: tuple[str, ...]) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize(
    "line",
    [
        "-r other.txt",
        "-rother.txt",
        "--requirement other.txt",
        "-c constraints.txt",
        "-e .",
        "--editable git+https://host.test/x",
        "-i https://index.test",
        "--index-url https://index.test",
        "--extra-index-url=https://index.test",
        "--find-links https://index.test",
        "-f /etc",
        "--trusted-host host.test",
        "--no-binary :all:",
        "--pre",
        "--use-feature=fast-deps",
        "a --global-option=x",
        "a --config-settings=x=y",
        "a -r other.txt",
        "a --hash=md5:abc",
        "a --hash=sha256:abc",
        "https://host.test/a.whl",
        "a @ https://host.test/a.whl",
        "a @ file:///etc/passwd",
        "git+https://host.test/x",
        "file:///etc/passwd",
        "/etc/passwd",
        "./local",
        "../up",
        "a.whl; x",
        "${HOME}",
        "a==${X}",
        'a; python_version == "${X}"',
        "a b",
        "a==1\x00",
        "a; import os",
        "=1",
        "$(id)",
    ],
)
def test_what_reaches_elsewhere_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(DependencyError, match=r"^requirements\.txt line 3: "):
        parsed(f"fine\n\n{line}\n")


def test_sizes_are_bounded() -> None:
    with pytest.raises(DependencyError, match="bytes at most"):
        parsed("#" * (MAX_BYTES + 1))
    with pytest.raises(DependencyError, match="requirements: expected"):
        parsed("".join(f"p{number}\n" for number in range(MAX_REQUIREMENTS + 1)))
    with pytest.raises(DependencyError, match="not UTF-8"):
        parse("requirements.txt", b"\xff\xfe")


@given(st.text(alphabet=" -#\\\n=a1.@:/$[];>,\"'rehash", max_size=60))
def test_whatever_passes_is_a_plain_list_of_packages(text: str) -> None:
    try:
        lines = parsed(text)
    except DependencyError:
        return
    for line in lines:
        assert line[0].isalnum()
        assert not any(each in line.split(" --hash=")[0] for each in (" -", "@", "://", "$", "\n"))
    assert parsed("\n".join(lines)) == lines
