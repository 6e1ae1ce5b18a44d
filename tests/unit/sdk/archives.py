"""Archives of files as a run leaves them, and such as nobody should unpack."""

import io
import tarfile

HOSTILE_NAMES = ("../evil", "sub/../../evil", "/tmp/evil", "..")
HOSTILE_KINDS = {
    "symlink": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = link
    info.size = 5 if kind == tarfile.REGTYPE else 0
    return info


def archive(*entries: tarfile.TarInfo) -> bytes:
    """Returns a .tar.gz whose files say hello."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info in entries:
            tar.addfile(info, io.BytesIO(b"hello"))
    return buffer.getvalue()


HOSTILE = {
    **{name: entry(name) for name in HOSTILE_NAMES},
    "folder ..": entry("..", tarfile.DIRTYPE),
    "link with ..": entry("../evil", tarfile.SYMTYPE, "x"),
    **{name: entry("odd", kind, "/etc/passwd") for name, kind in HOSTILE_KINDS.items()},
}
"""Entries that every download refuses, by what is wrong with them."""
