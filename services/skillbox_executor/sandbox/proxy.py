"""Renders the socket proxy: HAProxy between an Executor and its Docker Engine.

    python -m skillbox_executor.sandbox.proxy render --to FOLDER

Who holds the engine's socket is root on its host. Behind this proxy an Executor can create
boxes exactly as its driver does, and use and remove those, and nothing else.
"""

import argparse
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from string import Template
from typing import Any, TypeVar

from skillbox_common.units import parse_cpu, parse_duration, parse_size
from skillbox_executor.config import ExecutorSettings
from skillbox_executor.sandbox.interface import Language, Limits, Role
from skillbox_executor.sandbox.proxy_patterns import body_pattern, request_patterns

CONFIG = "haproxy.cfg"
REQUESTS = "requests.lst"
BODIES = "bodies.lst"
BUILDER_BODIES = "builder-bodies.lst"

_BUILDER_ID = 2
_WITH_PACKAGES = (Language.PYTHON, Language.NODE)
# HAProxy reads pattern files with its default buffer, whatever `tune.bufsize` says.
_LONGEST_PATTERN = 16_000
# Before its run a box waits in the pool with its connections open.
_BEFORE_AND_AFTER_S = 3600
_ADDRESS = r"[A-Za-z0-9._*:\[\]-]*:[0-9]{1,5}"
_RULES: Mapping[str, tuple[str, str]] = {
    "engine_socket": (r"/[A-Za-z0-9._/-]+", "the absolute path of a socket"),
    "listen": (_ADDRESS, "HOST:PORT"),
    "builder_listen": (_ADDRESS, "HOST:PORT"),
    "owner": (r"[!-~](?:[ -~]*[!-~])?", "printable ASCII"),
    "images": (r"[A-Za-z0-9][A-Za-z0-9._:/@-]*", "names of images"),
    "runtimes": (r"[A-Za-z0-9][A-Za-z0-9._-]*", "names of OCI runtimes"),
}
_CONFIG = Template((Path(__file__).parent / "proxy.cfg").read_text("utf-8"))
_T = TypeVar("_T")


def _default(name: str) -> Any:
    return ExecutorSettings.model_fields[name].get_default(call_default_factory=True)


@dataclass(frozen=True)
class ProxySettings:
    """What the proxy stands between, and what it lets through.

    Attributes:
        engine_socket: Path of the engine's socket.
        listen: Where the Executor finds the proxy.
        owner: The Executor's `SKILLBOX_EXECUTOR_ID`; `GROUP/*` for all that begin with `GROUP/`.
        images: Every image that a box may be of.
        runtimes: Every OCI runtime that a box may have.
        most: The largest limits of a box.
        longest_run_s: The Executor's `SKILLBOX_MAX_TIMEOUT`.
        builder_listen: Where the Executor makes boxes that install packages, with a network;
            empty for nowhere.
        builder_memory: The Executor's `SKILLBOX_BUILDER_MEMORY`, in bytes.
    """

    most: Limits
    engine_socket: str = "/var/run/docker.sock"
    listen: str = "127.0.0.1:2375"
    owner: str = field(default_factory=socket.gethostname)
    images: Sequence[str] = ()
    runtimes: Sequence[str] = ("runc",)
    longest_run_s: float = 600.0
    builder_listen: str = ""
    builder_memory: int = 2 * 1024**3

    def __post_init__(self) -> None:
        for name, (pattern, expected) in _RULES.items():
            value = getattr(self, name)
            if name == "builder_listen" and not value:
                continue
            values = (value,) if isinstance(value, str) else value
            if not values or not all(re.fullmatch(pattern, each) for each in values):
                raise ValueError(f"{name}: {value!r} is not valid: expected {expected}")


