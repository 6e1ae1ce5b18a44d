import struct
import sys
from collections.abc import Iterator

import pyseccomp
import pytest

from skillbox_executor.sandbox import seccomp
from skillbox_executor.sandbox.interface import EngineUnavailable

RETURN = 0x06  # BPF_RET | BPF_K
KILL_PROCESS, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
ENOSYS, EPERM = 38, 1


@pytest.fixture
def fresh_cache() -> Iterator[None]:
    seccomp.filters.cache_clear()
    yield
    seccomp.filters.cache_clear()


def answers(program: bytes) -> set[int]:
    """Returns everything that a BPF program can answer."""
    instructions = struct.iter_unpack("=HBBI", program)
    return {value for code, _, _, value in instructions if code == RETURN}


def test_the_first_filter_allows_a_list_and_knows_nothing_else() -> None:
    allowing, _ = seccomp.filters()
    assert answers(allowing) == {ALLOW, ERRNO | ENOSYS, KILL_PROCESS}


def test_the_second_filter_refuses_single_arguments() -> None:
    _, refusing = seccomp.filters()
    assert answers(refusing) >= {ALLOW, ERRNO | EPERM}


@pytest.mark.parametrize("name", ["read", "execve", "fork", "futex", "mmap", "wait4", "prctl"])
def test_what_every_program_needs_is_allowed(name: str) -> None:
    assert name in seccomp.ALLOWED


@pytest.mark.parametrize("name", ["clone", "clone3", "socket", "personality", "mount", "ptrace"])
def test_what_depends_on_arguments_is_not_allowed_outright(name: str) -> None:
    assert name not in seccomp.ALLOWED


def test_every_listed_name_is_a_system_call() -> None:
    newer_than_some_libraries = {"fchmodat2"}
    unknown = {
        name
        for name in seccomp.ALLOWED
        if pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) == -1
    }
    assert unknown <= newer_than_some_libraries


@pytest.mark.usefixtures("fresh_cache")
def test_a_missing_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with pytest.raises(EngineUnavailable, match="apt-get install libseccomp2"):
        seccomp.filters()
