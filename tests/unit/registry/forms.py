"""Builds multipart forms."""

BOUNDARY = "----boundary7MA4YWxk"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, content: bytes, *, filename: str = "") -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    head = f"Content-Disposition: {disposition}\r\nContent-Type: application/zip\r\n\r\n"
    return head.encode() + content


def form(*parts: bytes) -> bytes:
    fence = f"--{BOUNDARY}".encode()
    return b"".join(fence + b"\r\n" + part + b"\r\n" for part in parts) + fence + b"--\r\n"
