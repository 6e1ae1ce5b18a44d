import os
import stat
from pathlib import Path

import pytest

from skillbox_local import state
from skillbox_local.data_dir import DataDir
from skillbox_local.errors import LocalError
from skillbox_local.state import ProcessState, State

STATE = State(
    phase="running",
    pid=12,
    url="http://127.0.0.1:8080",
    data_dir="/data",
    sandbox="docker",
    sandbox_note="asked for",
    warning="",
    docker_host="unix:///var/run/docker.sock",
    run_dir="",
    services={"auth": ProcessState("running", 13, 1, 1700000000.5)},
)


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    data = DataDir(tmp_path / "deep/data")
    data.create()
    return data


def test_secret_is_made_once_and_private(data: DataDir) -> None:
    first = data.secret("key")
    assert data.secret("key") == first
    assert len(first) == 40
    assert stat.S_IMODE((data.root / "key").stat().st_mode) == 0o600


def test_secret_replaced_stays_private(data: DataDir) -> None:
    data.api_key.write_text("old")
    data.api_key.chmod(0o644)
    data.write_secret(data.api_key, "new")
    assert data.api_key.read_text() == "new\n"
    assert stat.S_IMODE(data.api_key.stat().st_mode) == 0o600


def test_others_cannot_list_the_directory(data: DataDir) -> None:
    mode = stat.S_IMODE(data.root.stat().st_mode)
    assert mode & 0o066 == 0
    assert stat.S_IMODE(data.s3.stat().st_mode) == 0o700
    assert stat.S_IMODE(data.logs.stat().st_mode) == 0o700


def test_one_supervisor_at_a_time(data: DataDir) -> None:
    assert data.holder() is None
    with data.locked():
        assert data.holder() == os.getpid()
        with (
            pytest.raises(LocalError, match=rf"in use by a running Skillbox \(pid {os.getpid()}\)"),
            data.locked(),
        ):
            pass
    assert data.holder() is None
    with data.locked():
        pass


def test_holder_of_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    assert DataDir(tmp_path / "none").holder() is None


def test_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalError, match="cannot use the data directory"):
        DataDir(tmp_path / "file/data").create()


def test_state_survives_writing(data: DataDir) -> None:
    state.write(data.state, STATE)
    assert state.read(data.state) == STATE


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"services": {"auth": {"what": 1}}}'])
def test_state_that_cannot_be_read(data: DataDir, text: str) -> None:
    data.state.write_text(text)
    assert state.read(data.state) is None


def test_no_state(data: DataDir) -> None:
    assert state.read(data.state) is None
