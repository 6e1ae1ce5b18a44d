"""Control groups on folders that look like the kernel's, of versions that this host has not."""

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from skillbox_executor.sandbox import cgroups
from skillbox_executor.sandbox.cgroups import Cgroups, Group, Hierarchy, Part, hierarchies
from skillbox_executor.sandbox.interface import EngineUnavailable, Limits

LIMITS = Limits(memory_bytes=1 << 28, cpus=0.5, pids=20)


def proc(folder: Path, cgroup: str, mountinfo: str) -> Path:
    """Makes a /proc as far as it is read."""
    (folder / "self").mkdir(parents=True)
    (folder / "self/cgroup").write_text(cgroup)
    (folder / "self/mountinfo").write_text(mountinfo)
    return folder


def mount(top: Path, options: str, root: str = "/") -> str:
    kind = "cgroup" if options else "cgroup2"
    return f"30 20 0:25 {root} {top} rw,relatime shared:9 - {kind} none rw{options}\n"


def group_2(folder: Path, controllers: str = "", enabled: str = "") -> Path:
    """Makes a folder as version 2 fills it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.controllers").write_text(controllers)
    (folder / "cgroup.subtree_control").write_text(enabled)
    return folder


def test_version_1_has_a_hierarchy_for_each_set_of_controllers(tmp_path: Path) -> None:
    memory, cpu, systemd = (tmp_path / name for name in ("memory", "cpu,cpuacct", "systemd"))
    fake = proc(
        tmp_path / "proc",
        "3:memory:/a/b\n2:cpu,cpuacct:/\n1:name=systemd:/a\n",
        mount(memory, ",memory") + mount(cpu, ",cpu,cpuacct") + mount(systemd, ",name=systemd"),
    )
    assert hierarchies(fake) == [
        Hierarchy(1, frozenset({"memory"}), memory, memory / "a/b"),
        Hierarchy(1, frozenset({"cpu"}), cpu, cpu),
    ]


def test_a_hybrid_host_uses_version_2_for_the_rest(tmp_path: Path) -> None:
    memory, unified = tmp_path / "memory", group_2(tmp_path / "unified", "io pids")
    fake = proc(
        tmp_path / "proc",
        "3:memory:/\n0::/user.slice\n",
        mount(memory, ",memory") + mount(unified, ""),
    )
    assert hierarchies(fake) == [
        Hierarchy(1, frozenset({"memory"}), memory, memory),
        Hierarchy(2, frozenset({"pids"}), unified, unified / "user.slice"),
    ]


@pytest.mark.parametrize(
    ("root", "path", "own"),
    [
        ("/docker/1", "/docker/1", "."),
        ("/docker/1", "/docker/1/child", "child"),
        ("/docker/1", "/", "."),
    ],
)
def test_a_container_sees_a_part_of_the_tree(
    tmp_path: Path, root: str, path: str, own: str
) -> None:
    top = tmp_path / "pids"
    fake = proc(tmp_path / "proc", f"1:pids:{path}\n", mount(top, ",pids", root))
    assert [hierarchy.own for hierarchy in hierarchies(fake)] == [top / own]


def test_a_place_is_sought_from_the_nearest_group_upwards(tmp_path: Path) -> None:
    own = tmp_path / "top/a/b"
    hierarchy = Hierarchy(1, frozenset({"pids"}), tmp_path / "top", own)
    assert list(hierarchy.nearest_first()) == [own, own.parent, tmp_path / "top"]


def test_version_1_limits(tmp_path: Path) -> None:
    part = Part(1, cgroups.CONTROLLERS, tmp_path)
    assert dict(part.settings(LIMITS)) == {
        "cpu.shares": "1024",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "50000",
        "memory.limit_in_bytes": "268435456",
        "memory.memsw.limit_in_bytes?": "268435456",
        "memory.swappiness": "0",
        "pids.max": "20",
    }


@pytest.mark.parametrize(
    ("version", "setting"), [(1, ("cpu.shares", "64")), (2, ("cpu.weight", "6"))]
)
def test_a_sixteenth_of_the_weight(tmp_path: Path, version: int, setting: tuple[str, str]) -> None:
    part = Part(version, cgroups.CONTROLLERS, tmp_path)
    assert setting in part.settings(replace(LIMITS, weight=64))


def test_version_2_limits_are_written_and_read_back(tmp_path: Path) -> None:
    group = Group((Part(2, cgroups.CONTROLLERS, tmp_path / "box"),))
    group.limit(LIMITS)
    written = {path.name: path.read_text() for path in (tmp_path / "box").iterdir()}
    # Without the file for swap, as on a kernel that does not count it.
    assert written == {
        "cpu.weight": "100",
        "cpu.max": "50000 100000",
        "memory.max": "268435456",
        "pids.max": "20",
    }
    assert (group.memory(), group.pids(), group.cpus()) == (1 << 28, 20, 0.5)


def test_no_limit_reads_as_none(tmp_path: Path) -> None:
    for name, text in {"cpu.max": "max 100000", "memory.max": "max", "pids.max": "max"}.items():
        (tmp_path / name).write_text(text)
    group = Group((Part(2, cgroups.CONTROLLERS, tmp_path),))
    assert (group.memory(), group.pids(), group.cpus()) == (None, None, None)
    assert (Group().memory(), Group().pids(), Group().cpus()) == (None, None, None)


@pytest.mark.parametrize(
    ("version", "name", "text"),
    [
        (1, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        (2, "memory.events", "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n"),
    ],
)
def test_the_kernel_counts_its_kills(tmp_path: Path, version: int, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert Group((Part(version, frozenset({"memory"}), tmp_path),)).oom_kills() == 3
    assert Group().oom_kills() == 0


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hierarchy:
    """A version 2 tree in which only the slice has a subtree with all controllers."""
    top = group_2(tmp_path / "top", "cpu memory pids", "memory")
    slice_ = group_2(top / "user.slice", "cpu memory pids", "cpu memory pids")
    own = group_2(slice_ / "session.scope", "cpu memory pids")
    for folder, enabled in ((own, ""), (slice_, "cpu memory pids"), (top, "memory")):
        group_2(folder / "skillbox-me", enabled, enabled)
    write = Path.write_text

    def kernel_write(path: Path, text: str) -> int:
        if path.name == "cgroup.subtree_control":
            raise OSError(errno.EBUSY, "it has processes of its own")
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", kernel_write)
    hierarchy = Hierarchy(2, frozenset(cgroups.CONTROLLERS), top, own)
    monkeypatch.setattr(cgroups, "hierarchies", lambda _: [hierarchy])
    return hierarchy


@pytest.mark.usefixtures("tree")
def test_version_2_takes_the_nearest_place_where_all_controllers_work(tree: Hierarchy) -> None:
    folder = tree.own.parent / "skillbox-me/box"
    assert Cgroups("me").group("box") == Group((Part(2, cgroups.CONTROLLERS, folder),))


def test_version_2_takes_the_most_controllers_where_none_has_all(tree: Hierarchy) -> None:
    group_2_file = tree.own.parent / "skillbox-me/cgroup.subtree_control"
    group_2_file.unlink()
    folder = tree.top / "skillbox-me/box"
    assert Cgroups("me").group("box") == Group((Part(2, frozenset({"memory"}), folder),))


def test_where_no_group_may_be_made_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hierarchy = Hierarchy(1, frozenset({"pids"}), tmp_path / "none", tmp_path / "none")
    monkeypatch.setattr(cgroups, "hierarchies", lambda _: [hierarchy])
    group = Cgroups("me").group("box")
    assert group == Group()
    group.limit(LIMITS)
    group.join(1)


async def test_a_group_that_stays_busy_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "box/child").mkdir(parents=True)
    monkeypatch.setattr(cgroups, "_REMOVAL_PAUSE", 0)
    with pytest.raises(EngineUnavailable, match="cannot be removed"):
        await Group((Part(1, frozenset({"pids"}), tmp_path / "box"),)).remove()


async def test_removing_twice_does_no_harm(tmp_path: Path) -> None:
    group = Group((Part(1, frozenset({"pids"}), tmp_path / "box"),))
    group.parts[0].folder.mkdir()
    await group.remove()
    await group.remove()
    assert not group.parts[0].folder.exists()


def test_places_are_sought_again_when_one_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "all"
    top.mkdir()
    mounted = mount(top, ",cpu,memory,pids")
    owner = Cgroups("me", proc(tmp_path / "proc", "1:cpu,memory,pids:/\n", mounted))
    looks = []

    def look(folder: Path) -> list[Hierarchy]:
        looks.append(folder)
        return hierarchies(folder)

    monkeypatch.setattr(cgroups, "hierarchies", look)
    assert owner.group("1").parts[0].folder == top / "skillbox-me/1"
    owner.group("2")
    assert len(looks) == 1
    (top / "skillbox-me").rmdir()
    owner.group("3")
    assert len(looks) == 2
    assert (top / "skillbox-me").is_dir()


def test_left_over_groups_are_found_wherever_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "pids"
    hierarchy = Hierarchy(1, frozenset({"pids"}), top, top / "now")
    monkeypatch.setattr(cgroups, "hierarchies", lambda _: [hierarchy])
    for name in ("before/skillbox-me/1", "skillbox-me/2", "before/skillbox-you/3"):
        (top / name).mkdir(parents=True)
    found = Cgroups("me").left_over()
    assert {box_id: group.parts[0].folder for box_id, group in found.items()} == {
        "1": top / "before/skillbox-me/1",
        "2": top / "skillbox-me/2",
    }
