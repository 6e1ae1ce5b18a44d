"""Who is taken for dead, by a clock of the test's own."""

from collections.abc import Collection

from skillbox_common.errors import DependencyUnavailable
from skillbox_executor.commands.replica import Replica
from skillbox_executor.domain import Outcome

LEASE = 10.0


class Database:
    """Knows other replicas by the number of their last beat."""

    def __init__(self) -> None:
        self.beats: dict[str, int | None] = {}
        self.taken: list[str] = []
        self.away = False

    async def beat(self) -> None:
        if self.away:
            raise DependencyUnavailable("away")

    async def leave(self) -> None: ...

    async def others(self) -> dict[str, int | None]:
        return dict(self.beats)

    async def take_over(self, replica_id: str, beat: int | None, outcome: Outcome) -> int | None:
        assert self.beats.pop(replica_id) == beat
        self.taken.append(replica_id)
        return 1

    async def clean_up(self, held: Collection[str], outcome: Outcome) -> int:
        return 0


class Bench:
    def __init__(self) -> None:
        self.database, self.time = Database(), 100.0
        self.replica = Replica(
            self.database,
            worker=None,  # type: ignore[arg-type]  # for `recover` only
            reaper=None,  # type: ignore[arg-type]  # the same
            heartbeat_s=2.0,
            lease_s=LEASE,
            now=lambda: self.time,
        )

    async def pass_time(self, seconds: int, *, others_beat: bool = False) -> None:
        """Beats every two seconds."""
        for _ in range(seconds // 2):
            self.time += 2
            if others_beat:
                self.database.beats = {
                    name: (beat or 0) + 1 for name, beat in self.database.beats.items()
                }
            await self.replica.beat()


async def test_a_replica_whose_beats_stop_is_dead_after_a_lease() -> None:
    bench = Bench()
    bench.database.beats = {"other": 7}
    await bench.pass_time(100, others_beat=True)
    await bench.pass_time(8)
    assert bench.database.taken == []
    await bench.pass_time(4)
    assert bench.database.taken == ["other"]


async def test_one_that_never_beat_has_a_lease_too() -> None:
    bench = Bench()
    bench.database.beats = {"unknown": None}
    await bench.pass_time(10)
    assert bench.database.taken == []
    await bench.pass_time(4)
    assert bench.database.taken == ["unknown"]


async def test_nobody_dies_of_an_outage_of_the_database() -> None:
    bench = Bench()
    bench.database.beats = {"other": 7}
    await bench.pass_time(6, others_beat=True)
    bench.database.away = True
    await bench.pass_time(60)
    bench.database.away = False
    # The other one comes back a moment later than this one.
    await bench.pass_time(8)
    await bench.pass_time(20, others_beat=True)
    assert bench.database.taken == []


async def test_nobody_dies_because_this_replica_slept() -> None:
    bench = Bench()
    bench.database.beats = {"other": 7}
    await bench.pass_time(6)
    bench.time += 1000
    await bench.pass_time(8)
    assert bench.database.taken == []
    await bench.pass_time(6)
    assert bench.database.taken == ["other"]
