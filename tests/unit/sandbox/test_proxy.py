"""The rendering of the socket proxy."""

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillbox_executor.config import DOCUMENTED_IMAGES
from skillbox_executor.sandbox import docker_body, proxy
from skillbox_executor.sandbox.interface import Language, Limits, Profile
from skillbox_executor.sandbox.proxy import BODIES, CONFIG, REQUESTS, ProxySettings, render
from skillbox_executor.sandbox.proxy_patterns import body_pattern, request_patterns, up_to

MIB = 1024 * 1024
OWNER = 'executor "1" (a+b)'
IMAGES = ("python:3.12-slim", "registry.test:5000/a/b@sha256:0", "bash.x")
MOST = Limits(memory_bytes=1000 * MIB, cpus=2.5, pids=100, sandbox_bytes=300 * MIB)
SETTINGS = ProxySettings(owner=OWNER, images=IMAGES, runtimes=("runc", "runsc"), most=MOST)
DEPLOYED = Path(__file__).parents[3] / "deploy" / "socket-proxy" / "haproxy.cfg"


def matches(pattern: str, text: str) -> bool:
    # Python's `\Z` is PCRE's `\z`; for the rest of what is used here the two agree.
    return re.search(pattern.replace(r"\z", r"\Z"), text) is not None


@given(st.integers(1, 10**13), st.data())
def test_whole_numbers_up_to_a_maximum_match(maximum: int, data: st.DataObject) -> None:
    pattern = re.compile(up_to(maximum))
    near = st.integers(maximum - 20, maximum + 20)
    number = data.draw(st.one_of(near, st.integers(-1, 10 * maximum)))
    assert (pattern.fullmatch(str(number)) is not None) == (1 <= number <= maximum)


@pytest.mark.parametrize("maximum", [1, 9, 10, 11, 19, 20, 99, 100, 101, 109, 110, 128, 1000, 1999])
def test_every_number_around_a_small_maximum(maximum: int) -> None:
    pattern = re.compile(up_to(maximum))
    found = [n for n in range(-1, 11 * maximum) if pattern.fullmatch(str(n))]
    assert found == list(range(1, maximum + 1))


@pytest.mark.parametrize("text", ["", "0", "00", "01", "+1", "1.0", "1e1", " 1", "1\n", "１"])  # noqa: RUF001 - a wide one
def test_a_number_has_one_spelling(text: str) -> None:
    assert not re.fullmatch(up_to(50), text)


def body(language: Language, profile: Profile, owner: str = OWNER) -> str:
    made = docker_body.create_body(replace(profile, language=language), owner)
    return json.dumps(made, sort_keys=True)


@pytest.mark.parametrize("language", Language)
def test_a_box_within_the_limits_matches_the_pattern_of_its_language(language: Language) -> None:
    patterns = {
        each: body_pattern(each, OWNER, IMAGES, ("runc", "runsc"), MOST) for each in Language
    }
    chance = random.Random(1)
    for image in IMAGES:
        for runtime in ("runc", "runsc"):
            limits = Limits(
                memory_bytes=chance.randint(1, MOST.memory_bytes),
                cpus=chance.uniform(0.01, MOST.cpus),
                pids=chance.randint(1, MOST.pids),
                sandbox_bytes=chance.randint(1, MOST.sandbox_bytes),
            )
            text = body(language, Profile(image, language, limits, runtime))
            assert [each for each in Language if matches(patterns[each], text)] == [language]


@pytest.mark.parametrize(
    "profile",
    [
        Profile(IMAGES[0], Language.BASH, replace(MOST, memory_bytes=MOST.memory_bytes + 1)),
        Profile(IMAGES[0], Language.BASH, replace(MOST, cpus=2.51)),
        Profile(IMAGES[0], Language.BASH, replace(MOST, cpus=0)),
        Profile(IMAGES[0], Language.BASH, replace(MOST, pids=8 * MOST.pids + 1)),
        Profile(IMAGES[0], Language.BASH, replace(MOST, sandbox_bytes=0)),
        Profile(IMAGES[0], Language.BASH, MOST, "kata"),
        Profile("bash5x", Language.BASH, MOST),
        Profile("bash.x:latest", Language.BASH, MOST),
    ],
)
def test_a_box_beyond_the_limits_does_not_match(profile: Profile) -> None:
    pattern = body_pattern(Language.BASH, OWNER, IMAGES, ("runc", "runsc"), MOST)
    assert matches(pattern, body(Language.BASH, Profile(IMAGES[0], Language.BASH, MOST)))
    assert not matches(pattern, body(Language.BASH, profile))