def render(settings: ProxySettings) -> dict[str, str]:
    """Returns the proxy's files by name; they belong into one folder.

    Raises:
        ValueError: A pattern is longer than HAProxy reads.
    """
    bodies = _bodies(settings)
    builder_bodies = _builder_bodies(settings)
    requests = request_patterns(settings.owner, settings.images)
    longest = max(map(len, [*bodies, *builder_bodies, *requests]))
    if longest > _LONGEST_PATTERN:
        raise ValueError(f"a pattern of {longest} bytes is too long: at most {_LONGEST_PATTERN}")
    builder = settings.builder_listen
    config = _CONFIG.substitute(
        engine_socket=settings.engine_socket,
        listen=settings.listen,
        silence=f"{round(settings.longest_run_s) + _BEFORE_AND_AFTER_S}s",
        requests=REQUESTS,
        bodies=BODIES,
        builder_bind=f"    bind {builder} id {_BUILDER_ID}\n" if builder else "",
        builder_id=_BUILDER_ID,
        builder_bodies=BUILDER_BODIES,
    )
    return {
        CONFIG: config,
        REQUESTS: _lines(requests),
        BODIES: _lines(bodies),
        BUILDER_BODIES: _lines(builder_bodies),
    }


def _bodies(settings: ProxySettings) -> Sequence[str]:
    """Returns the patterns of boxes without network: those of runs, and fillers."""
    pattern = partial(
        body_pattern,
        owner=settings.owner,
        images=settings.images,
        runtimes=settings.runtimes,
        most=settings.most,
    )
    return [
        *(pattern(language) for language in Language),
        *(pattern(language, dependencies=True) for language in _WITH_PACKAGES),
        *(pattern(language, dependencies=True, role=Role.FILL) for language in _WITH_PACKAGES),
    ]


def _builder_bodies(settings: ProxySettings) -> Sequence[str]:
    memory = settings.builder_memory
    most = replace(settings.most, memory_bytes=memory, sandbox_bytes=memory)
    return [
        body_pattern(
            language,
            settings.owner,
            settings.images,
            settings.runtimes,
            most,
            role=Role.BUILD,
        )
        for language in _WITH_PACKAGES
    ]


def _lines(patterns: Sequence[str]) -> str:
    return "".join(f"{pattern}\n" for pattern in patterns)


def write(files: Mapping[str, str], folder: Path) -> None:
    """Writes rendered files; the configuration last, so that it never names older patterns."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name == CONFIG):
        (folder / name).write_text(files[name], "utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; ends the process with exit code 2 when that is not valid."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        settings = ProxySettings(
            engine_socket=given.socket,
            listen=given.listen,
            owner=given.owner,
            images=given.images,
            runtimes=given.runtimes,
            most=Limits(memory_bytes=given.max_memory, cpus=given.max_cpus),
            longest_run_s=given.max_timeout,
            builder_listen=given.builder_listen,
            builder_memory=given.builder_memory,
        )
        files = render(settings)
        write(files, given.to)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(given.to / CONFIG)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m skillbox_executor.sandbox.proxy")
    command = parser.add_subparsers(required=True).add_parser(
        "render", help=f"write {CONFIG} and the pattern files beside it"
    )
    add = command.add_argument
    add("--to", type=Path, default=Path(), metavar="FOLDER", help="default: this one")
    add("--socket", default=ProxySettings.engine_socket, help="of the engine")
    add("--listen", default=ProxySettings.listen, metavar="HOST:PORT")
    add(
        "--builder-listen",
        default="",
        metavar="HOST:PORT",
        help="as SKILLBOX_BUILDER_DOCKER_HOST; by default no box gets a network",
    )
    add("--owner", default=_default("executor_id"), help="as SKILLBOX_EXECUTOR_ID, or GROUP/*")
    add(
        "--images",
        type=_names,
        default=_default("image_allowlist"),
        metavar="NAME,…",
        help="as SKILLBOX_IMAGE_ALLOWLIST",
    )
    add(
        "--runtimes",
        type=_names,
        default=_names("runc"),
        metavar="NAME,…",
        help="that SKILLBOX_OCI_RUNTIME may name",
    )
    for name, parse, setting, metavar in (
        ("--max-memory", _value(parse_size), "max_memory", "SIZE"),
        ("--max-cpus", _value(parse_cpu), "max_cpu", "NUMBER"),
        ("--max-timeout", _value(parse_duration), "max_timeout", "DURATION"),
        ("--builder-memory", _value(parse_size), "builder_memory", "SIZE"),
    ):
        help_text = f"as SKILLBOX_{setting.upper()}"
        add(name, type=parse, default=_default(setting), metavar=metavar, help=help_text)
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _value(parse: Callable[[object], _T]) -> Callable[[str], _T]:
    """Makes argparse show why a value is not valid."""

    def parsed(text: str) -> _T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parsed


if __name__ == "__main__":
    main()
