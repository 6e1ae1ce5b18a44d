"""The conversation with a runner, over a wire that says what a test wants."""

import asyncio

import pytest

from skillbox_executor.sandbox.frames import End, Frame, Output, Result, encode_length
from skillbox_executor.sandbox.interface import BoxLost, Language, Payload, RunnerFault
from skillbox_executor.sandbox.stream import Conversation

PAYLOAD = Payload(["main.py"], {"A": "b"}, [b"x" * 700_000, b"y" * 300])
END = b'{"exit_code":3}'


def frame(kind: str, data: bytes = b"") -> bytes:
    return kind.encode() + encode_length(len(data)) + data


class FakeWire:
    """Says the given pieces, the rest once the payload has come, and takes what it is sent."""

    def __init__(self, *says: bytes, complaint: str = "", reads: bool = True) -> None:
        self.says = list(says)
        self.complains = complaint
        self.reads = reads
        self.sent = bytearray()

    async def send(self, data: bytes) -> None:
        if not self.reads:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        self.sent += data

    async def receive(self) -> bytes:
        await asyncio.sleep(0.01)
        return self.says.pop(0) if self.says else b""

    async def complaint(self) -> str:
        return self.complains


class BrokenWire(FakeWire):
    async def send(self, data: bytes) -> None:
        raise BrokenPipeError


async def run(wire: FakeWire, language: Language = Language.PYTHON) -> list[Frame]:
    conversation = Conversation(wire)
    await conversation.greeting()
    return [frame async for frame in conversation.run(language, PAYLOAD)]


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_frames_come_in_order_whatever_the_pieces(size: int) -> None:
    said = frame("o", b"out") + frame("e", b"err") + frame("r", b"tar") + frame("x", END)
    pieces = [said[start : start + size] for start in range(0, len(said), size)]
    wire = FakeWire(frame("h"), *pieces)
    assert await run(wire) == [
        Output("stdout", b"out"),
        Output("stderr", b"err"),
        Result(b"tar"),
        End(exit_code=3),
    ]


async def test_the_payload_is_sent_as_the_protocol_says() -> None:
    wire = FakeWire(frame("h"), *[frame("o", b".")] * 5, frame("x", END))
    await run(wire)
    length = int(wire.sent[:10])
    header, rest = bytes(wire.sent[10 : 10 + length]), bytes(wire.sent[10 + length :])
    assert b'"argv": ["main.py"]' in header
    assert rest == encode_length(700_300) + b"".join(PAYLOAD.tar)


async def test_bash_gets_a_header_that_a_shell_reads() -> None:
    wire = FakeWire(frame("h"), frame("o", b"."), frame("x", END))
    await run(wire, Language.BASH)
    assert b"A=b -- main.py" in wire.sent


@pytest.mark.parametrize("wire_type", [BrokenWire, FakeWire])
async def test_a_runner_that_reads_nothing_can_still_end(wire_type: type[FakeWire]) -> None:
    wire = wire_type(frame("h"), frame("x", END), reads=False)
    assert await run(wire) == [End(exit_code=3)]


async def test_what_follows_the_end_is_not_read() -> None:
    wire = FakeWire(frame("h"), frame("x", END), b"garbage")
    assert await run(wire) == [End(exit_code=3)]
    assert wire.says == [b"garbage"]


@pytest.mark.parametrize(
    ("says", "text"),
    [
        ([b"garbage that is long enough"], "unknown frame type"),
        ([frame("o", b"early")], "did not greet"),
        ([frame("h") + frame("h")], "greeted twice"),
        ([frame("h"), b"o9999999999"], "too long"),
        ([frame("h"), frame("x", b"{}")], "no valid exit code"),
    ],
)
async def test_a_runner_that_breaks_the_protocol_is_at_fault(says: list[bytes], text: str) -> None:
    with pytest.raises(RunnerFault, match=text):
        await run(FakeWire(*says))


@pytest.mark.parametrize("says", [[], [frame("h")], [frame("h"), frame("o", b"x")[:-1]]])
async def test_a_stream_that_just_ends_is_a_lost_box(says: list[bytes]) -> None:
    with pytest.raises(BoxLost):
        await run(FakeWire(*says))


async def test_a_runner_that_complains_before_it_ends_is_at_fault() -> None:
    with pytest.raises(RunnerFault, match="failed: no such thing"):
        await run(FakeWire(frame("h"), complaint="no such thing\n"))


async def test_giving_up_stops_the_sending() -> None:
    wire = FakeWire(frame("h"), *[frame("o", b".")] * 100, reads=False)
    conversation = Conversation(wire)
    await conversation.greeting()
    before = asyncio.all_tasks()
    frames = conversation.run(Language.PYTHON, PAYLOAD)
    await anext(frames)
    assert len(asyncio.all_tasks() - before) == 1
    await frames.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert asyncio.all_tasks() == before


async def test_what_is_loaded_waits_for_its_last_byte() -> None:
    wire = FakeWire(frame("h"), *[frame("o", b".")] * 5, frame("x", END))
    conversation = Conversation(wire)
    await conversation.greeting()
    conversation.load(Language.PYTHON, PAYLOAD)
    await asyncio.sleep(0.05)
    assert wire.sent.endswith(b"x" * 9 + b"y" * 299)
    async for _ in conversation.run(Language.PYTHON, PAYLOAD):
        pass
    assert wire.sent.endswith(b"x" * 9 + b"y" * 300)


async def test_what_is_loaded_and_never_runs_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    wire = FakeWire(frame("h"))
    conversation = Conversation(wire)
    await conversation.greeting()
    conversation.load(Language.PYTHON, PAYLOAD)
    await asyncio.sleep(0.05)
    conversation.close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert wire.sent.endswith(b"y" * 299)
