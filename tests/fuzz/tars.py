"""Blocks of tar archives that no tool would write."""

import tarfile

_MAP_OF_HOLES = 386
_CHECKSUM = slice(148, 156)


def header(kind: bytes, size: int, name: str = "files/a", holes: bytes = b"") -> bytes:
    """Returns the header of a member.

    Args:
        size: As stated, whatever follows.
        holes: Stands where GNU tar keeps its map of holes.
    """
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT, errors="surrogateescape")[-512:])
    block[_MAP_OF_HOLES : _MAP_OF_HOLES + len(holes)] = holes
    block[_CHECKSUM] = b" " * 8
    block[_CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def holes(size: int) -> bytes:
    """Returns a map with 512 bytes of data, in a file of `size` bytes."""
    return _number(0) + _number(512) + bytes(73) + _number(size)


def _number(value: int) -> bytes:
    return b"\x80" + value.to_bytes(11, "big")
