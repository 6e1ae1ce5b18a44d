"""Ways to spoil a request to the REST surface."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.fuzz import odd
from tests.support.raw_http import Request


@dataclass(frozen=True)
class Spoiled:
    """Bytes to send.

    Attributes:
        complete: Whether a server can tell that nothing more is to come.
    """

    data: bytes
    complete: bool = True


Mutation = Callable[[random.Random, Request], Spoiled]


def path(rng: random.Random, good: Request) -> Spoiled:
    """Puts something odd in the place of a part of the path, or between two."""
    parts = good.target.split(b"/")
    position = rng.randrange(1, len(parts))
    parts[position : position + rng.randint(0, 1)] = [rng.choice([*odd.TEXTS, *odd.BYTES])]
    return Spoiled(replace(good, target=b"/".join(parts)).encode())


def target(rng: random.Random, good: Request) -> Spoiled:
    """Writes the whole target in a way of its own."""
    plain = good.target
    odd = [
        *(b"//" + plain, b"/x/.." + plain, plain + b"/", plain + b"#a", plain.upper(), b"", b"*"),
        *(b"http://example.com" + plain, b"http://" + plain, plain.replace(b"/", b"%2f"), b"?"),
        *(plain.replace(b"/", b"\\"), plain.replace(b"/", b"/./"), plain[1:], b"/%76%31/skills"),
        *(b"/v1", b"/v1/", b"/", b"/v1/" + b"a/" * 2000, b"/skillbox.auth.v1.ApiKeyService/X"),
        *(
            b"/skillbox.auth.v1.IntrospectionService/Introspect",
            plain + b"\0",
            b"/admin",
            b"/stats",
        ),
    ]
    return Spoiled(replace(good, target=rng.choice(odd)).encode())


def query(rng: random.Random, good: Request) -> Spoiled:
    """Adds parameters that nobody asked for."""
    names = [b"page_size", b"page_token", b"status", b"skill", b"follow", b"after_seq", b"id", b"x"]
    names += [b"run.skill", b"body", b"name", b"", b"%ff", b"__proto__", b"page_size[]"]
    values = [
        *odd.TEXTS,
        b"1",
        b"0",
        b"true",
        b"success",
        b"W10",
        b"WyJhIiwiYiJd",
        b"1e3",
        b"2147483648",
    ]
    pairs = [b"%s=%s" % (rng.choice(names), rng.choice(values)) for _ in range(rng.randint(1, 4))]
    return Spoiled(
        replace(good, target=good.target.partition(b"?")[0] + b"?" + b"&".join(pairs)).encode()
    )


def header_value(rng: random.Random, good: Request) -> Spoiled:
    """Gives a header that means something an odd value, in place of its own or beside it."""
    name = rng.choice(odd.HEADERS)
    own = [item for item in good.headers if rng.random() < 0.5 or item[0] != name]
    value = rng.choice([*odd.VALUES, *odd.TEXTS, *odd.BYTES])
    return Spoiled(replace(good, headers=[*own, (name, value)]).encode())


def header_line(rng: random.Random, good: Request) -> Spoiled:
    """Adds a line that is hardly a header."""
    lines = [
        *(b"no colon", b": no name", b" folded: x", b"a b: c", b"a : b", b"a\0: b", b"a: b\rc: d"),
        *(
            b"a: \0",
            b"\xff: x",
            b"a: b\n c",
            b"(a): b",
            b"!#$%&'*+.^`|~: x",
            b"a_b: c",
            b":path: /x",
        ),
        *(b":authority: x", b"Content-Length: 5, 6", b"Content-Length: -1", b"Content-Length: 1e1"),
        *(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity", b"a: b\r\n\tc"),
        *(b"Host: a\r\nHost: b", b"Content-Length: 0\r\nContent-Length: 1", b"a: " + b"b" * 70_000),
        *(b"a" * 70_000 + b": b", b"\r\n".join(b"a%d: b" % number for number in range(150))),
        *(b"\r\n".join([b"a: b"] * 90), b"Authorization: Bearer x\r\nAuthorization: Bearer y"),
    ]
    name, value = good.headers[0]
    line = (name, value + b"\r\n" + rng.choice(lines))
    # A length that lies, or a body without an end.
    return Spoiled(replace(good, headers=[line, *good.headers[1:]]).encode(), complete=False)


def json_body(rng: random.Random, good: Request) -> Spoiled:
    """Sends JSON that is broken, or not what is asked for."""
    paths = [
        b"/v1/executions",
        b"/v1/api-keys",
        b"/v1/api-keys/x:rotate",
        b"/v1/executions/x:cancel",
    ]
    return Spoiled(
        replace(good, method=b"POST", target=rng.choice(paths), body=rng.choice(odd.JSON)).encode()
    )


def upload(rng: random.Random, good: Request) -> Spoiled:
    """Uploads what is no skill, or no form."""
    types = [
        *(b"application/zip", b"application/octet-stream", b"multipart/form-data; boundary=b"),
        *(
            b"multipart/form-data",
            b"multipart/form-data; boundary=",
            b"multipart/mixed; boundary=b",
        ),
        *(b"application/zip; a=b", b"text/html", b"", b"APPLICATION/ZIP", b"application/grpc-web"),
        *(b'multipart/form-data; boundary="b', b"multipart/form-data; boundary=" + b"b" * 300),
    ]
    parts = [
        *(
            b"",
            b"PK\x05\x06" + bytes(18),
            b"PK\x03\x04" + bytes(60),
            b"--b--\r\n",
            b"--b\r\n\r\n\r\n--b--",
        ),
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nPK\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\0\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="file"; filename*=x\r\n\r\n',
        b"--b\r\nContent-Disposition: \xff\r\n\0: x\r\n\r\n--b--",
        b"--b\r\n" + b"a: b\r\n" * 2000 + b"\r\n--b--",
    ]
    headers = [item for item in good.headers if item[0] != b"Content-Type"]
    headers.append((b"Content-Type", rng.choice(types)))
    spoiled = Request(b"POST", b"/v1/skills", headers, rng.choice(parts))
    return Spoiled(spoiled.encode())


def framing(rng: random.Random, good: Request) -> Spoiled:
    """Lies about where the body ends."""
    length = rng.choice([b"0", b"3", b"1000", b"99999999999", b"99999999999999999999999", b"0x5"])
    chunked = (b"Transfer-Encoding", b"chunked")
    how = rng.choice(
        [[chunked], [(b"Content-Length", length)], [chunked, (b"Content-Length", b"3")]]
    )
    tail = rng.choice(odd.CHUNKS) if chunked in how else b"hello"
    spoiled = replace(good, method=b"POST", headers=[*good.headers, *how], tail=tail)
    return Spoiled(spoiled.encode(), complete=False)


def start_line(rng: random.Random, good: Request) -> Spoiled:
    """Asks with another method, or in another version."""
    if rng.random() < 0.5:
        return Spoiled(replace(good, method=rng.choice(odd.METHODS)).encode(), complete=False)
    return Spoiled(replace(good, version=rng.choice(odd.VERSIONS)).encode(), complete=False)


def flipped(rng: random.Random, good: Request) -> Spoiled:
    """Changes some bytes anywhere."""
    data = bytearray(good.encode())
    for _ in range(rng.randint(1, 6)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return Spoiled(bytes(data), complete=False)


def cut(rng: random.Random, good: Request) -> Spoiled:
    """Leaves out a stretch, or the end."""
    data = good.encode()
    start = rng.randrange(len(data))
    end = len(data) if rng.random() < 0.5 else rng.randrange(start, len(data))
    return Spoiled(data[:start] + data[end:], complete=False)


def noise(rng: random.Random, good: Request) -> Spoiled:
    """Is no HTTP at all."""
    odd = [
        *(
            b"\r\n" * 10 + good.encode(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
        ),
        *(
            rng.randbytes(300),
            b"\n" * 500,
            b"GET /\r\n",
        ),
        *(
            good.encode().replace(b"\r\n", b"\n"),
            good.encode().replace(b"\r\n", b"\r"),
            b"\0" * 100,
        ),
        *(
            b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + good.encode(),
            b"SSH-2.0-x\r\n",
            b"A" * 80_000,
        ),
    ]
    return Spoiled(rng.choice(odd), complete=False)


MUTATIONS: list[Mutation] = [
    *(path, target, query, header_value, header_line, json_body, upload),
    *(framing, start_line, flipped, cut, noise),
]