def test_the_box_of_another_owner_does_not_match() -> None:
    profile = Profile(IMAGES[0], Language.BASH, MOST)
    pattern = body_pattern(Language.BASH, OWNER, IMAGES, ("runc",), MOST)
    assert not matches(pattern, body(Language.BASH, profile, "executor .1. (a+b)"))


def test_requests_are_for_names_of_the_owner() -> None:
    patterns = request_patterns(OWNER, IMAGES)

    def allowed(request: str) -> bool:
        return any(matches(pattern, request) for pattern in patterns)

    for name, expected in ((docker_body.new_name(OWNER), True), (docker_body.new_name("x"), False)):
        assert allowed(f"POST /v1.41/containers/create?name={name}") is expected
        assert allowed(f"POST /v1.52/containers/{name}/start") is expected
        assert allowed(f"DELETE /v1.41/containers/{name}?force=1&v=1") is expected
    assert allowed("GET /v1.41/images/bash.x/json")
    assert not allowed("GET /v1.41/images/bashxx/json")
    assert not allowed("GET /v1.41/info\n")


def test_connections_outlive_the_longest_run() -> None:
    config = render(replace(SETTINGS, longest_run_s=86_400))[CONFIG]
    timeouts = re.findall(r"timeout (?:tunnel|server|client) +(\d+)s", config)
    assert [int(each) > 86_400 for each in timeouts] == [True] * 3


def test_every_pattern_is_a_closed_group() -> None:
    """So that none that is cut off is a pattern by itself."""
    files = render(SETTINGS)
    lines = [*files[REQUESTS].splitlines(), *files[BODIES].splitlines()]
    assert len(lines) > len(Language)
    for line in lines:
        assert line.startswith("^(?:")
        assert line.endswith(r")\z")
        re.compile(line.replace(r"\z", r"\Z"))
        for end in range(len("^(?:"), len(line) - len(r")\z"), 997):
            with pytest.raises(re.error):
                re.compile(line[:end])


def test_a_pattern_that_haproxy_would_cut_off_is_refused() -> None:
    images = [f"image-{number}" for number in range(1000)]
    with pytest.raises(ValueError, match=r"a pattern of \d+ bytes is too long: at most 16000"):
        render(replace(SETTINGS, images=images))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("engine_socket", "docker.sock"),
        ("engine_socket", "/run/a b"),
        ("engine_socket", "/run/x\n    bind *:80"),
        ("listen", "2375"),
        ("listen", "127.0.0.1:2375 ssl"),
        ("owner", ""),
        ("owner", "a\nb"),
        ("owner", "ü"),
        ("images", ()),
        ("images", ("",)),
        ("images", ("a", "b c")),
        ("images", ("../info",)),
        ("runtimes", ()),
        ("runtimes", ('runc"',)),
    ],
)
def test_a_setting_that_is_not_valid_is_named(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: .* is not valid: expected "):
        replace(SETTINGS, **{name: value})  # type: ignore[arg-type]  # of each field in turn


def test_the_command_line_writes_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "proxy"
    proxy.main(
        [
            "render",
            "--to",
            str(folder),
            "--socket",
            "/run/docker.sock",
            "--listen",
            ":2376",
            "--owner",
            "one",
            "--images",
            "a, b",
            "--runtimes",
            "runsc",
            "--max-memory",
            "1Gi",
            "--max-cpus",
            "1.5",
            "--max-timeout",
            "1h",
        ]
    )
    assert capsys.readouterr().out == f"{folder / CONFIG}\n"
    expected = ProxySettings(
        engine_socket="/run/docker.sock",
        listen=":2376",
        owner="one",
        images=("a", "b"),
        runtimes=("runsc",),
        most=Limits(memory_bytes=1024 * MIB, cpus=1.5),
        longest_run_s=3600,
    )
    assert {each.name: each.read_text() for each in folder.iterdir()} == render(expected)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--max-memory", "much"], "argument --max-memory: expected a size such as 128Mi"),
        (["--max-cpus", "0"], "argument --max-cpus: expected a number of cores"),
        (["--max-timeout", "60"], "argument --max-timeout: expected a duration"),
        (["--images", "a,,b"], "images: ('a', '', 'b') is not valid"),
        (["--to", "/dev/null"], "/dev/null"),
    ],
)
def test_a_command_line_that_is_not_valid_says_why(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        proxy.main(["render", *flags])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_the_committed_configuration_is_the_rendered_one() -> None:
    defaults = ProxySettings(images=DOCUMENTED_IMAGES, most=MOST)
    assert DEPLOYED.read_text() == render(defaults)[CONFIG]
